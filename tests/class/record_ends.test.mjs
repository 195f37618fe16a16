// Recordings that end without a button: everybody left, the class was closed, the server was stopped or killed.
import { Participant, School, finish, sleep, test, until } from './harness.mjs';
import { joinOurs } from './join.mjs';
import { durationOf, manifest, monotonic, out, recordings, records } from './spool.mjs';

const school = new School('ends');
const known = new Set();

async function begin(p) {
    await p.until('record button', () => document.querySelector('[data-testid=record]') !== null);
    await p.click('[data-testid=record]');
    await p.until('recording shown', () => document.querySelector('[data-testid=recording-badge]:not(.pending)') !== null, 15);
    const id = await until('a new recording', () => recordings(school).find(r => !known.has(r)), 5);
    known.add(id);
    await until('both sound and picture', () => {
        const kinds = records(school, id).filter(r => r.kind === 'SOURCE').map(r => JSON.parse(r.payload).kind);
        return kinds.includes('audio') && kinds.includes('video') && records(school, id).some(r => r.kind === 'RTP');
    }, 10);
    await sleep(5000);
    return { id, at: monotonic() };
}

// What lies in `out` in the end: a manifest of the right length, no gap, and a film of it.
async function isWhole(id, least, most) {
    const story = await until('tracks', () => { try { return manifest(school, id); } catch { return false; } }, 180);
    const film = await until('film', () => { try { return durationOf(out(school, id, 'video.mp4')); } catch { return 0; } }, 180, 1000);
    console.log(`${story.duration.toFixed(2)} s, film ${film.toFixed(2)} s, tracks ${story.tracks.map(t =>
        `${t.kind} ${t.start.toFixed(1)}-${t.end.toFixed(1)}`)}, gaps ${JSON.stringify(story.gaps)}, troubles ${JSON.stringify(story.troubles)}`);
    if (story.duration < least || story.duration > most || Math.abs(film - story.duration) > 1)
        throw new Error(`lasts ${story.duration} s, not ${least} to ${most}; film ${film} s`);
    if (!['audio', 'video'].every(kind => story.tracks.some(t => t.kind === kind && t.end - t.start > least - 2)))
        throw new Error('a track is missing');
    if (story.gaps.length)
        throw new Error('there is a gap');
    return story;
}

const listed = p => p.eval(async () => (await (await fetch('/api/recordings')).json()).recordings);
const ready = (p, id) => until('listed as ready', async () => (await listed(p)).find(r => r.id === id)?.state === 'ready', 30);

async function again(p) {
    await school.start();
    await until('signed in still', () => p.goto('https://class.test/recordings').then(() => listed(p)).then(Array.isArray), 30);
}

async function rejoin(p) {
    const id = await p.eval(async () => (await (await fetch('/api/classes')).json()).classes.find(c => c.state === 'open').id);
    await p.goto(`https://class.test/class/${id}`);
    await p.click('[data-testid=join]');
    p.endpoint = await p.until('in the class', () => document.querySelector('[data-testid=own-tile]')?.dataset.endpoint, 40);
    return id;
}

try {
    await school.start();
    const teacher = await Participant.start(school, 'chromium', 1, { fps: 8 });
    await joinOurs(teacher, school.people[0]);

    await test('record: everybody leaves', school, async () => {
        const { id } = await begin(teacher);
        await teacher.goto('https://class.test/recordings');
        await isWhole(id, 4.5, 20);
        await ready(teacher, id);
    });

    await test('record: the teacher closes the class', school, async () => {
        const room = await rejoin(teacher);
        const { id } = await begin(teacher);
        await teacher.eval(async room => {
            const { csrf } = await (await fetch('/api/me')).json();
            const post = what => fetch(`/api/classes/${room}/${what}`, { method: 'POST', body: '{}',
                headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf } });
            const reply = await post('close');
            if (!reply.ok)
                throw new Error(`close: ${reply.status}`);
            await post('open');
        }, room);
        await isWhole(id, 4.5, 20);
        await ready(teacher, id);
    });

    // At most a second of what was sent before the stop may be missing.
    for (const [what, signal] of [['stopped', 'SIGTERM'], ['killed', 'SIGKILL']])
        await test(`record: the server is ${what} in the middle`, school, async () => {
            await teacher.goto('https://class.test/recordings');
            await rejoin(teacher);
            const { id } = await begin(teacher);
            const began = records(school, id).find(r => r.kind === 'RTP').time;
            school.process.kill(signal);
            const end = monotonic();
            await until('server ended', () => school.exited, 15);
            school.exited = null;
            school.ready = false;
            await again(teacher);
            await isWhole(id, end - began - 1, end - began + 2);
            await ready(teacher, id);
            if ((await listed(teacher)).length !== known.size)
                throw new Error(`${(await listed(teacher)).length} recordings instead of ${known.size}`);
        });
} catch (error) {
    await test('record ends', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
