// Faults in a class of our client and a stock one, measured: a row for ./bench as soon as it is known. Its value is the median;
// the worst is beside it, and every sample. A third participant, ours too, only listens and reads.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Participant, School, sleep, until } from '../tests/class/harness.mjs';
import { Person, RECORD, kill, longestGap, longestSilence, processes, records, recordings, recovery, spool, together } from '../tests/class/faults.mjs';

const ROUNDS = Number(process.env.DARASA_BENCH_ROUNDS ?? 5);
// Restarts that others ask for must not add up: this far apart they are lone ones.
const APART = 15_000;
const raw = process.argv[2];
const school = new School('recovery');
const people = [];
let teacher, stock, reader;

// Every row there is: what is measured, its unit, and what it must be at most, or at least.
const ROWS = {
    'signal-noticed': ['`signal` killed: joins, leaves, new ids or connections that anybody saw', 'of them', 0],
    'signal-gap': ['`signal` killed: audio gap', 'ms', 100],
    'signal-chat-ours': ['`signal` killed: a chat sent after the kill arrives, between our clients', 's', 1],
    'signal-chat-stock': ['`signal` killed: a chat sent after the kill arrives at a stock client', 's', 5],
    'signal-mute': ['`signal` killed: a moderator\'s mute works, from the click', 's', 5],
    'signal-again': ['`signal` killed again and again, 15 s apart: the last chat took longer than the first by', 's', 0.5],
    'bridge-offer': ['A bridge worker killed: the focus terminates and re-initiates', 's', 1],
    'bridge-media': ['A bridge worker killed: media back', 's', 5],
    'bridge-recording': ['A bridge worker killed: the same spool goes on, with a marked gap', 's', 5],
    'edge-chat': ['`edge` killed: a chat sent after the kill arrives', 's', 5],
    'edge-gap': ['`edge` killed: audio gap', 'ms', 100],
    'web-back': ['`web` killed: it answers again', 's', 5],
    'web-gap': ['`web` killed: audio gap', 'ms', 100],
    'recorder-lost': ['`recorder` killed: lost at most', 's', 1],
    'roam-nat': ['A NAT gives a client another address: nothing heard, either way', 's', 2],
    'roam-ours': ['A client\'s own interface gets another address, ours: nothing heard, either way', 's', 5],
    'roam-stock': ['A client\'s own interface gets another address, stock: nothing heard, either way', 's', 60],
    'socket-noticed': ['Sockets lost for 60 s: joins, leaves, new ids or connections that anybody saw', 'of them', 0],
    'socket-chat': ['Sockets lost for 60 s: chat arrives again after they could be had', 's', 15],
    'render-done': ['`render` killed once: the recording is ready after the end of the class', 's', 60],
};
const told = new Set();
let failed = 0;

function tell(name, samples, why = '') {
    const [what, unit, must] = ROWS[name];
    const sorted = [...samples].sort((a, b) => a - b);
    const round = v => Math.round(v * 1000) / 1000;
    const value = sorted.length ? round(sorted[sorted.length >> 1]) : null;
    const ok = !why && value !== null && value <= must;
    const worst = sorted.length ? round(sorted.at(-1)) : null;
    const row = { what, value, unit, must: `<= ${must}`, ok, why: why || `median of ${sorted.length}, worst ${worst}`, worst, samples: samples.map(round) };
    told.add(name);
    failed += !ok;
    if (raw)
        writeFileSync(join(raw, `${name}.json`), JSON.stringify({ what, unit, samples }, null, 1) + '\n');
    process.stdout.write(JSON.stringify(row) + '\n');
}

// Some rounds of something that gives {row: samples}; what went wrong is said in each of the rows.
async function measure(names, rounds, round) {
    const samples = Object.fromEntries(names.map(name => [name, []]));
    let why = '';
    try {
        for (let i = 0; i < rounds; i++)
            for (const [name, values] of Object.entries(await round(i)))
                samples[name].push(...values);
    } catch (error) {
        why = `not measured to the end: ${String(error.message ?? error).slice(0, 200)}`;
    }
    for (const name of names)
        tell(name, samples[name], why);
    await together([teacher, stock]).catch(() => {});
}

async function watched(happens) {
    for (const who of people)
        await who.watch();
    await happens();
    return Promise.all(people.map(who => who.watched()));
}

// What was seen of a fault that nobody should see.
function noticed(watches) {
    return watches.map(w => w.people.length + w.peers.length - 1 + w.phases.filter(p => p !== 'joined').length
        + w.events.filter(e => /^(joined|left|conference failed|CONFERENCE_LEFT|disconnected|track)/.test(e)).length);
}

const gaps = watches => watches.map(w => longestGap(w.sounds));
const silence = watches => watches.slice(0, 2).map(w => longestSilence({ sounds: { all: merged(w) } }) / 1000);

// All voices of a watch as one, over all its connections: [time, , , packets of all].
function merged(watch) {
    const last = {};
    return Object.entries(watch.sounds).flatMap(([name, list]) => list.map(entry => [name, entry]))
        .sort((a, b) => a[1][0] - b[1][0])
        .map(([name, [time, , , packets]]) => {
            last[name] = packets;
            return [time, 0, 0, Object.values(last).reduce((a, b) => a + b, 0)];
        });
}

const since = at => (Date.now() - at) / 1000;
const chatTook = (words, by, at) => by.p.until(`reads '${words}'`, t => window.__stock ? window.__stock.seen.chat.find(m => m.text === t)
    : document.querySelector('[data-testid=chat-list]')?.textContent.includes(t), 90, words).then(() => since(at));

async function signal() {
    const ours = [];
    await measure(['signal-noticed', 'signal-gap', 'signal-chat-ours', 'signal-chat-stock', 'signal-mute'], ROUNDS, async i => {
        const begun = Date.now(), words = `signal ${i} ${begun}`;
        let chat;
        const watches = await watched(async () => {
            const { at } = await kill(school, 'signal');
            await teacher.say(words);
            chat = await Promise.all([chatTook(words, reader, at), chatTook(words, stock, at)]);
        });
        const click = Date.now();
        await teacher.mute(stock);
        await teacher.hearsNot(stock);
        const muted = since(click);
        await stock.unmute();
        await teacher.hears(stock);
        await Promise.all(people.map(who => who.same()));
        ours.push(chat[0]);
        await sleep(Math.max(0, APART - (Date.now() - begun)));
        return { 'signal-noticed': noticed(watches), 'signal-gap': gaps(watches), 'signal-chat-ours': [chat[0]],
            'signal-chat-stock': [chat[1]], 'signal-mute': [muted] };
    });
    tell('signal-again', ours.length > 1 ? [ours.at(-1) - ours[0]] : [], ours.length > 1 ? '' : 'not measured: `signal` was not killed twice');
}

function bridge() {
    return measure(['bridge-offer', 'bridge-media', 'bridge-recording'], ROUNDS, async () => {
        const [recording] = recordings(school);
        const marks = () => [...records(spool(school, recording))].filter(r => r.kind === RECORD.GAP).length;
        const before = marks();
        const { at } = await kill(school, 'bridge');
        const [times, marked] = await Promise.all([recovery([teacher, stock], at),
            until('a marked gap', () => marks() > before, 20, 100).then(() => since(at))]);
        if (recordings(school).length !== 1)
            throw new Error('another recording began');
        await together([teacher, stock]);
        return { 'bridge-offer': times.map(t => t.offered / 1000), 'bridge-media': times.map(t => t.played / 1000), 'bridge-recording': [marked] };
    });
}

async function fronts() {
    await measure(['edge-chat', 'edge-gap'], ROUNDS, async i => {
        let took;
        const words = `edge ${i} ${Date.now()}`;
        const watches = await watched(async () => {
            const { at } = await kill(school, 'edge');
            await teacher.say(words);
            took = await Promise.all([reader, stock].map(who => chatTook(words, who, at)));
        });
        await sleep(3000);
        return { 'edge-chat': took, 'edge-gap': gaps(watches) };
    });
    await measure(['web-back', 'web-gap'], ROUNDS, async () => {
        let took;
        const watches = await watched(async () => {
            const { at } = await kill(school, 'web');
            await until('web answers', () => teacher.api('/api/me'), 30, 50);
            took = since(at);
        });
        return { 'web-back': [took], 'web-gap': gaps(watches) };
    });
}

function recorder() {
    return measure(['recorder-lost'], ROUNDS, async () => {
        const [recording] = recordings(school);
        const from = [...records(spool(school, recording))].at(-1).at;
        await kill(school, 'recorder');
        const size = spool(school, recording).length;
        await until('it writes on', () => spool(school, recording).length > size + 30000, 10);
        const times = [...records(spool(school, recording))].filter(r => r.kind === RECORD.RTP && r.at >= from).map(r => r.at);
        return { 'recorder-lost': [Math.max(...times.slice(1).map((t, i) => (t - times[i]) / 1e6))] };
    });
}

async function networks() {
    await measure(['roam-nat'], ROUNDS, async i => {
        const watches = await watched(async () => {
            school.network.renumber(people[i % 2].p.space, `198.51.100.${120 + i}`);
            await sleep(4000);
        });
        return { 'roam-nat': silence(watches) };
    });
    const roam = (name, who, other, rounds, first) => measure([name], rounds, async i => {
        await sleep(6000); // the focus gives no two sessions in 5 s
        const watches = await watched(async () => {
            school.network.roam(who.p.space, `198.51.100.${first + i}`);
            await sleep(3000); // what was heard before has faded
            await together([who, other], 60);
        });
        return { [name]: silence(watches) };
    });
    await roam('roam-ours', teacher, stock, 3, 140);
    await roam('roam-stock', stock, teacher, 1, 150);
}

function sockets() {
    return measure(['socket-noticed', 'socket-chat'], 1, async () => {
        let took;
        const watches = await watched(async () => {
            for (const who of people)
                school.network.cutTcp(who.p.space, true);
            await sleep(60_000);
            for (const who of people)
                school.network.cutTcp(who.p.space, false);
            const at = Date.now(), words = `after 60 s ${at}`;
            await teacher.say(words);
            took = await Promise.all([reader, stock].map(who => chatTook(words, who, at)));
        });
        await Promise.all(people.map(who => who.same()));
        return { 'socket-noticed': noticed(watches), 'socket-chat': took };
    });
}

function render() {
    return measure(['render-done'], 1, async () => {
        const [recording] = recordings(school);
        await teacher.recording(false);
        const at = Date.now();
        let killed = 0;
        const hunter = setInterval(() => {
            for (const pid of killed ? [] : processes(school, 'render')) {
                process.kill(pid, 'SIGKILL');
                killed++;
            }
        }, 5);
        try {
            await until('the recording is ready', async () => {
                const { recordings } = await teacher.api('/api/recordings');
                return recordings.some(r => r.id === recording && r.manifest);
            }, 120, 250);
        } finally {
            clearInterval(hunter);
        }
        if (!killed)
            throw new Error('render was gone before it could be killed');
        return { 'render-done': [since(at)] };
    });
}

async function enter() {
    await school.start(['--set', 'watchdog=3']);
    for (const [i, kind] of [false, true, false].entries())
        people.push(new Person(await Participant.start(school, 'chromium', i + 1, { fps: 8 }), kind));
    [teacher, stock, reader] = people;
    await teacher.join(school.people[0]);
    await stock.join(school.people[1]);
    await reader.p.goto(school.people[2]);
    await reader.p.click('[data-testid=join-listening]');
    reader.endpoint = await reader.p.until('in the class', () => document.querySelector('[data-testid=own-tile]')?.dataset.endpoint, 40);
    await reader.p.eval(() => { window.__loaded = true; });
    await together([teacher, stock]);
    for (const who of [teacher, reader])
        await who.p.click('[data-testid=chat]');
    await teacher.recording(true);
}

let why = 'the bench ended before it';
try {
    await enter();
    for (const part of [signal, bridge, fronts, recorder, networks, sockets, render])
        await part();
} catch (error) {
    why = String(error.message ?? error).slice(0, 200);
} finally {
    for (const name of Object.keys(ROWS).filter(name => !told.has(name)))
        tell(name, [], `not measured: ${why}`);
    await school.stop();
}
process.exit(failed ? 1 : 0);
