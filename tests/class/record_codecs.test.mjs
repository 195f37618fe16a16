// A class is recorded while its codec changes: what is kept, in which layers, and that it plays in both browsers.
import { execFileSync } from 'node:child_process';
import { allUse, without } from './codec_use.mjs';
import { Participant, School, finish, full, sleep, test, until } from './harness.mjs';
import { joinOurs, leaveOurs } from './join.mjs';
import { player, same } from './player.mjs';
import { manifest, out, pictures, recordings, records } from './spool.mjs';

const ORDER = ['AV1', 'VP9', 'H264', 'VP8'];
const TYPES = { 41: 'AV1', 100: 'VP8', 101: 'VP9', 107: 'H264' };
const school = new School('reccodecs');
const at = {}; // wall time at which all have used a codec for a while
let id, story;

// Each rests on those before it.
let broken = false;
async function step(name, body) {
    if (broken)
        return;
    broken = true;
    await test(name, school, async () => {
        await body();
        broken = false;
    });
}

const probe = (file, what) => JSON.parse(execFileSync('ffprobe', ['-v', 'error', '-select_streams', 'v', '-show_entries', what, '-of', 'json',
    out(school, id, file)], { maxBuffer: 1 << 26 }));

// Codec of a track and the heights of its pictures as they are decoded.
function inside(track) {
    const { streams: [{ codec_name: codec }] } = probe(track.file, 'stream=codec_name');
    return { codec: codec.toUpperCase(), heights: [...new Set(probe(track.file, 'frame=height').frames.map(f => f.height))] };
}

async function playsAll(p) {
    await player.open(p, id);
    await player.ready(p, 30);
    await player.choose(p, 'view', 'gallery');
    for (const [codec, wall] of Object.entries(at)) {
        const time = wall - story.startedAt / 1000;
        await player.seek(p, time);
        await until(`${p.kind}: both in ${codec} at ${time.toFixed(1)} s`, async () => {
            const seen = await player.numbers(p);
            if (![1, 2].every(number => seen.includes(number)))
                throw new Error(`sees ${seen} at ${await player.time(p)}`);
            return true;
        }, 15);
    }
    // Over the changes without a stop.
    await player.seek(p, 1);
    await player.play(p, true);
    await until(`${p.kind}: played over every change`, async () => await player.time(p) > Math.max(...Object.values(at)) - story.startedAt / 1000, 60);
    await player.play(p, false);
}

try {
    await school.start(['--set', `media.codecs=${ORDER.join(' ').toLowerCase()}`]);
    const links = school.people;
    const teacher = await Participant.start(school, 'chromium', 1, { fps: 8 });
    const pupil = await Participant.start(school, 'chromium', 2, { fps: 8 });
    const people = [teacher, pupil];
    const uses = async codec => {
        await allUse(people, codec, 15);
        await sleep(4000); // a stretch to look into
        at[codec] = Date.now() / 1000 - 1;
    };

    await step('record codecs: three in one recording', async () => {
        await joinOurs(teacher, links[0]);
        await joinOurs(pupil, links[1]);
        await allUse(people, 'AV1', 30);
        await teacher.click('[data-testid=record]');
        await pupil.until('recording shown', () => document.querySelector('[data-testid=recording-badge]:not(.pending)') !== null);
        [id] = recordings(school);
        await uses('AV1');
        for (const [i, codec] of ['VP9', 'H264'].entries()) {
            const late = await Participant.start(school, 'chromium', 3 + i, { fps: 3, before: without(school, ORDER.slice(0, i + 1)) });
            await joinOurs(late, links[2 + i]);
            await uses(codec);
            await leaveOurs(late);
            await late.close();
            if (codec !== 'H264')
                await allUse(people, 'AV1', 10);
        }
        await teacher.click('[data-testid=record]');
        await until('the end', () => records(school, id).at(-1).kind === 'END', 15);
        const types = new Set(records(school, id).filter(r => r.kind === 'RTP').map(r => TYPES[r.payload[1] & 127]).filter(Boolean));
        console.log(`in the spool: ${[...types]}`);
        if (!same([...types].sort(), ['AV1', 'H264', 'VP9']))
            throw new Error(`the spool has ${[...types]}`);
    });

    await step('record codecs: tracks hold what was sent, in the layers that are kept', async () => {
        await leaveOurs(teacher);
        await player.open(teacher, id);
        await player.ready(teacher, 120);
        story = manifest(school, id);
        if (story.gaps.length || story.troubles?.some(t => t.what !== 'lost-packets'))
            throw new Error(`gaps ${JSON.stringify(story.gaps)}, troubles ${JSON.stringify(story.troubles)}`);
        for (const [p, most, least] of [[teacher, 720, 720], [pupil, 360, 180]]) {
            const tracks = story.tracks.filter(t => t.kind === 'video' && t.endpoint === p.endpoint).map(t => ({ ...t, ...inside(t) }));
            console.log(tracks.map(t => `${t.file} ${t.start}-${t.end} ${t.codec} ${t.heights}`).join('\n'));
            for (const codec of ['AV1', 'VP9', 'H264']) {
                const heights = tracks.filter(t => t.codec === codec).flatMap(t => t.heights);
                const top = Math.max(...heights);
                if (!heights.length || top > most || top < least)
                    throw new Error(`endpoint ${p.endpoint} has ${codec} of ${heights} lines`);
            }
        }
    });

    await step('record codecs: plays in Chromium', () => playsAll(teacher));
    if (full) await step('record codecs: plays in Firefox', async () => {
        await pupil.close();
        const viewer = await Participant.start(school, 'firefox', 5, { fps: 3 });
        await viewer.goto(links[4]);
        await viewer.until('signed in', () => document.querySelector('[data-testid=join]') !== null, 30);
        await playsAll(viewer);
    });

    await step('record codecs: the film shows them all', async () => {
        await until('the film', () => manifest(school, id).files.mp4, 150);
        const frames = pictures(out(school, id, 'video.mp4'), 5).filter(f => f.t > 2);
        const readable = frames.filter(f => f.number === 1 || f.number === 2).length / frames.length;
        console.log(`readable: ${(100 * readable).toFixed(0)} % of ${frames.length}`);
        if (readable < 0.9 || frames.length < 60)
            throw new Error(`numbers: ${frames.map(f => f.number)}`);
    });
} catch (error) {
    await test('record codecs', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
