// Simulcast: what senders send, what one receiver gets as its tiles grow and shrink, and layers that nobody watches.
import { Participant, School, finish, full, sleep, test, until } from './harness.mjs';
import { allSeeAll, joinOurs, joinStock } from './join.mjs';

// The heights that the page's first video sender really sends now: those whose frames grow.
async function sentHeights(p) {
    const frames = () => p.eval(async () => {
        const out = {};
        for (const connection of window.__media.connections.filter(c => c.connectionState === 'connected'))
            for (const s of (await connection.getStats()).values())
                if (s.type === 'outbound-rtp' && s.kind === 'video')
                    out[s.ssrc] = { frames: s.framesSent ?? s.framesEncoded ?? 0, height: s.frameHeight ?? 0, rid: s.rid ?? '' };
        return out;
    });
    const before = await frames();
    await sleep(1000);
    const after = await frames();
    return Object.keys(after).filter(ssrc => after[ssrc].frames > (before[ssrc]?.frames ?? 0))
        .map(ssrc => after[ssrc].height).sort((a, b) => a - b);
}

// Begins to watch the picture of `number`: every frame's time and height, by an element of the test's own.
function watch(number) {
    const shown = [...document.querySelectorAll('video')].find(v => window.__media.readVideo(v)?.number === number);
    const track = shown.srcObject.getVideoTracks()[0];
    const video = document.createElement('video');
    video.muted = true;
    video.srcObject = new MediaStream([track]);
    video.play();
    const seen = window.__watch = { frames: [], track, video };
    const frame = (now, data) => {
        seen.frames.push({ at: performance.now(), height: data.height });
        video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
    return true;
}

// What the watched picture is now: its SSRC, height and freezes as the browser counts them.
async function watched() {
    const { track, frames } = window.__watch;
    for (const connection of window.__media.connections) {
        const receiver = connection.getReceivers().find(r => r.track === track);
        for (const s of receiver ? (await receiver.getStats()).values() : [])
            if (s.type === 'inbound-rtp')
                return { ssrc: s.ssrc, height: frames.at(-1)?.height, freezes: s.freezeCount, frozen: s.totalFreezesDuration,
                    keys: s.keyFramesDecoded, count: frames.length };
    }
    return null;
}

const widest = () => {
    const { frames } = window.__watch;
    let gap = 0;
    for (let i = 1; i < frames.length; i++)
        gap = Math.max(gap, frames[i].at - frames[i - 1].at);
    return Math.round(gap);
};

// Goes through heights by `change`, and tells how long each took to come.
async function walk(p, heights, change, limit) {
    const first = await p.eval(watched);
    const times = [];
    for (const height of heights) {
        const began = Date.now();
        await change(height);
        await until(`${height} lines`, async () => {
            const now = await p.eval(watched);
            if (now.height !== height)
                throw new Error(JSON.stringify(now));
            return true;
        }, limit, 50);
        times.push(`${height} after ${Date.now() - began} ms`);
        await sleep(1500); // long enough for a freeze to show
    }
    const last = await p.eval(watched);
    const gap = await p.eval(widest);
    console.log(`${p.kind} ${p.identity}: ${times.join(', ')}; widest gap ${gap} ms; freezes ${last.freezes - first.freezes}, `
        + `${Math.round((last.frozen - first.frozen) * 1000)} ms in all; ssrc ${last.ssrc}`);
    if (last.ssrc !== first.ssrc)
        throw new Error(`another SSRC: ${first.ssrc}, ${last.ssrc}`);
    if (gap > 500)
        throw new Error(`no frame for ${gap} ms`);
    if ((last.frozen - first.frozen) > 0.5 * Math.max(1, last.freezes - first.freezes))
        throw new Error(`frozen for ${last.frozen - first.frozen} s`);
}

const school = new School('layers');
try {
    await school.start();
    const links = school.people;
    const sender = await Participant.start(school, 'chromium', 1, { fps: 12 });
    const receiver = await Participant.start(school, 'chromium', 2, { fps: 8 });
    const third = await Participant.start(school, 'firefox', 3, { fps: 8 });
    const galleries = new Set();
    // Our client asks for what its tiles need: the window and the layout decide.
    const showIn = async (p, height) => {
        await p.size(...(height === 180 ? [420, 640] : [1280, 800]));
        if ((height !== 720) !== galleries.has(p)) {
            galleries[height !== 720 ? 'add' : 'delete'](p);
            await p.click('[data-testid=more]');
            await p.click('[data-testid=layout]');
        }
    };
    const show = height => showIn(receiver, height);
    // Watches the picture of `from` in a gallery, then large and back.
    const walkOurs = async (p, from) => {
        await showIn(p, 180);
        await p.until('180 lines', number => [...document.querySelectorAll('[data-testid=tile] video')]
            .some(v => v.videoHeight === 180 && window.__media.readVideo(v)?.number === number), 20, from.identity);
        await p.eval(watch, from.identity);
        await until('pictures', async () => (await p.eval(watched)).count > 10);
        await walk(p, [360, 720, 180], height => showIn(p, height), 15);
    };

    await test('three join for layers', school, async () => {
        await joinOurs(sender, links[0]);
        await joinOurs(receiver, links[1]);
        await joinOurs(third, links[2]);
        await allSeeAll(until, [sender, receiver, third]);
    });
    await test('Chromium sends three layers', school, () => until('three layers', async () => {
        const heights = await sentHeights(sender);
        if (JSON.stringify(heights) !== '[180,360,720]')
            throw new Error(JSON.stringify(heights));
        return true;
    }, 30));
    await test('one receiver goes 180, 360, 720, 180 on one SSRC without a freeze', school, () => walkOurs(receiver, sender));
    await test('Firefox sends three layers', school, async () => {
        const pin = `[data-testid=tile][data-endpoint="${third.endpoint}"] [data-testid=pin]`;
        await show(720);
        await receiver.click(pin);
        await until('three layers', async () => {
            const heights = await sentHeights(third);
            if (JSON.stringify(heights) !== '[180,360,720]')
                throw new Error(JSON.stringify(heights));
            return true;
        }, 30);
        await receiver.until('720 lines of Firefox', () => [...document.querySelectorAll('[data-testid=tile] video')]
            .some(v => v.videoHeight === 720 && window.__media.readVideo(v)?.number === 3), 20);
        await receiver.click(pin);
    });
    for (const [p, from] of full ? [[receiver, third], [third, sender]] : [])
        await test(`${p.kind} goes through the layers of ${from.kind} without a freeze`, school, async () => {
            const pin = `[data-testid=tile][data-endpoint="${from.endpoint}"] [data-testid=pin]`;
            await showIn(p, 720);
            await p.click(pin);
            await walkOurs(p, from);
            await p.click(pin);
        });
    await test('layers that nobody watches are off, and come back', school, async () => {
        await third.click('[data-testid=leave]');
        await show(180);
        await receiver.size(360, 640); // two tiles grow into a third's place
        await until('only the small layer', async () => {
            const heights = await sentHeights(sender);
            if (JSON.stringify(heights) !== '[180]')
                throw new Error(JSON.stringify(heights));
            return true;
        }, 20);
        const began = Date.now();
        await show(720);
        await receiver.until('720 lines', () => [...document.querySelectorAll('[data-testid=tile] video')].some(v => v.videoHeight === 720), 15);
        console.log(`large layer back after ${Date.now() - began} ms`);
        await receiver.click('[data-testid=more]');
        await receiver.eval(() => [...document.querySelectorAll('[role=menuitemcheckbox]')][0].click());
        await until('no picture at all', async () => (await sentHeights(sender)).length === 0, 20);
        const again = Date.now();
        await receiver.click('[data-testid=more]');
        await receiver.eval(() => [...document.querySelectorAll('[role=menuitemcheckbox]')][0].click());
        await receiver.until('picture again', () => [...document.querySelectorAll('[data-testid=tile] video')]
            .some(v => window.__media.readVideo(v)?.number === 1), 15);
        console.log(`picture back after ${Date.now() - again} ms`);
    });
    await test('a stock client goes 180, 360, 720, 180 by its constraints', school, async () => {
        await receiver.click('[data-testid=leave]');
        const stock = await Participant.start(school, 'chromium', 4, { fps: 8 });
        await joinStock(stock, links[3], { maxHeight: 180 });
        await stock.until('180 lines', () => [...document.querySelectorAll('video')].some(v => v.videoHeight === 180
            && window.__media.readVideo(v)?.number === 1), 20);
        await stock.eval(watch, 1);
        await until('pictures', async () => (await stock.eval(watched)).count > 10);
        await walk(stock, [360, 720, 180], height => stock.eval(h => window.__stock.quality(h), height), 15);
    });
} catch (error) {
    await test('layers', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
