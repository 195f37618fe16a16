// Faults in a class of our client and a stock one, measured: rows for ./bench, samples of each round beside them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Participant, School, sleep, until } from '../tests/class/harness.mjs';
import { Person, RECORD, chatting, kill, longestGap, longestSilence, records, recordings, recovery, spool, together } from '../tests/class/faults.mjs';

const ROUNDS = Number(process.env.DARASA_BENCH_ROUNDS ?? 5);
const raw = process.argv[2];
const school = new School('recovery');
const people = [];
const rows = [];

async function watched(happens) {
    for (const who of people)
        await who.watch();
    await happens();
    return Promise.all(people.map(who => who.watched()));
}

// Measures something some times: `sample` gives numbers in `unit`, the row has the worst; `most`: the least is the worst.
async function row(name, what, unit, must, rounds, sample, most = false) {
    const samples = [];
    let why = '';
    try {
        for (let i = 0; i < rounds; i++)
            samples.push(await sample(i));
    } catch (error) {
        why = String(error.message ?? error).slice(0, 200);
    }
    writeFileSync(join(raw, `${name}.json`), JSON.stringify({ what, unit, samples }, null, 1) + '\n');
    const all = samples.flat();
    const value = all.length ? Math.round((most ? Math.min(...all) : Math.max(...all)) * 1000) / 1000 : null;
    const ok = !why && value !== null && (most ? value >= must : value <= must);
    rows.push({ what, value, unit, must, ok, why });
    process.stdout.write(JSON.stringify(rows.at(-1)) + '\n');
}

// Long enough that nobody is new: who comes shortly before a crash is suspected of it.
async function settle() {
    await together(people);
    await sleep(4000);
}

async function main() {
    await school.start(['--set', 'watchdog=3']);
    for (const [i, stock] of [false, true].entries()) {
        const person = new Person(await Participant.start(school, 'chromium', i + 1, { fps: 8 }), stock);
        people.push(person);
        await person.join(school.people[i]);
    }
    await together(people);
    await people[0].recording(true);
    await settle();

    let seconds = [];
    await row('bridge-offer', 'A bridge worker killed: the focus itself terminates and re-initiates within 1 s', 's', 1, ROUNDS, async () => {
        const { at } = await kill(school, 'bridge');
        const times = await recovery(people, at);
        seconds.push(times.map(t => t.played / 1000));
        await settle();
        return times.map(t => t.offered / 1000);
    });
    await row('bridge-media', 'media back within 5 s', 's', 5, seconds.length, async i => seconds[i]);
    await row('signal-gap', '`signal` killed with -9: no audio gap over 100 ms', 'ms', 100, ROUNDS, async i => {
        const watches = await watched(async () => {
            await kill(school, 'signal');
            await chatting(people, `signal ${i}`);
        });
        if (watches.some(w => w.peers.length !== 1 || w.people.length))
            throw new Error('a client left or made a new connection');
        return watches.map(w => longestGap(w.sounds));
    });
    await row('signal-chat', '`signal` killed with -9: a chat sent after the kill arrives', 's', 5, ROUNDS, async i => {
        const { at } = await kill(school, 'signal');
        await people[0].say(`at once ${i}`);
        await people[1].reads(`at once ${i}`, 30);
        return [(Date.now() - at) / 1000];
    });
    await row('edge-chat', '`edge` killed: clients resume', 's', 5, ROUNDS, async i => {
        const { at } = await kill(school, 'edge');
        await people[1].say(`edge ${i}`);
        await people[0].reads(`edge ${i}`, 30);
        return [(Date.now() - at) / 1000];
    });
    await row('recorder-lost', '`recorder` killed: at most one second lost', 's', 1, ROUNDS, async () => {
        const [recording] = recordings(school);
        const from = [...records(spool(school, recording))].at(-1).at;
        await kill(school, 'recorder');
        const size = spool(school, recording).length;
        await until('it writes on', () => spool(school, recording).length > size + 30000, 10);
        const times = [...records(spool(school, recording))].filter(r => r.kind === RECORD.RTP && r.at >= from).map(r => r.at);
        return [Math.max(...times.slice(1).map((t, i) => (t - times[i]) / 1e6))];
    });
    await row('roam', 'a client\'s address change without a break, also across workers', 's', 2, ROUNDS, async i => {
        const watches = await watched(async () => {
            school.network.renumber(people[i % 2].p.space, `198.51.100.${120 + i}`);
            await sleep(4000);
        });
        if (watches.some(w => w.peers.length !== 1 || w.people.length))
            throw new Error('a client left or made a new connection');
        return watches.map(w => longestSilence(w) / 1000);
    });
    const back = [];
    await row('socket-lost', 'a socket lost for 60 s costs nobody the class', 's', 60, 1, async () => {
        let lost;
        const watches = await watched(async () => {
            const cut = Date.now();
            for (const who of people)
                school.network.cutTcp(who.p.space, true);
            await sleep(60_000);
            for (const who of people)
                school.network.cutTcp(who.p.space, false);
            const at = Date.now();
            lost = (at - cut) / 1000;
            for (const who of people) {
                const words = `after 60 s ${who.identity}`;
                await who.say(words);
                await people.find(p => p !== who).reads(words, 60);
                back.push((Date.now() - at) / 1000);
            }
        });
        if (watches.some(w => w.peers.length !== 1 || w.people.length))
            throw new Error('somebody lost the class');
        return [lost];
    }, true);
    writeFileSync(join(raw, 'socket-lost-chat.json'), JSON.stringify({ what: 'chat arrives again after the socket was back', unit: 's', samples: back }) + '\n');
}

try {
    await main();
} finally {
    await school.stop();
}
process.exit(rows.every(r => r.ok) ? 0 : 1);
