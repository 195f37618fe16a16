// Lips and sound: a flash and a beep at the same moment, over a clean line and one with 100 ms of jitter, as Chromium gets them
// from both browsers; in the long form as Firefox gets them too.
import { Participant, School, finish, full, sleep, test, until } from './harness.mjs';
import { allSeeAll, joinOurs } from './join.mjs';

const LIMIT = 80, FLASHES = 6;

// Sound minus picture in ms as `p` gets them from `from`.
function offsets(p, from, seconds = 2 * FLASHES + 1) {
    return p.eval((endpoint, time) => {
        const video = document.querySelector(`[data-testid=tile][data-endpoint="${endpoint}"] video`);
        return window.__media.lips(video, window.__media.trackOf(endpoint), time);
    }, from.endpoint, seconds);
}

// Sound minus picture in ms as the browser itself reckons from the senders' reports: which moment of the sender is played now.
async function reckoned(p, from) {
    return p.eval(async endpoint => {
        const video = document.querySelector(`[data-testid=tile][data-endpoint="${endpoint}"] video`).srcObject.getVideoTracks()[0];
        const audio = window.__media.trackOf(endpoint);
        const at = {};
        for (const connection of window.__media.connections)
            for (const receiver of connection.getReceivers())
                if (receiver.track === video || receiver.track === audio)
                    for (const s of (await receiver.getStats()).values())
                        if (s.type === 'inbound-rtp')
                            at[s.kind] = { played: s.estimatedPlayoutTimestamp - s.timestamp,
                                buffer: Math.round(1000 * s.jitterBufferDelay / s.jitterBufferEmittedCount) };
        return `${Math.round(at.video?.played - at.audio?.played)} ms (buffers ${at.audio?.buffer}, ${at.video?.buffer} ms)`;
    }, from.endpoint);
}

async function measure(p, from, what) {
    const found = (await offsets(p, from)).sort((a, b) => a - b);
    const median = Math.round(found[Math.floor(found.length / 2)]);
    console.log(`${what}: ${from.kind} ${from.identity} at ${p.kind} ${p.identity}: median ${median} ms of ${found.map(Math.round)}; by its own reckoning ${await reckoned(p, from)}`);
    if (found.length < 3 || Math.abs(median) > LIMIT)
        throw new Error(`${what}: sound minus picture ${found.map(Math.round)} ms`);
}

// Keeps which track is whose voice while every tone is steady.
async function learn(p, people) {
    await p.eval(list => {
        const tracks = new Map();
        for (const track of window.__media.remoteAudio()) {
            const number = window.__media.readAudio(track)[0]?.number;
            const who = list.find(q => q.number === number);
            if (who)
                tracks.set(who.endpoint, track);
        }
        window.__media.trackOf = endpoint => tracks.get(endpoint);
    }, people.map(q => ({ endpoint: q.endpoint, number: q.identity })));
}

async function receive(browser) {
    const school = new School(`lips-${browser}`);
    const all = async (line, what, receiver, senders) => {
        for (const from of senders)
            await test(`lips of ${from.kind} match in ${browser} within ${LIMIT} ms ${line}`, school, () => measure(receiver, from, what));
    };
    try {
        await school.start();
        const receiver = await Participant.start(school, browser, 1, { fps: 8 });
        const senders = [await Participant.start(school, 'chromium', 2, { fps: 12 }), await Participant.start(school, 'firefox', 3, { fps: 12 })];
        const people = [receiver, ...senders];
        await test(`three join for lips in ${browser}`, school, async () => {
            for (const [i, p] of people.entries())
                await joinOurs(p, school.people[i]);
            await allSeeAll(until, people);
            await learn(receiver, senders);
        });
        await all('on a clean line', 'clean', receiver, senders);
        await school.network.shape(receiver.space, { delay: 20, jitter: 100 });
        await sleep(5000); // players need a while to find out
        await all('with 100 ms of jitter', 'jitter', receiver, full ? senders : senders.slice(1));
    } catch (error) {
        await test('lips', school, () => { throw error; });
    } finally {
        await school.stop();
    }
}

await receive('chromium');
if (full)
    await receive('firefox');
finish();
