// Every codec from Chromium to Firefox and back: a Chromium that lacks the codecs before makes both use the next one.
import { codecs, without } from './codec_use.mjs';
import { Participant, School, finish, full, test, until } from './harness.mjs';
import { allSeeAll, joinOurs, leaveOurs } from './join.mjs';

const ORDER = ['AV1', 'VP9', 'H264', 'VP8'];
const able = () => [RTCRtpSender, RTCRtpReceiver].map(side => side.getCapabilities('video').codecs.map(c => c.mimeType.slice(6)));

const school = new School('foxcodecs');
try {
    await school.start(['--set', `media.codecs=${ORDER.join(' ').toLowerCase()}`]);
    const links = school.people;
    const firefox = await Participant.start(school, 'firefox', 1, { fps: 5 });
    await joinOurs(firefox, links[0]);
    const [makes, shows] = await firefox.eval(able);
    const both = ORDER.filter(codec => makes.includes(codec) && shows.includes(codec));
    console.log(`this Firefox makes and shows ${both}`);
    for (const [i, codec] of ORDER.entries()) {
        if (!full && codec === 'VP8')
            continue; // in every other test
        if (!both.includes(codec)) {
            console.log(`this Firefox has no ${codec}`);
            continue;
        }
        await test(`Firefox and Chromium see each other in ${codec}`, school, async () => {
            const chromium = await Participant.start(school, 'chromium', 2 + i, { fps: 5, ...i > 0 ? { before: without(school, ORDER.slice(0, i)) } : {} });
            try {
                await joinOurs(chromium, links[1 + i]);
                await until(`what Firefox shows is ${codec}`, async () => {
                    const seen = await firefox.eval(codecs);
                    if (String(seen.received) !== codec)
                        throw new Error(JSON.stringify(seen));
                    return true;
                }, 20);
                await allSeeAll(until, [firefox, chromium]);
                // VP9 it only shows, and sends what comes next.
                const sent = ORDER.slice(i).find(name => name !== 'VP9' && makes.includes(name));
                await until(`what Firefox sends is ${sent}`, async () => {
                    const seen = await chromium.eval(codecs);
                    if (String(seen.received) !== sent)
                        throw new Error(JSON.stringify(seen));
                    return true;
                }, 15);
                await leaveOurs(chromium);
            } finally {
                await chromium.close();
            }
        });
    }
} catch (error) {
    await test('Firefox and codecs', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
