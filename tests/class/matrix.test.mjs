// Everybody with everybody: our client in both browsers and stock libraries in one class, over small and large packets, with a
// teacher in either browser who shares a screen. The short form has one of the two classes, without the screen.
import { Participant, School, finish, full, test, until } from './harness.mjs';
import { allSeeAll, joinOurs, joinStock, look } from './join.mjs';

const today = process.env.DARASA_STOCK_LIBRARY; // a build of the present stock library, if there is one
const OURS = ['chromium', 'firefox'].map(browser => ({ what: `our client in ${browser}`, browser, two: true, join: joinOurs }));
// That of 2022 has one picture of a person: a screen takes the camera's place and stays. It is not asked about screens.
const STOCK = [
    { what: 'the stock library of 2022', two: false, options: {} },
    ...today ? [false, true].map(rewriting => ({ what: `the present stock library${rewriting ? ', SSRCs rewritten' : ''}`, two: true,
        options: { library: today, rewriting } })) : [],
].map(({ what, two, options }) => ({ what, two, browser: 'chromium', join: (p, link) => joinStock(p, link, { maxHeight: 180, ...options }) }));

// The teacher shares a screen, which has a number of its own.
async function sharesScreen(teacher, others) {
    const seen = async p => (await look(p)).videos[teacher.endpoint]?.some(v => v.number === teacher.identity + 100);
    await teacher.click('[data-testid=screen]');
    for (const p of others)
        await until(`${p.what} sees the screen`, () => seen(p), 40, 500);
    await teacher.click('[data-testid=screen]');
    for (const p of others)
        await until(`${p.what} sees the screen no more`, async () => !await seen(p), 20, 500);
}

async function meet(mtu, clients) {
    const school = new School(`matrix${mtu}`, { mtu });
    const people = [];
    try {
        await school.start();
        for (const [i, client] of clients.entries()) {
            const p = await Participant.start(school, client.browser, i + 1, { fps: 5 });
            people.push(Object.assign(p, client));
        }
        const [teacher, ...others] = people;
        await test(`matrix: ${people.length} clients see and hear each other, MTU ${mtu}`, school, async () => {
            for (const [i, p] of people.entries())
                await p.join(p, school.people[i]);
            await allSeeAll(until, people);
        });
        if (full)
            await test(`matrix: all see the screen of ${teacher.what} come and go`, school, async () => {
                await sharesScreen(teacher, others.filter(p => p.two));
            });
        await test(`matrix: no packet was too large for an MTU of ${mtu}`, school, () => {
            const cut = school.network.cutByServer();
            if (cut !== 0)
                throw new Error(`${cut} packets cut`);
        });
    } catch (error) {
        await test(`matrix, MTU ${mtu}`, school, () => { throw error; });
    } finally {
        await school.stop();
    }
}

await meet(1280, [...OURS, ...STOCK]);
if (full)
    await meet(1500, [...OURS.toReversed(), ...STOCK]);
finish();
