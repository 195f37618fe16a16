// Programs killed, hung and cut off in the middle of a class with our client and a stock one: what those inside notice.
import { existsSync, readFileSync } from 'node:fs';
import { Participant, School, finish, full, sleep, test, until } from './harness.mjs';
import { Person, RECORD, chatting, crashBy, kill, processes, recordings, records, recovery, spool, together, unnoticed } from './faults.mjs';

const today = process.env.DARASA_STOCK_LIBRARY; // a build of the present stock library, if there is one
const school = new School('faults');
const people = [];
let teacher, stock;
let deaths = 0; // of the bridge

// All that a class is about, after a fault: the same pages and names, sound, pictures, chat.
async function goesOn(words) {
    for (const who of people)
        await who.same();
    await together(people);
    await chatting(people, words);
}

// Watches everybody while something happens.
async function watched(happens) {
    for (const who of people)
        await who.watch();
    await happens();
    const watches = [];
    for (const who of people)
        watches.push(await who.watched());
    return watches;
}

// Like `watched`, and nobody may have noticed. A busy machine leaves gaps in the sound by itself; what a fault leaves comes
// every time, so that of some tries the best one counts.
async function unseen(what, happens, { gap = 1000, tries = 1 } = {}) {
    for (let i = 1; ; i++) {
        const watches = await watched(() => happens(i));
        const gaps = watches.map((watch, k) => unnoticed(people[k], watch, { gap: i < tries ? Infinity : gap }));
        console.log(`${what}: longest gap of sound ${gaps.map(g => g.toFixed(0))} ms`);
        if (Math.max(...gaps) <= gap)
            return;
    }
}

// Kills at various moments of a class; each returns when the last blow fell.
async function strike(program) {
    deaths += program === 'bridge';
    return (await kill(school, program)).at;
}
const moments = {
    'in a quiet moment': strike,
    'while a chat is under way': async program => {
        const words = `under way ${Date.now()}`;
        const said = teacher.say(words);
        const at = await strike(program);
        await said;
        await stock.reads(words, 30);
        return at;
    },
    'twice in half a second': async program => {
        await strike(program);
        await sleep(500);
        return strike(program);
    },
    'while switches move': async program => {
        const moved = stock.p.eval(() => window.__stock.locals.find(t => t.getType() === 'audio').mute());
        const at = await strike(program);
        await moved;
        await teacher.hearsNot(stock);
        await stock.unmute();
        return at;
    },
    'with the bridge': async program => {
        const first = program === 'bridge' ? undefined : strike(program);
        const at = await strike('bridge');
        await first;
        return at;
    },
};

try {
    await school.start(['--set', 'watchdog=3']);
    teacher = new Person(await Participant.start(school, 'chromium', 1, { fps: 8 }), false);
    stock = new Person(await Participant.start(school, 'chromium', 2, { fps: 8 }), true);
    people.push(teacher, stock);

    await test('faults: a class with ours and a stock client, recorded', school, async () => {
        await teacher.join(school.people[0]);
        await stock.join(school.people[1]);
        if (today && existsSync(today)) {
            const third = new Person(await Participant.start(school, 'chromium', 3, { fps: 8 }), true);
            people.push(third);
            await third.join(school.people[2], { library: today, rewriting: true });
        }
        await together(people);
        await teacher.recording(true);
        await chatting(people, 'before');
    });
    await test('faults: signal is killed', school, async () => {
        await unseen('signal killed', async i => {
            await kill(school, 'signal');
            await chatting(people, `after signal ${i}`);
        }, { gap: 100, tries: 4 });
        await goesOn('and on');
    });
    await test('faults: moderators mute after signal was killed', school, async () => {
        await teacher.mute(stock);
        await teacher.hearsNot(stock);
        await stock.unmute();
        await teacher.hears(stock);
        await teacher.p.eval(async id => {
            document.querySelector(`[data-testid=person][data-endpoint="${id}"] [data-testid=person-menu]`).querySelector('button').click();
        }, stock.endpoint).catch(() => teacher.p.eval(id => {
            document.querySelector(`[data-testid=person][data-endpoint="${id}"] .menu-button`).click();
        }, stock.endpoint));
        await teacher.p.click('[data-testid=make-moderator]');
        await stock.p.until('moderator', () => window.__stock.conference.isModerator());
        await stock.mute(teacher);
        await stock.hearsNot(teacher);
        await teacher.unmute();
        await stock.hears(teacher);
    });
    await test(`faults: sockets lost for ${full ? 60 : 20} s`, school, async () => {
        await unseen('sockets lost', async () => {
            for (const who of people)
                school.network.cutTcp(who.p.space, true);
            await sleep((full ? 60 : 20) * 1000);
            for (const who of people)
                school.network.cutTcp(who.p.space, false);
            await until('chat again', async () => {
                await chatting(people, `back ${Date.now()}`);
                return true;
            }, 60);
        });
        await goesOn('after the cut');
    });
    await test('faults: a bridge worker is killed', school, async () => {
        const [recording] = recordings(school);
        const gaps = () => [...records(spool(school, recording))].filter(r => r.kind === RECORD.GAP);
        const before = gaps().length;
        deaths++;
        const { at } = await kill(school, 'bridge');
        const times = await recovery(people, at);
        for (const [i, { offered, played }] of times.entries()) {
            console.log(`${people[i].what}: new session ${offered.toFixed(0)} ms, media ${played.toFixed(0)} ms after the kill`);
            if (offered > 3000 || played > 15000)
                throw new Error(`${people[i].what}: new session after ${offered} ms, media after ${played} ms`);
        }
        await goesOn('after the bridge');
        await until('a marked gap in the same spool', () => gaps().length > before, 10);
        if (recordings(school).length !== 1)
            throw new Error(`recordings: ${recordings(school)}`);
    });
    await test('faults: of whose bytes two workers died is sent out, and nobody else', school, async () => {
        const bad = new Person(await Participant.start(school, 'chromium', 4, { fps: 8 }), false);
        await bad.join(school.people[3]);
        for (let i = 0; i < 2; i++) {
            if (i > 0)
                await bad.same();
            deaths++;
            await recovery(people, await crashBy(school, bad.endpoint));
        }
        await bad.p.until('sent out', () => document.querySelector('[data-testid=after]')?.dataset.phase === 'kicked');
        await bad.p.goto(await bad.p.eval(() => location.href));
        await bad.p.click('[data-testid=join]');
        await bad.p.until('not let in', () => document.querySelector('[data-testid=after]')?.dataset.phase === 'refused');
        await bad.p.close();
        await goesOn('after a crash');
    });
    await test('faults: web is killed, and hangs', school, async () => {
        await unseen('web killed', async () => {
            await kill(school, 'web');
            await chatting(people, 'web is dead');
        });
        await unseen('web hangs', async () => {
            const replaced = kill(school, 'web', { signal: 'SIGSTOP', seconds: 20 });
            await chatting(people, 'web hangs');
            await replaced;
        });
        await until('web serves again', () => teacher.api('/api/classes'), 10);
    });
    await test('faults: edge is killed', school, async () => {
        await unseen('edge killed', async () => {
            await kill(school, 'edge');
            await chatting(people, 'edge is dead');
        });
        await goesOn('after edge');
    });
    await test('faults: the recorder is killed', school, async () => {
        const [recording] = recordings(school);
        await unseen('recorder killed', async () => {
            await kill(school, 'recorder');
            const size = spool(school, recording).length;
            await until('it writes on', () => spool(school, recording).length > size + 20000, 10);
        });
        if (recordings(school).length !== 1)
            throw new Error(`recordings: ${recordings(school)}`);
    });
    if (full)
        for (const program of ['signal', 'bridge', 'edge', 'web', 'recorder'])
            for (const [moment, blow] of Object.entries(moments))
                await test(`faults: ${program} is killed ${moment}`, school, async () => {
                    const at = await blow(program);
                    if (program === 'bridge' || moment === 'with the bridge')
                        await recovery(people, at);
                    await goesOn(`after ${program} ${moment} ${at}`);
                    if (recordings(school).length !== 1)
                        throw new Error(`recordings: ${recordings(school)}`);
                });
    await test('faults: one recording at the end, though render is killed', school, async () => {
        const [recording] = recordings(school);
        await teacher.recording(false);
        let killed = 0;
        const hunter = setInterval(() => {
            for (const pid of killed ? [] : processes(school, 'render')) {
                process.kill(pid, 'SIGKILL');
                killed++;
            }
        }, 5);
        const ready = await until('the recording is ready', async () => {
            const { recordings } = await teacher.api('/api/recordings');
            return recordings.length === 1 && recordings[0].id === recording && recordings[0].manifest && recordings[0];
        }, 90, 500);
        clearInterval(hunter);
        if (killed !== 1)
            throw new Error(`render was killed ${killed} times`);
        const manifest = await teacher.api(new URL(ready.manifest).pathname);
        const sounds = manifest.tracks.filter(t => t.kind === 'audio');
        console.log(`manifest: ${manifest.duration.toFixed(1)} s, ${manifest.tracks.length} tracks, gaps ${JSON.stringify(manifest.gaps)}`);
        // What signal and recorder dying cost is at most a second; only the bridge's deaths are gaps.
        const long = manifest.gaps.filter(g => g.to - g.from > 1);
        if (!manifest.gaps.length || long.length > deaths || !sounds.length)
            throw new Error(`gaps ${JSON.stringify(manifest.gaps)}, tracks ${JSON.stringify(sounds)}`);
    });
    await test('faults: the server says nothing of failures of its own', school, async () => {
        const errors = readFileSync(school.log, 'utf8').split('\n').filter(l => /^error|signal=11|signal=6\b|signal=31/.test(l));
        if (errors.length)
            throw new Error(errors.join('\n'));
    });
} catch (error) {
    await test('faults', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
