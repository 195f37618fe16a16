// A recording of a long class that was never held: real VP8 and Opus, repeated, in a spool as bridge and recorder write it;
// and how soon a browser plays it after its end.
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HOST, Participant, TOP, until } from './harness.mjs';
import { manifest } from './spool.mjs';

const ID = '0d0a57a5-0000-4000-8000-000000007200';
const LOOP = 20; // seconds of media made, then repeated
const endpoint = number => `aaaaaa${String(number).padStart(2, '0')}`;
// A full class: who is not looked at in full size sends little.
export const PEOPLE = [
    { endpoint: endpoint(1), name: 'Teacher', number: 1, size: '1280x720', kbps: 1200 },
    ...[...Array(24).keys()].map(k => k + 2).map(number =>
        ({ endpoint: endpoint(number), name: `Pupil ${number}`, number, size: '320x180', kbps: 110 })),
];
const SCREEN = { number: 101, size: '1280x720', kbps: 400 };
const ffmpeg = args => execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args]);

// A picture with its number in the top rows, as media.js draws it, above something that moves.
function picture(dir, { number, size, kbps }, seconds) {
    const [width] = size.split('x').map(Number);
    const field = width * 120 / 1280;
    const boxes = [...Array(8).keys()].map(bit =>
        `drawbox=x=${bit * field}:y=0:w=${field}:h=${field}:c=${(number >> bit) & 1 ? 'white' : 'black'}:t=fill`);
    const once = join(dir, `${number}-once.webm`), all = join(dir, `${number}.webm`);
    ffmpeg(['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=15:d=${LOOP}`, '-vf', [...boxes, 'format=yuv420p'].join(','), '-c:v', 'libvpx',
        '-deadline', 'realtime', '-cpu-used', '8', '-b:v', `${kbps}k`, '-maxrate', `${kbps}k`, '-bufsize', `${kbps}k`, '-g', '300', once]);
    ffmpeg(['-stream_loop', String(Math.ceil(seconds / LOOP)), '-i', once, '-t', String(seconds), '-c', 'copy', all]);
    return all;
}

function sound(dir, number, seconds) {
    const once = join(dir, `${number}-once.ogg`), all = join(dir, `${number}.ogg`);
    ffmpeg(['-f', 'lavfi', '-i', `sine=f=${300 + 130 * number}:d=${LOOP}:r=48000`, '-c:a', 'libopus', '-b:a', '24k', once]);
    ffmpeg(['-stream_loop', String(Math.ceil(seconds / LOOP)), '-i', once, '-t', String(seconds), '-c', 'copy', all]);
    return all;
}

// Lays the spool into the school's data, as if the recorder had just ended. Before the school is started.
export function lay(school, seconds) {
    const dir = mkdtempSync(join(tmpdir(), 'darasa-long-'));
    try {
        return write(school, seconds, dir);
    } finally {
        rmSync(dir, { recursive: true, force: true });
    }
}

function write(school, seconds, dir) {
    const home = join(school.data, 'recordings', ID);
    mkdirSync(join(home, 'spool'), { recursive: true });
    mkdirSync(join(home, 'out'));
    const user = Number(execFileSync('id', ['-u', 'darasa'])), group = Number(execFileSync('id', ['-g', 'darasa']));
    chownSync(join(home, 'out'), user, group);
    const people = PEOPLE.map(person => ({ endpoint: person.endpoint, name: person.name, jitter_ms: 15, sources: [
        { name: `${person.endpoint}-v0`, kind: 'video', videoType: 'camera', layers: [{ file: picture(dir, person, seconds) }] },
        { name: `${person.endpoint}-a0`, kind: 'audio', layers: [{ file: sound(dir, person.number, seconds) }] }] }));
    people[0].sources.push({ name: `${endpoint(1)}-v1`, kind: 'video', videoType: 'desktop', layers: [{ file: picture(dir, SCREEN, seconds) }] });
    let number = 0;
    for (const person of people)
        for (const source of person.sources)
            source.number = ++number;
    const events = PEOPLE.map(({ endpoint, name }) => ({ t: 0.1, kind: 'event', json: { type: 'join', endpoint, person: null, name, role: 'pupil' } }));
    for (let t = 30; t < seconds; t += 30)
        events.push({ t, kind: 'event', json: { type: 'speaker', endpoint: PEOPLE[t / 30 % PEOPLE.length].endpoint } });
    const scene = join(dir, 'scene.json');
    writeFileSync(scene, JSON.stringify({ duration: seconds, wall_ms: Date.now() - seconds * 1000, loss: 0.01, repaired: 1, people, records: events }));
    execFileSync('ninja', ['-C', join(TOP, 'build/release'), 'tests/tools/spool_gen'], { stdio: 'ignore' });
    execFileSync(join(TOP, 'build/release/tests/tools/spool_gen'), [scene, join(home, 'spool')]);
    return readdirSync(join(home, 'spool')).reduce((sum, name) => sum + statSync(join(home, 'spool', name)).size, 0);
}

// Starts the school, which finds the recording at its end, and plays its middle in a browser. Times in seconds from the start.
export async function replay(school, seconds) {
    const started = Date.now();
    await school.start();
    const admin = await Participant.start(school, 'chromium', 9);
    await admin.goto(school.links.Administrator);
    await admin.until('signed in', async () => (await fetch('/api/me')).ok, 30);
    await admin.eval(async () => {
        const { csrf } = await (await fetch('/api/me')).json();
        await fetch('/api/password', { method: 'POST', body: JSON.stringify({ new: 'two hours of lessons' }),
            headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf } });
    });
    await until('tracks', () => admin.eval(async id => (await (await fetch(`/api/recordings/${id}`)).json()).state === 'ready', ID), 180);
    const ready = (Date.now() - started) / 1000;
    await admin.goto(`https://${HOST}/recordings/${ID}`);
    await admin.until('player', () => document.querySelector('[data-testid=player]') !== null, 30);
    await admin.click('[data-testid=play]');
    await admin.until('it plays', () => Number(document.querySelector('[data-testid=player]').dataset.time) > 0.5
        && window.__media.readVideo(document.querySelector('[data-testid=picture] video')) !== null, 60);
    const plays = (Date.now() - started) / 1000;
    // A jump to somewhere in the last quarter: from the press to the picture.
    const jumped = Date.now();
    await admin.eval(time => {
        const bar = document.querySelector('[data-testid=seek]');
        bar.value = String(time);
        bar.dispatchEvent(new Event('input', { bubbles: true }));
    }, seconds * 0.8 + 7);
    await admin.until('a picture after the jump', time => {
        const video = document.querySelector('[data-testid=picture] video');
        return !video.seeking && video.currentTime > time - 3 && window.__media.readVideo(video)?.number === 101;
    }, 60, seconds * 0.8 + 7);
    const jump = (Date.now() - jumped) / 1000;
    const story = manifest(school, ID);
    if (Math.abs(story.duration - seconds) > 2 || story.tracks.length !== PEOPLE.length * 2 + 1 || story.gaps.length)
        throw new Error(`${story.duration} s, ${story.tracks.length} tracks, gaps ${JSON.stringify(story.gaps)}`);
    return { ready, plays, jump };
}
