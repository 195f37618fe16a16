// The check of somebody's line before a class: what it says on a good line, a narrow one, and where UDP or everything is shut, what it
// chooses for the device, and what it costs.
import { execFileSync } from 'node:child_process';
import { Participant, School, finish, full, test } from './harness.mjs';

const ETHERNET = 14;
const school = new School('preflight');

function carried(space) {
    const [link] = JSON.parse(execFileSync('ip', ['-n', space, '-j', '-s', 'link', 'show', 'eth0'], { encoding: 'utf8' }));
    return [link.stats64.rx, link.stats64.tx].reduce((sum, way) => sum + way.bytes - way.packets * ETHERNET, 0);
}

const told = () => {
    const finding = document.querySelector('[data-testid=check-finding]');
    const row = key => document.querySelector(`[data-testid=${key}]`)?.textContent;
    return finding && { finding: finding.dataset.finding, remarks: finding.dataset.remarks, text: finding.textContent,
        profile: localStorage.getItem('darasa-profile'), way: row('check-way'), rtt: row('check-rtt'), loss: row('check-loss'),
        rate: row('check-rate'), jitter: row('check-jitter'), cost: row('check-cost') };
};

// Runs the check on the page that stands before the class.
async function check(p, first) {
    const before = carried(p.space), began = Date.now();
    await p.click(first ? '[data-testid=check-line]' : '[data-testid=check-again]');
    await p.until('the check begins', () => document.querySelector('[data-testid=line-check]')?.dataset.state === 'busy', 10);
    const result = await p.until('a finding', told, 40);
    console.log(`${((Date.now() - began) / 1000).toFixed(1)} s, ${carried(p.space) - before} bytes: ${JSON.stringify(result)}`);
    const bytes = carried(p.space) - before;
    // What it says it took, rounded to 0.1 MB; the card counts what still comes when it has ended, too.
    const said = Number(/^([\d.]+) MB/.exec(result.cost)?.[1] ?? NaN) * 1e6;
    if (Math.abs(said - bytes) > 0.2 * bytes + 50_000)
        throw new Error(`says ${said} bytes, the card counts ${bytes}`);
    return { ...result, bytes };
}

function expect(result, wanted) {
    for (const [key, value] of Object.entries(wanted))
        if (value instanceof RegExp ? !value.test(result[key]) : result[key] !== value)
            throw new Error(`${key}: ${JSON.stringify(result)}`);
}

async function atTheDoor(kind, identity) {
    const p = await Participant.start(school, kind, identity, { fps: 4 });
    await p.goto(school.people[identity - 1]);
    await p.until('the door', () => document.querySelector('[data-testid=check-line]') !== null, 30);
    return p;
}

// Much comes down and little goes up, as by most telephone lines: pictures of others are not to suffer for that.
async function lopsided(p, first) {
    await school.network.shape(p.space, { delay: 20, rate: 4_000 }, { delay: 20, rate: 150 });
    expect(await check(p, first), { finding: 'all', remarks: '', profile: 'normal', way: /^UDP/ });
}

try {
    await school.start(['--turn']);
    const pupil = await atTheDoor('chromium', 2);
    await test('a good line: all works, nothing is held back', school, async () => {
        await school.network.shape(pupil.space, { delay: 20, rate: 4_000 });
        const result = await check(pupil, true);
        await pupil.screenshot('preflight-good');
        expect(result, { finding: 'all', remarks: '', profile: null, way: /^UDP/ });
        if (result.bytes > 1_500_000)
            throw new Error(`${result.bytes} bytes`);
    });
    if (full) await test('4,000 kb/s down and 150 up: all works, pictures of one\'s own are smaller', school, () => lopsided(pupil));
    if (full) await test('250 kb/s: small pictures', school, async () => {
        await school.network.shape(pupil.space, { delay: 60, rate: 250 });
        expect(await check(pupil), { finding: 'small', profile: 'light' });
    });
    await test('100 kb/s: the voice', school, async () => {
        await school.network.shape(pupil.space, { delay: 100, rate: 100 });
        expect(await check(pupil), { finding: 'voice', profile: 'voice' });
    });
    if (full) await test('8 % lost: said', school, async () => {
        await school.network.shape(pupil.space, { delay: 40, loss: 8 });
        expect(await check(pupil), { remarks: /loss/ });
    });
    await test('UDP shut: works by a detour, and the port to open is named', school, async () => {
        await school.network.shape(pupil.space, { delay: 20 });
        school.network.only(pupil.space, { tcp: [443, 10000] });
        expect(await check(pupil), { finding: 'all', remarks: 'detour', way: /^TCP/, text: /UDP port 10000/ });
        school.network.only(pupil.space, { tcp: [443] });
        expect(await check(pupil), { remarks: 'relay', way: /TLS/ });
    });
    await test('in Arabic on a narrow telephone', school, async () => {
        school.network.only(pupil.space, null);
        await pupil.size(360, 740);
        await pupil.eval(() => localStorage.setItem('darasa-language', 'ar'));
        await pupil.goto(await pupil.eval(() => location.href));
        await pupil.until('the door', () => document.querySelector('[data-testid=check-line]') !== null, 30);
        await check(pupil, true);
        await pupil.eval(() => document.querySelector('[data-testid=line-check]').scrollIntoView());
        await pupil.eval(() => { document.querySelector('[data-testid=check-details]').open = true; });
        await pupil.screenshot('preflight-arabic');
        const wide = await pupil.eval(() => document.documentElement.scrollWidth);
        if (wide > 360)
            throw new Error(`${wide} pixels wide`);
    });
    // Firefox tells less of the way, and begins with less.
    if (full) {
        const fox = await atTheDoor('firefox', 3);
        await test('Firefox, a good line: all works', school, async () => {
            await school.network.shape(fox.space, { delay: 20, rate: 4_000 });
            expect(await check(fox, true), { finding: 'all', remarks: '', way: /^UDP/ });
        });
        await test('Firefox, 4,000 kb/s down and 150 up: all works', school, () => lopsided(fox));
        await test('Firefox, 100 kb/s: the voice', school, async () => {
            await school.network.shape(fox.space, { delay: 100, rate: 100 });
            expect(await check(fox), { finding: 'voice', profile: 'voice' });
        });
        await test('Firefox, UDP shut: works by a detour', school, async () => {
            await school.network.shape(fox.space, { delay: 20 });
            school.network.only(fox.space, { tcp: [443, 10000] });
            expect(await check(fox), { finding: 'all', remarks: 'detour', way: /^TCP/, text: /UDP port 10000/ });
        });
    }
} catch (error) {
    await test('preflight', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
