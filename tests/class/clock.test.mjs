// The server's wall clock jumps an hour, and clients change their address: nobody in the class notices.
import { readFileSync } from 'node:fs';
import { Participant, School, finish, full, sleep, test, until } from './harness.mjs';
import { JumpingClock, Person, RECORD, chatting, counter, kill, longestSilence, records, recordings, reportDrift, spool, together, unnoticed } from './faults.mjs';

const HOUR = 3600;
const school = new School('clock');
const clock = new JumpingClock(school);
const people = [];
let teacher, stock;

// The server's own idea of the time, as it tells every client, in seconds beside ours.
async function serverOffset() {
    const [date, now] = await teacher.p.eval(async () => [(await fetch('/api/classes')).headers.get('date'), Date.now()]);
    return (Date.parse(date) - now) / 1000;
}

async function watched(happens) {
    for (const who of people)
        await who.watch();
    await happens();
    const watches = [];
    for (const who of people)
        watches.push(await who.watched());
    return watches;
}

// Packets of sound that the page's last connection got.
const received = p => p.eval(async () => {
    const connection = window.__media.connections.findLastIndex(c => c.connectionState !== 'closed');
    const stats = [...(await window.__media.connections[connection].getStats()).values()];
    return { connection, packets: stats.filter(s => s.type === 'inbound-rtp' && s.kind === 'audio').reduce((sum, s) => sum + s.packetsReceived, 0) };
});

try {
    await school.start(['--set', 'media.workers=2']);
    teacher = new Person(await Participant.start(school, 'chromium', 1, { fps: 8 }), false);
    stock = new Person(await Participant.start(school, 'chromium', 2, { fps: 8 }), true);
    people.push(teacher, stock);
    let entered;

    await test('clock: a class under a clock that can jump', school, async () => {
        await teacher.join(school.people[0]);
        await stock.join(school.people[1]);
        entered = Date.now();
        await together(people);
        await teacher.recording(true);
        await chatting(people, 'before');
    });
    for (const [name, offset] of [['forwards', HOUR], ['backwards', -HOUR]])
        await test(`clock: an hour ${name}`, school, async () => {
            const watches = await watched(async () => {
                clock.set(offset);
                await until('the server believes it', async () => Math.abs(await serverOffset() - offset) < 10, 5);
                await chatting(people, `clock ${offset}`);
                await sleep(6000); // sender reports, keep-alives and timers of a few seconds come by
            });
            for (const [i, watch] of watches.entries()) {
                const gap = unnoticed(people[i], watch, { gap: 1000 }), drift = reportDrift(watch);
                console.log(`${people[i].what}: longest gap of sound ${gap.toFixed(0)} ms, sender reports within ${drift.toFixed(0)} ms`);
                if (!watch.reports.length || drift > 1000)
                    throw new Error(`${people[i].what}: sender reports moved by ${drift} ms (${watch.reports.length})`);
            }
            // Tokens were made at another time: those inside come back with them all the same.
            const lost = await watched(async () => {
                await kill(school, 'signal');
                await chatting(people, `resumed at ${offset}`);
            });
            for (const [i, watch] of lost.entries())
                unnoticed(people[i], watch, { gap: 1000 });
            for (const who of people)
                await who.same();
            await together(people);
        });
    await test('roaming: another address on the way, sound goes on', school, async () => {
        let next = 120;
        const passed = counter(school, 'darasa_bridge_passed_to_workers_total');
        for (const who of people) {
            const watches = await watched(async () => {
                for (let i = 0; i < 4; i++) { // every address has its own worker's socket: some land on another one
                    school.network.renumber(who.p.space, `198.51.100.${next++}`);
                    await sleep(3000);
                }
            });
            for (const [i, watch] of watches.entries()) {
                const silence = longestSilence(watch);
                console.log(`${who.what} roams, ${people[i].what}: longest silence ${silence.toFixed(0)} ms`);
                unnoticed(people[i], watch, { gap: 1000 });
                if (silence > 1500)
                    throw new Error(`${who.what} roams, ${people[i].what}: silence ${silence} ms`);
            }
        }
        const more = counter(school, 'darasa_bridge_passed_to_workers_total') - passed;
        console.log(`passed on between workers while roaming: ${more} datagrams`);
        if (more < 50)
            throw new Error(`no address landed on another worker's socket (${more} datagrams)`);
        await together(people);
        await chatting(people, 'from another address');
    });
    if (full) await test('roaming: another network, the class goes on', school, async () => {
        for (const [i, who] of people.entries()) {
            const words = `from another network ${i}`;
            const at = Date.now();
            school.network.roam(who.p.space, `198.51.100.${140 + i}`);
            await sleep(500); // what was under way has come: from here on sound means a new path, of the old or a new connection
            const before = await received(who.p);
            await until('sound by a new path', async () => {
                const now = await received(who.p);
                return now.connection !== before.connection ? now.packets > 50 : now.packets > before.packets + 50;
            }, 60);
            await together(people, 45);
            await who.say(words);
            await people[1 - i].reads(words, 45);
            console.log(`${who.what}: all back ${Date.now() - at} ms after the change`);
            await who.same();
        }
    });
    await test('clock: attendance and recording are as long as they were', school, async () => {
        await teacher.recording(false);
        const [recording] = recordings(school);
        const times = [...records(spool(school, recording))].filter(r => r.kind === RECORD.RTP).map(r => r.at);
        const length = (times[times.length - 1] - times[0]) / 1e6;
        const holes = times.slice(1).map((t, i) => [(t - times[i]) / 1e6, (times[i] - times[0]) / 1e6])
            .filter(([s]) => s > 1 || s < 0).map(([s, at]) => `${s} s at ${at} s`);
        if (holes.length || length > (Date.now() - entered) / 1000 + 2)
            throw new Error(`recorded ${length} s with holes: ${holes}`);
        await stock.p.eval(() => window.__stock.conference.leave());
        const stayed = (Date.now() - entered) / 1000;
        const [id] = (await teacher.api('/api/classes')).classes.filter(c => c.state === 'open').map(c => c.id);
        const seconds = await until('the stay is written down', async () => {
            const { intervals } = await teacher.api(`/api/classes/${id}/attendance`);
            return intervals.find(i => i.role === 'pupil' && i.to !== null)?.seconds;
        }, 10);
        console.log(`attendance: ${seconds} s, stayed ${stayed.toFixed(1)} s`);
        if (Math.abs(seconds - stayed) > 3)
            throw new Error(`attendance ${seconds} s, stayed ${stayed} s`);
    });
    await test('clock: the server says nothing of failures of its own', school, async () => {
        const bad = readFileSync(school.log, 'utf8').split('\n').filter(l => /^error|signal=11|signal=6\b|signal=31|hangs/.test(l));
        if (bad.length)
            throw new Error(bad.join('\n'));
    });
} catch (error) {
    await test('clock', school, () => { throw error; });
} finally {
    await school.stop();
    clock.done();
}
finish();
