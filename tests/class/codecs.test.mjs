// Every codec between real browsers: what is sent by getStats, what is seen by pixels; and how a class goes over to another
// codec when somebody joins who cannot show the one in use, and back when that one leaves; and
// how it keeps to codecs of its own.
import { allUse, codecs, without } from './codec_use.mjs';
import { Participant, School, finish, test, until } from './harness.mjs';
import { allSeeAll, changeClass, joinOurs, leaveOurs, rejoinOurs } from './join.mjs';

const ORDER = ['AV1', 'VP9', 'H264', 'VP8'];

const able = () => RTCRtpSender.getCapabilities('video').codecs.map(c => c.mimeType.slice(6));

const school = new School('codecs');
try {
    await school.start(['--set', `media.codecs=${ORDER.join(' ').toLowerCase()}`]);
    const links = school.people;
    const teacher = await Participant.start(school, 'chromium', 1, { fps: 6 });
    const pupil = await Participant.start(school, 'chromium', 2, { fps: 6 });

    await test('two Chromium use AV1', school, async () => {
        await joinOurs(teacher, links[0]);
        await joinOurs(pupil, links[1]);
        await allUse([teacher, pupil], 'AV1', 30);
        await allSeeAll(until, [teacher, pupil]);
        console.log(JSON.stringify((await teacher.eval(codecs)).live));
    });
    const people = [teacher, pupil];
    const lacking = [];
    let plain; // who has H.264 and VP8 alone
    for (const [i, codec] of ['VP9', 'H264', 'VP8'].entries()) {
        lacking.push(ORDER[i]);
        if (!(await teacher.eval(able)).includes(codec)) {
            console.log(`this Chromium has no ${codec}`);
            continue;
        }
        await test(`who cannot show ${lacking.join(' and ')} makes all use ${codec} within 3 s`, school, async () => {
            const late = await Participant.start(school, 'chromium', 3 + i, { fps: 6, before: without(school, lacking) });
            await joinOurs(late, links[2 + i]);
            const took = await allUse(people, codec, 3.7); // a look takes 0.7 s
            console.log(`${codec} after ${took} ms`);
            await allSeeAll(until, [...people, late]);
            console.log(JSON.stringify((await teacher.eval(codecs)).live));
            await leaveOurs(late);
            if (codec === 'H264')
                plain = late;
            else
                await late.close();
        });
        await test(`AV1 again after ${codec}`, school, async () => {
            await allUse(people, 'AV1', 10);
            await allSeeAll(until, people);
        });
    }
    await test('a class that goes on changes to its own codecs within 3 s', school, async () => {
        await changeClass(teacher, { codecs: 'vp9 vp8' });
        console.log(`VP9 after ${await allUse(people, 'VP9', 3.7)} ms`);
        await allSeeAll(until, people);
    });
    if (plain) await test('of its codecs it uses what one who comes late has, within 3 s', school, async () => {
        await rejoinOurs(plain);
        console.log(`VP8 after ${await allUse(people, 'VP8', 3.7)} ms`); // H.264 all have, and the class does not use
        await allSeeAll(until, [...people, plain]);
        await leaveOurs(plain);
        await changeClass(teacher, { codecs: null });
        await allUse(people, 'AV1', 10);
    });
} catch (error) {
    await test('codecs', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
