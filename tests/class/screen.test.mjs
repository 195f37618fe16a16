// A shared screen keeps its lines and drops pictures: over a receiver's narrow line, and over the sender's own.
import { Participant, School, finish, full, sleep, test, until } from './harness.mjs';
import { joinOurs, lookOurs } from './join.mjs';

// Each picture of a page of which half runs takes Chromium some 30 kB: a narrow line has one every few seconds.
const LINES = 720, FPS = 10, FPS_NARROW = 0.2, NARROW_SECONDS = 10;
const school = new School('screen');

// A page of text of which the upper lines run, below the fields of the number: as the teacher's screen, and for comparison.
function write() {
    window.__slide = ctx => {
        const { width, height } = ctx.canvas;
        ctx.fillStyle = '#fff';
        ctx.fillRect(0, 0, width, height);
        for (let bit = 0; bit < 8; bit++) {
            ctx.fillStyle = (101 >> bit) & 1 ? '#fff' : '#000';
            ctx.fillRect(bit * 120, 0, 120, 120);
        }
        ctx.fillStyle = '#124';
        ctx.font = '18px sans-serif';
        const turn = Math.floor(Date.now() / 90);
        for (let line = 0; line < 20; line++) {
            const from = line < 10 ? turn + line : line;
            ctx.fillText(`${from} `.repeat(3) + Math.sin(from).toString(36).slice(2).repeat(6), 20, 150 + line * 28);
        }
        return true;
    };
}

// What is shown of the screen for a while: its heights, pictures a second, how sharp the text is that stands (dB beside what
// was written), and what the whole line brought.
async function watch(seconds) {
    const video = () => document.querySelector('[data-testid=tile][data-kind=desktop] video');
    const inbound = async () => {
        const sum = { bytes: 0, samples: 0, made: 0 };
        for (const s of (await window.__media.connections.at(-1).getStats()).values())
            if (s.type === 'inbound-rtp') {
                sum.bytes += s.bytesReceived;
                sum.samples += s.totalSamplesReceived ?? 0;
                sum.made += (s.concealedSamples ?? 0) - (s.silentConcealedSamples ?? 0);
            }
        return sum;
    };
    const sharpness = () => {
        const [seen, written] = [0, 1].map(i => {
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [1280, 720];
            const ctx = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
            if (i === 1)
                window.__slide(ctx);
            else
                ctx.drawImage(video(), 0, 0, 1280, 720);
            return ctx.getImageData(0, 420, 600, 280).data;
        });
        const off = seen.reduce((sum, value, i) => sum + (value - written[i]) ** 2, 0) / seen.length;
        return 10 * Math.log10(255 ** 2 / (off + 0.01));
    };
    const heights = {}, sharp = [];
    const before = await inbound(), began = performance.now();
    const first = video()?.getVideoPlaybackQuality().totalVideoFrames;
    for (let i = 0; performance.now() - began < seconds * 1000; i++) {
        if (!video())
            throw new Error('the screen is gone');
        heights[video().videoHeight] = true;
        if (i % 10 === 0)
            sharp.push(sharpness());
        await new Promise(done => setTimeout(done, 100));
    }
    const after = await inbound(), took = (performance.now() - began) / 1000;
    return { heights: Object.keys(heights).map(Number), fps: (video().getVideoPlaybackQuality().totalVideoFrames - first) / took,
        sharp: sharp.sort((a, b) => a - b)[Math.floor(sharp.length / 2)], kbps: (after.bytes - before.bytes) * 8 / took / 1000,
        made: 100 * (after.made - before.made) / Math.max(1, after.samples - before.samples) };
}

// What the teacher's page sends of each stream of its screen.
async function sends() {
    const out = [];
    for (const s of (await window.__media.connections.at(-1).getStats()).values())
        if (s.type === 'outbound-rtp' && s.kind === 'video' && s.framesEncoded > 0)
            out.push(`${s.rid ?? s.ssrc} ${s.active} ${s.frameHeight}p ${s.framesPerSecond} fps, target ${Math.round(s.targetBitrate / 1000)} kb/s, ${s.keyFramesEncoded} keys `
                + `of ${s.framesEncoded}, qp ${Math.round(s.qpSum / s.framesEncoded)}, ${Math.round(s.bytesSent / 1000)} kB, ${s.encoderImplementation} ${s.scalabilityMode} ${s.qualityLimitationReason}`);
    return out.join('\n    ');
}

function mustBeWhole(what, { heights, fps, sharp, kbps, made }, least, most) {
    const found = `${what}: ${heights} lines, ${fps.toFixed(1)} pictures a second, text ${sharp.toFixed(1)} dB, ${kbps.toFixed(0)} kb/s in all, ${made.toFixed(2)} % of the sound made up`;
    console.log(found);
    if (heights.length !== 1 || heights[0] !== LINES || fps < least || fps > most || sharp < 24 || made > 5)
        throw new Error(found);
}

try {
    await school.start();
    const teacher = await Participant.start(school, 'chromium', 1, { fps: FPS });
    const pupil = await Participant.start(school, 'chromium', 2, { fps: 2 });

    await test('screen: a narrow line gets all lines and fewer pictures', school, async () => {
        await joinOurs(teacher, school.people[0]);
        await school.network.shape(pupil.space, { delay: 20, rate: 4000 });
        await joinOurs(pupil, school.people[1]);
        await teacher.eval(write);
        await pupil.eval(write);
        await teacher.click('[data-testid=screen]');
        await until('the screen is seen', async () =>
            (await pupil.eval(lookOurs)).videos[teacher.endpoint]?.some(v => v.number === 101), 30);
        await sleep(2000);
        mustBeWhole('4 Mb/s', await pupil.eval(watch, 3), 0.5 * FPS, FPS + 2);
        for (const rate of full ? [1000, 400] : [400]) {
            await school.network.shape(pupil.space, { delay: 20, rate });
            await sleep(5000);
            const seen = await pupil.eval(watch, NARROW_SECONDS);
            console.log(`    ${await teacher.eval(sends)}`);
            mustBeWhole(`${rate} kb/s`, seen, FPS_NARROW, FPS + 2);
        }
        await school.network.shape(pupil.space, { delay: 20, rate: 4000 });
    });

    await test('screen: a sender with a narrow line sends all lines and fewer pictures', school, async () => {
        await teacher.click('[data-testid=camera]');
        await school.network.shape(teacher.space, { delay: 20, rate: 500 });
        await sleep(5000);
        const seen = await pupil.eval(watch, NARROW_SECONDS);
        console.log(`    ${await teacher.eval(sends)}`);
        mustBeWhole('from 500 kb/s', seen, FPS_NARROW, FPS + 2);
    });
} catch (error) {
    await test('screen', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
