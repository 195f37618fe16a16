// What a lesson takes of a data bundle: the page's own count against what the network card counted, and the limit that somebody
// sets, which makes pictures small and then leaves the voices.
import { execFileSync } from 'node:child_process';
import { Participant, School, finish, full, sleep, test, until } from './harness.mjs';
import { allSeeAll, joinOurs, look } from './join.mjs';

const ETHERNET = 14;
const school = new School('data');

// Bytes of IP that a host has sent and received.
function carried(space) {
    const [link] = JSON.parse(execFileSync('ip', ['-n', space, '-j', '-s', 'link', 'show', 'eth0'], { encoding: 'utf8' }));
    return [link.stats64.rx, link.stats64.tx].reduce((sum, way) => sum + way.bytes - way.packets * ETHERNET, 0);
}

const shown = () => Number(document.querySelector('[data-testid=data-so-far]')?.dataset.bytes ?? 0);

// What the page and the network card count at the moment when the page has just counted anew.
async function counts(p, space) {
    const before = await p.eval(shown);
    const page = await until('counted anew', async () => {
        const now = await p.eval(shown);
        return now !== before && now;
    }, 12, 50);
    return { page, card: carried(space) };
}

const openData = async p => {
    await p.click('[data-testid=more]');
    await p.click('[data-testid=data-use]');
    await p.until('the data dialog', () => document.querySelector('[data-testid=data-so-far]') !== null);
};

function close(what, page, card, tolerance) {
    console.log(`${what}: the page counts ${page}, the card ${card} (${(100 * (page / card - 1)).toFixed(1)} %)`);
    if (Math.abs(page / card - 1) > tolerance)
        throw new Error(`${what}: the page counts ${page}, the card ${card}`);
}

try {
    await school.start();
    const teacher = await Participant.start(school, 'chromium', 1, { fps: 8 });
    await joinOurs(teacher, school.people[0]);
    const pupil = await Participant.start(school, 'chromium', 2, { fps: 8 });
    let first;
    await test('the page counts what the network card counts, within 10 %', school, async () => {
        await joinOurs(pupil, school.people[1]);
        await allSeeAll(until, [teacher, pupil]);
        await openData(pupil);
        await sleep(15_000);
        first = await counts(pupil, pupil.space);
        close('pictures and voices', first.page, first.card, 0.1);
    });
    await test('the sum goes on over a reload', school, async () => {
        await pupil.goto(await pupil.eval(() => location.href));
        await pupil.click('[data-testid=join]');
        pupil.endpoint = await pupil.until('in the class', () => document.querySelector('[data-testid=own-tile]')?.dataset.endpoint, 40);
        await openData(pupil);
        const now = await counts(pupil, pupil.space);
        close('after a reload', now.page, now.card, 0.1);
        if (now.page < first.page)
            throw new Error(`${now.page} after ${first.page}`);
    });
    // The limit is set as somebody would who has one and a half times as much as is used: it is not a value of the list.
    await test('near the limit pictures become small, at the limit voices are left; a click lifts it', school, async () => {
        await pupil.eval(() => localStorage.setItem('darasa-data-cap', String(Math.ceil(
            Number(document.querySelector('[data-testid=data-so-far]').dataset.bytes) / 0.75e5) / 10)));
        await pupil.goto(await pupil.eval(() => location.href));
        await pupil.click('[data-testid=join]');
        pupil.endpoint = await pupil.until('in the class', () => document.querySelector('[data-testid=own-tile]')?.dataset.endpoint, 40);
        await pupil.until('told that most is used', () => document.querySelector('[data-testid=notice][data-key=data-near]') !== null, 40);
        await pupil.screenshot('data-near');
        const smaller = () => [...document.querySelectorAll('[data-testid=tile] video')].every(v => v.videoHeight <= 180);
        await pupil.until('small pictures', smaller, 20);
        await pupil.until('told that all is used', () => document.querySelector('[data-testid=notice][data-key=data-reached]') !== null, 90);
        await until('voices and no pictures', async () => {
            const seen = await look(pupil);
            return seen.tones.includes(1) && await pupil.eval(() =>
                [...document.querySelectorAll('[data-testid=tile]')].every(t => t.dataset.video === 'false'));
        }, 20);
        await pupil.screenshot('data-reached');
        await openData(pupil);
        await pupil.screenshot('data-dialog');
        await sleep(6_000);
        const before = await counts(pupil, pupil.space);
        await sleep(10_000);
        const after = await counts(pupil, pupil.space);
        close('voices alone', after.page - before.page, after.card - before.card, 0.1);
        await pupil.click('[data-testid=data-lift]');
        await until('pictures again', async () => (await look(pupil)).videos[teacher.endpoint]?.some(v => v.number === 1), 30);
    });
    if (full) await test('in Firefox, too, the page counts what the network card counts', school, async () => {
        const fox = await Participant.start(school, 'firefox', 3, { fps: 8 });
        await joinOurs(fox, school.people[2]);
        await allSeeAll(until, [teacher, fox]);
        await openData(fox);
        await sleep(15_000);
        const now = await counts(fox, fox.space);
        close('pictures and voices in Firefox', now.page, now.card, 0.1);
    });
} catch (error) {
    await test('data', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
