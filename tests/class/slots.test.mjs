// More people than slots: with two slots for sound and two for pictures, SSRCs pass from one person to another as people come,
// go and speak in turn. Nobody is shown or heard under another's name, nobody is missed, and (long form) lips match.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Participant, School, TOP, finish, full, sleep, test, until } from './harness.mjs';
import { joinOurs, leaveOurs, lookOurs, receiveSsrcs, rejoinOurs, streams } from './join.mjs';

const SLOTS = 2, LIPS = 80, FLASHES = 6;
const school = new School('slots');

// Notes from now on for how long pictures stand under a wrong name; more people may be told later.
function watchNames(numbers) {
    const since = new Map();
    const watch = window.__names ??= { longest: 0, worst: '', seen: 0, numbers: {} };
    Object.assign(watch.numbers, numbers);
    watch.timer ??= setInterval(() => {
        const now = performance.now();
        for (const tile of document.querySelectorAll('[data-testid=tile]')) {
            const endpoint = tile.dataset.endpoint, video = tile.querySelector('video');
            const seen = video && window.__media.readVideo(video);
            if (!seen || !(endpoint in watch.numbers) || seen.number === watch.numbers[endpoint]) {
                watch.seen += seen?.number === watch.numbers[endpoint] ? 1 : 0;
                since.delete(endpoint);
                continue;
            }
            if (!since.has(endpoint))
                since.set(endpoint, now);
            const lasted = now - since.get(endpoint);
            if (lasted > watch.longest) {
                watch.longest = lasted;
                watch.worst = `${seen.number} for ${watch.numbers[endpoint]}`;
            }
        }
    }, 50);
}

// Whose tiles say that they speak.
const speakers = () => [...document.querySelectorAll('[data-testid=tile].speaking')].map(tile => tile.dataset.endpoint);

// A steady tone is noise to who looks for speech: this one has syllables.
function talk() {
    const loud = () => {
        window.__setTone(0.25);
        setTimeout(quiet, 600);
    };
    const quiet = () => {
        window.__setTone(0.002);
        setTimeout(loud, 200);
    };
    loud();
}

async function speak(p, on) {
    const muted = await p.eval(() => document.querySelector('[data-testid=own-tile]').dataset.muted === 'true');
    if (muted === on)
        await p.click('[data-testid=microphone]');
    await p.until(on ? 'speaks' : 'is silent', want => document.querySelector('[data-testid=own-tile]').dataset.muted === want, 10, String(!on));
}

// `speaker`, and nobody else, is seen and heard by `p` under the right name; as many others are seen as there are slots.
async function allRight(p, people, speaker) {
    const others = people.filter(q => q !== p);
    await until(`${p.kind} ${p.identity} sees and hears ${speaker.identity}`, async () => {
        const seen = await p.eval(lookOurs);
        const shown = others.filter(q => seen.videos[q.endpoint]);
        const names = await p.eval(speakers);
        const right = shown.every(q => seen.videos[q.endpoint].every(v => v.number === q.identity))
            && shown.length === Math.min(SLOTS, others.length) && shown.includes(speaker)
            && String(seen.tones) === String(speaker.identity) && String(names) === speaker.endpoint;
        if (!right)
            throw new Error(`hears ${seen.tones} of ${speaker.identity} by the name of ${names}; sees ${JSON.stringify(seen.videos)} of ${
                JSON.stringify(Object.fromEntries(others.map(q => [q.endpoint, q.identity])))}`);
        return true;
    }, 20, 300).catch(async error => {
        for (const q of [p, speaker])
            error.message += `\n  ${q.kind} ${q.identity}: ${(await q.eval(streams)).join('; ')}`;
        throw error;
    });
}

// How often an offer was applied.
const sdpRound = () => Number(window.__media.connections.filter(c => c.connectionState !== 'closed').at(-1).remoteDescription.sdp.match(/^o=\S+ \S+ (\d+)/m)[1]);

async function turn(speaker, viewers, people) {
    for (const p of viewers)
        await p.eval(watchNames, Object.fromEntries(people.map(q => [q.endpoint, q.identity])));
    await speak(speaker, true);
    const began = Date.now();
    for (const p of viewers.filter(q => q !== speaker)) {
        await allRight(p, people, speaker);
        console.log(`  ${p.kind} ${p.identity} has ${speaker.identity} after ${Date.now() - began} ms`);
    }
}

async function namesWereRight(viewers) {
    for (const p of viewers) {
        const { longest, worst, seen } = await p.eval(() => window.__names);
        console.log(`  ${p.kind} ${p.identity}: a wrong picture stood for ${Math.round(longest)} ms at most (${worst}), ${seen} looks were right`);
        if (longest > 0 || seen === 0)
            throw new Error(`${p.kind} ${p.identity} saw ${worst} for ${Math.round(longest)} ms, ${seen} right ones`);
    }
}

// Sound minus picture in ms as `p` gets `from`, who alone speaks.
async function lips(p, from) {
    const found = (await p.eval(async (endpoint, number, time) => {
        const video = document.querySelector(`[data-testid=tile][data-endpoint="${endpoint}"] video`);
        const track = window.__media.remoteAudio().find(t => window.__media.readAudio(t)[0]?.number === number);
        return window.__media.lips(video, track, time);
    }, from.endpoint, from.identity, 2 * FLASHES + 1)).sort((a, b) => a - b);
    const median = Math.round(found[Math.floor(found.length / 2)]);
    console.log(`  lips of ${from.identity} at ${p.identity}: median ${median} ms of ${found.map(Math.round)}`);
    if (found.length < 3 || Math.abs(median) > LIPS)
        throw new Error(`sound minus picture ${found.map(Math.round)} ms`);
}

try {
    const config = join(TOP, 'build/class/slots.conf');
    writeFileSync(config, `media.slots = ${SLOTS}\n`);
    await school.start(['--config', config]);
    const people = [];
    for (const [i, kind] of ['chromium', 'firefox', 'chromium', 'chromium', 'chromium'].entries())
        people.push(await Participant.start(school, kind, i + 1, { fps: i < 2 ? 5 : 10 }));
    const viewers = people.slice(0, 2), [a, b, c] = people.slice(2);
    const rounds = [];

    await test('five share two slots and speak in turn', school, async () => {
        for (const [i, p] of people.entries()) {
            await joinOurs(p, school.people[i]);
            await speak(p, false);
            if (i === 1) // the slots are known before the others come
                rounds.push(...await Promise.all(viewers.map(async v => {
                    await until('slots known', async () => (await v.eval(receiveSsrcs)).length >= 3 * SLOTS);
                    return v.eval(sdpRound);
                })));
        }
        for (const p of [a, b, c])
            await p.eval(talk);
        for (const p of [a, b, c, a]) {
            await turn(p, viewers, people);
            await speak(p, false);
            await sleep(2500); // its slot may be taken
        }
        await namesWereRight(viewers);
    });
    await test('slots cross as people come and go', school, async () => {
        // Who leaves first comes back last, and is heard before it is seen, or after.
        for (const [first, second] of [[a, b], [b, c]]) {
            await leaveOurs(first);
            await leaveOurs(second);
            for (const p of [second, first]) {
                await rejoinOurs(p);
                await speak(p, false);
            }
            await turn(first, viewers, people);
            await speak(first, false);
            await sleep(2500);
            await turn(second, viewers, people);
            await speak(second, false);
        }
        await namesWereRight(viewers);
    });
    if (full) await test('slots cross on a jittery line', school, async () => {
        await school.network.shape(viewers[0].space, { delay: 20, jitter: 100 });
        await school.network.shape(viewers[1].space, { delay: 20, jitter: 30 });
        await sleep(3000);
        await leaveOurs(a);
        await leaveOurs(b);
        await turn(c, viewers, [...viewers, c]);
        await speak(c, false);
        for (const p of [b, a]) {
            await rejoinOurs(p);
            await speak(p, false);
        }
        await sleep(2500);
        for (const p of [a, b]) {
            await turn(p, viewers, people);
            await speak(p, false);
            await sleep(2500);
        }
        await namesWereRight(viewers);
    });
    await test('no round of SDP was needed for who came, went and spoke', school, async () => {
        for (const [i, p] of viewers.entries()) {
            const ssrcs = await p.eval(receiveSsrcs), round = await p.eval(sdpRound);
            if (ssrcs.length > 3 * SLOTS + 2 || round !== rounds[i])
                throw new Error(`${p.kind} ${p.identity}: ${ssrcs.length} SSRCs, round ${round} after ${rounds[i]}`);
        }
    });
    // Over the jittery line it takes a machine that has little else to do: those who are not needed go.
    if (full) {
        await test(`lips match within ${LIPS} ms on slots that crossed`, school, async () => {
            const [viewer, ...others] = viewers;
            for (const p of [...others, a]) {
                await leaveOurs(p);
                await p.close();
            }
            for (const p of [b, c]) {
                await turn(p, [viewer], [viewer, b, c]);
                await lips(viewer, p);
                await speak(p, false);
                await sleep(2500);
            }
        });
    }
} catch (error) {
    await test('slots', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
