// Our own client, Chromium and Firefox together: who is seen and heard, layers, lips, screen, mute, rights.
import { Participant, School, finish, test, until } from './harness.mjs';
import { allSeeAll, joinOurs, lookOurs } from './join.mjs';

const school = new School('ours');
try {
    await school.start();
    const links = school.people;
    const teacher = await Participant.start(school, 'chromium', 1);
    const pupil = await Participant.start(school, 'firefox', 2, { fps: 8 });
    const third = await Participant.start(school, 'chromium', 3, { fps: 8 });

    await test('a teacher and a pupil join from their links', school, async () => {
        await joinOurs(teacher, links[0]);
        await joinOurs(pupil, links[1]);
    });
    await test('Chromium and Firefox see and hear each other', school, () => allSeeAll(until, [teacher, pupil]));
    await test('three together, all see and hear all', school, async () => {
        await joinOurs(third, links[2]);
        await allSeeAll(until, [teacher, pupil, third]);
        await teacher.screenshot('ours-three');
    });
    await test('lips and sound match within 80 ms', school, async () => {
        for (const p of [teacher, third]) {
            const offsets = await p.eval(async number => {
                const tile = [...document.querySelectorAll('[data-testid=tile] video')].find(v => window.__media.readVideo(v)?.number === number);
                const track = window.__media.remoteAudio().find(t => window.__media.readAudio(t)[0]?.number === number);
                return window.__media.lips(tile, track, 13);
            }, p === teacher ? 3 : 1);
            offsets.sort((a, b) => a - b);
            const median = offsets[Math.floor(offsets.length / 2)];
            console.log(`lips: ${offsets.map(Math.round)}`);
            if (offsets.length < 3 || Math.abs(median) > 80)
                throw new Error(`offsets ${offsets.map(Math.round)} ms`);
        }
    });
    await test('the screen of a teacher is seen beside the camera', school, async () => {
        await teacher.click('[data-testid=screen]');
        for (const p of [pupil, third])
            await until(`${p.identity} sees the screen`, async () => (await p.eval(lookOurs)).videos[teacher.endpoint]?.some(v =>
                v.kind === 'desktop' && v.number === 101), 30);
        await third.screenshot('ours-screen');
        await teacher.click('[data-testid=screen]');
        await until('screen gone', async () => !(await third.eval(lookOurs)).videos[teacher.endpoint]?.some(v => v.kind === 'desktop'), 15);
    });
    await test('a teacher mutes a pupil; the pupil speaks again by its own will', school, async () => {
        await teacher.click('[data-testid=people]');
        await teacher.click('[data-testid=mute-all]');
        await until('silence', async () => !(await teacher.eval(lookOurs)).tones.includes(3), 10);
        await third.click('[data-testid=microphone]');
        await until('tone again', async () => (await teacher.eval(lookOurs)).tones.includes(3), 10);
    });
} catch (error) {
    await test('our client', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
