// Stock clients live through the death of signal and of the bridge; moderation and recording by their own means.
import { Participant, School, finish, sleep, test, until } from './harness.mjs';
import { allSeeAll, joinStock } from './join.mjs';

const school = new School('signal');
const people = [];
const look = p => p.eval(() => window.__stock.look());
const mute = (p, how) => p.eval(how => window.__stock.locals.find(t => t.getType() === 'audio')[how](), how);
const silent = (p, q) => until('silence', async () => !(await look(p))[q.endpoint]?.audio?.length, 10);
const heard = (p, q) => until('tone again', async () => (await look(p))[q.endpoint]?.audio?.[0] === q.identity, 15);

try {
    await school.start();
    const named = ([name]) => /Okello|Yusuf|Mwangi/.test(name);
    const links = Object.entries(school.links).filter(named).map(([, url]) => url);
    for (const identity of [1, 2])
        people.push(await Participant.start(school, 'chromium', identity));
    await test('a teacher and a pupil join', school, async () => {
        await joinStock(people[0], links[0]);
        await joinStock(people[1], links[1]);
        await allSeeAll(until, people);
    });
    await test('signal killed: nobody joins or leaves, chat goes on', school, async () => {
        const before = await Promise.all(people.map(p => p.eval(() => JSON.stringify([window.__stock.seen.joined, window.__stock.seen.left]))));
        const [old] = school.pids('signal');
        process.kill(old, 'SIGKILL');
        await until('its successor', () => school.pids('signal').find(pid => pid !== old), 10);
        await until('sent', () => people[0].eval(() => (window.__stock.conference.sendTextMessage('after the kill'), true)), 20);
        await people[1].until('chat', () => window.__stock.seen.chat.some(m => m.text === 'after the kill'));
        for (const [i, p] of people.entries()) {
            const after = await p.eval(() => JSON.stringify([window.__stock.seen.joined, window.__stock.seen.left]));
            if (after !== before[i] || await p.eval(() => window.__stock.seen.failed))
                throw new Error(`${p.identity} noticed: ${before[i]} ${after}`);
        }
        await allSeeAll(until, people);
    });
    await test('mute works, one\'s own and the teacher\'s', school, async () => {
        await mute(people[1], 'mute');
        await silent(people[0], people[1]);
        await mute(people[1], 'unmute');
        await heard(people[0], people[1]);
        await people[0].eval(id => window.__stock.conference.muteParticipant(id, 'audio'), people[1].endpoint);
        await silent(people[0], people[1]);
        await mute(people[1], 'unmute');
        await heard(people[0], people[1]);
    });
    await test('a third joins after the kill', school, async () => {
        people.push(await Participant.start(school, 'chromium', 3));
        await joinStock(people[2], links[2]);
        await allSeeAll(until, people);
    });
    await test('bridge killed: media comes back by itself', school, async () => {
        for (const pid of school.pids('bridge'))
            process.kill(pid, 'SIGKILL');
        await sleep(1000);
        await allSeeAll(until, people, 14);
    });
    await test('recording by the stock button is shown to all', school, async () => {
        const id = await people[0].eval(() => window.__stock.conference.startRecording({ mode: 'file', appData: '{}' }).then(s => s.getID()));
        for (const p of people)
            await p.until('on', () => window.__stock.seen.recording === 'on');
        await people[0].eval(id => window.__stock.conference.stopRecording(id).then(() => true), id);
        for (const p of people)
            await p.until('off', () => window.__stock.seen.recording === 'off');
    });
} catch (error) {
    await test('stock clients and crashes', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
