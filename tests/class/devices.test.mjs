// Coming in without devices, switching them, sharing a screen as a pupil, and coming late.
import { Participant, School, finish, sleep, test, until } from './harness.mjs';
import { joinOurs, lookOurs } from './join.mjs';

// Three times what a person waits for: until a switch has shown its effect at the others, and until a late-comer has everything.
const SWITCH = 3 * 2, LATE = 3 * 3;
const school = new School('devices');
const sees = (p, q, kind = 'camera', number = q.identity) => async () => (await p.eval(lookOurs)).videos[q.endpoint]
    ?.some(v => v.kind === kind && v.number === number) ?? false;
const hears = (p, q) => async () => (await p.eval(lookOurs)).tones.includes(q.identity);
const not = probe => async () => !(await probe());
async function timed(what, probe, limit) {
    const began = Date.now();
    await until(what, probe, limit, 100);
    console.log(`${what}: ${Date.now() - began} ms`);
}

const mayShare = (teacher, allowed) => teacher.eval(async yes => {
    const me = await (await fetch('/api/me')).json();
    const id = location.pathname.split('/').pop();
    const { policy } = await (await fetch(`/api/classes/${id}`)).json();
    policy.pupils.screen = yes;
    await fetch(`/api/classes/${id}`, { method: 'PATCH', body: JSON.stringify({ policy }),
        headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': me.csrf } });
}, allowed);

try {
    await school.start();
    const links = school.people;
    const teacher = await Participant.start(school, 'chromium', 1, { fps: 8 });
    const pupil = await Participant.start(school, 'chromium', 2, { fps: 8 });
    const late = await Participant.start(school, 'chromium', 3, { fps: 8 });

    await test('who comes to listen is asked for no device, and sees and hears', school, async () => {
        await joinOurs(teacher, links[0]);
        await mayShare(teacher, false);
        await pupil.goto(links[1]);
        await pupil.until('device check', () => document.querySelector('[data-testid=join-listening]') !== null);
        await pupil.click('[data-testid=join-listening]');
        pupil.endpoint = await pupil.until('in the class', () => document.querySelector('[data-testid=own-tile]')?.dataset.endpoint, 40);
        await until('sees and hears', async () => await sees(pupil, teacher)() && await hears(pupil, teacher)(), 20);
        const sent = await pupil.eval(async () => {
            let packets = 0;
            for (const connection of window.__media.connections)
                for (const s of (await connection.getStats()).values())
                    packets += s.type === 'outbound-rtp' ? s.packetsSent : 0;
            return packets;
        });
        const state = await teacher.eval(id => document.querySelector(`[data-testid=tile][data-endpoint="${id}"]`)?.dataset.muted, pupil.endpoint);
        if (sent > 0 || state !== 'true')
            throw new Error(`${sent} packets sent, muted: ${state}`);
    });
    await test('a listener switches microphone and camera on after all', school, async () => {
        await pupil.click('[data-testid=microphone]');
        await timed('listener heard', hears(teacher, pupil), SWITCH);
        await pupil.click('[data-testid=camera]');
        await timed('listener seen', sees(teacher, pupil), SWITCH);
    });
    await test('microphone and camera go off and on', school, async () => {
        await pupil.click('[data-testid=microphone]');
        await timed('microphone off', not(hears(teacher, pupil)), SWITCH);
        await pupil.click('[data-testid=camera]');
        await timed('camera off', not(sees(teacher, pupil)), SWITCH);
        const device = await pupil.eval(() => document.querySelector('[data-testid=own-tile] video') === null);
        if (!device)
            throw new Error('the own picture still stands');
        await pupil.click('[data-testid=microphone]');
        await timed('microphone on', hears(teacher, pupil), SWITCH);
        await pupil.click('[data-testid=camera]');
        await timed('camera on', sees(teacher, pupil), SWITCH);
    });
    await test('a pupil shares its screen where the class allows it', school, async () => {
        if (await pupil.eval(() => document.querySelector('[data-testid=screen]') !== null))
            throw new Error('a button for what is not allowed');
        await mayShare(teacher, true);
        await pupil.click('[data-testid=screen]');
        await timed('screen seen', sees(teacher, pupil, 'desktop', 102), SWITCH);
        if (!(await sees(teacher, pupil)()))
            throw new Error('the camera is gone');
    });
    await test('who comes late has every picture and voice', school, async () => {
        await late.goto(links[2]);
        await late.until('device check', () => document.querySelector('[data-testid=join]')?.disabled === false);
        const began = Date.now();
        await late.click('[data-testid=join]');
        await until('everything', async () => await sees(late, teacher)() && await sees(late, pupil)() && await sees(late, pupil, 'desktop', 102)()
            && await hears(late, teacher)() && await hears(late, pupil)(), LATE, 100);
        console.log(`late-comer has everything after ${Date.now() - began} ms`);
        late.endpoint = await late.eval(() => document.querySelector('[data-testid=own-tile]')?.dataset.endpoint);
        await until('is seen and heard', async () => await sees(teacher, late)() && await hears(pupil, late)(), LATE);
    });
    await test('a pupil that may not share loses its screen, and the button', school, async () => {
        await mayShare(teacher, false);
        await timed('screen gone', not(sees(teacher, pupil, 'desktop', 102)), SWITCH);
        if (!(await sees(teacher, pupil)()))
            throw new Error('the camera is gone with it');
        await pupil.until('no button', () => document.querySelector('[data-testid=screen]') === null, SWITCH);
    });
    await sleep(100);
} catch (error) {
    await test('devices', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
