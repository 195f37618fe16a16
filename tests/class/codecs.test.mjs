// Every codec between real browsers: what is sent by getStats, what is seen by pixels; and how a class goes over to another
// codec when somebody joins who cannot show the one in use, and back when that one leaves.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Participant, School, finish, test, until } from './harness.mjs';
import { allSeeAll, joinOurs, leaveOurs } from './join.mjs';

const ORDER = ['AV1', 'VP9', 'H264', 'VP8'];

// Codecs of the video that this page sends and receives now: those of streams whose frames grow.
async function codecs() {
    const read = async () => {
        const out = [];
        for (const connection of window.__media.connections.filter(c => c.connectionState === 'connected')) {
            const stats = await connection.getStats();
            for (const s of stats.values())
                if ((s.type === 'inbound-rtp' || s.type === 'outbound-rtp') && s.kind === 'video')
                    out.push({ key: `${s.type} ${s.ssrc}`, out: s.type === 'outbound-rtp', frames: s.framesDecoded ?? s.framesSent ?? s.framesEncoded ?? 0,
                        codec: stats.get(s.codecId)?.mimeType.slice(6), mode: s.scalabilityMode, height: s.frameHeight });
        }
        return out;
    };
    const before = new Map((await read()).map(s => [s.key, s.frames]));
    await new Promise(done => setTimeout(done, 700));
    const live = (await read()).filter(s => s.frames > (before.get(s.key) ?? 0));
    return { sent: [...new Set(live.filter(s => s.out).map(s => s.codec))], received: [...new Set(live.filter(s => !s.out).map(s => s.codec))], live };
}

const able = () => RTCRtpSender.getCapabilities('video').codecs.map(c => c.mimeType.slice(6));

async function allUse(people, codec, seconds) {
    const began = Date.now();
    for (const p of people)
        await until(`${p.kind} ${p.identity} sends and receives ${codec}`, async () => {
            const seen = await p.eval(codecs);
            if (String(seen.sent) !== codec || String(seen.received) !== codec)
                throw new Error(JSON.stringify(seen));
            return true;
        }, seconds, 50);
    return Date.now() - began;
}

// A page that says of itself, as an older browser would, that it has none of these codecs.
function without(school, names) {
    const file = join(school.data, `without-${names.join('-')}.js`);
    writeFileSync(file, `for (const side of [RTCRtpSender, RTCRtpReceiver]) {
        const all = side.getCapabilities.bind(side);
        side.getCapabilities = kind => ({ ...all(kind), codecs: all(kind).codecs.filter(c => !${JSON.stringify(names)}.includes(c.mimeType.slice(6))) });
    }\n`);
    return file;
}

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
            await late.close();
        });
        await test(`AV1 again after ${codec}`, school, async () => {
            await allUse(people, 'AV1', 10);
            await allSeeAll(until, people);
        });
    }
} catch (error) {
    await test('codecs', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
