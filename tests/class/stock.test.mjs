// Stock Jitsi libraries among themselves: who is seen and heard, both ways of signalling, layers, chat, mute, leave.
import { existsSync } from 'node:fs';
import { Participant, School, finish, sleep, test, until } from './harness.mjs';
import { allSeeAll, joinStock } from './join.mjs';

const library = process.env.DARASA_STOCK_LIBRARY;
const school = new School('stock');
const people = [];
const look = p => p.eval(() => window.__stock.look());

try {
    await school.start();
    const links = school.people;
    for (const identity of [1, 2, 3])
        people.push(await Participant.start(school, 'chromium', identity));
    const options = i => ({ rewriting: Boolean(library) && i > 0, library: library && existsSync(library) ? library : undefined });

    await test('two stock clients see and hear each other', school, async () => {
        await joinStock(people[0], links[0], options(0));
        await joinStock(people[1], links[1], options(1));
        await allSeeAll(until, people.slice(0, 2));
    });
    await test('a third joins and all see and hear all', school, async () => {
        await joinStock(people[2], links[2], options(2));
        await allSeeAll(until, people);
    });
    await test('public and private chat arrive', school, async () => {
        await people[0].eval(() => window.__stock.conference.sendTextMessage('good morning <all> & everybody'));
        for (const p of people.slice(1))
            await p.until('chat', () => window.__stock.seen.chat.some(m => m.text === 'good morning <all> & everybody'));
    });
    await test('a muted microphone falls silent and comes back', school, async () => {
        await people[1].eval(() => window.__stock.locals.find(t => t.getType() === 'audio').mute());
        await until('silence', async () => !(await look(people[0]))[people[1].endpoint]?.audio?.length, 10);
        await people[1].eval(() => window.__stock.locals.find(t => t.getType() === 'audio').unmute());
        await until('tone again', async () => (await look(people[0]))[people[1].endpoint]?.audio?.[0] === 2, 15);
    });
    await test('who leaves is gone for the others', school, async () => {
        await people[2].eval(() => window.__stock.conference.leave());
        for (const p of people.slice(0, 2))
            await p.until('left', id => window.__stock.seen.left.includes(id), 10, people[2].endpoint);
    });
    await sleep(200);
} catch (error) {
    await test('stock clients', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
