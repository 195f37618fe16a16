// A class of thirty for an hour: real media from a crowd that comes, goes, speaks, writes and raises hands; one Chromium with our
// client in it. Its heap and the memory of the server's programs must stay where they are. Argument: minutes.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { HOST, Participant, School, TOP, finish, sleep, test, until } from './harness.mjs';
import { joinOurs } from './join.mjs';

const PEOPLE = 30, MINUTES = Number(process.argv[2] ?? 60), SAMPLES = 24;
const HEAP_MAX = 80e6;
// Of the last half over the one before it: noise of collectors and allocators, not a leak of an hour.
const GROWTH = 1.1, SLACK = 3e6;
const school = new School('soak');
const media = mkdtempSync(join(tmpdir(), 'darasa-soak-'));
const ffmpeg = args => execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args]);

function children() {
    const own = readFileSync(`/proc/${school.serverPid()}/task/${school.serverPid()}/children`, 'utf8');
    return [school.serverPid(), ...own.split(' ').filter(Boolean).map(Number)];
}

// Memory of each of the server's processes, in bytes: {"darasa-edge 123": n}.
function memory() {
    return Object.fromEntries(children().map(pid => {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        return [`${status.match(/Name:\t(.*)/)[1]} ${pid}`, Number(status.match(/VmRSS:\s+(\d+)/)[1]) * 1024];
    }));
}

const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

// Flat: the last quarter's median is that of the third quarter.
function flat(what, list) {
    const n = list.length, third = median(list.slice(n / 2, n * 3 / 4)), last = median(list.slice(n * 3 / 4));
    if (last > third * GROWTH + SLACK)
        throw new Error(`${what} grows: ${list.map(v => (v / 1e6).toFixed(1)).join(' ')} MB`);
}

function crowd() {
    const room = Object.values(school.links).find(url => url.includes('/guest/')).split('/guest/')[1];
    const python = spawn('ip', ['netns', 'exec', school.network.host(), join(TOP, 'build/python/bin/python'), join(TOP, 'tests/class/crowd.py'),
        `https://${HOST}`, school.ca, room, String(PEOPLE), String(MINUTES * 60), media], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = [];
    createInterface({ input: python.stdout }).on('line', line => lines.push(line));
    const state = { lines, python };
    python.on('exit', code => { state.exit = code; });
    return state;
}

let viewer, people;
const heap = [], servers = [];
try {
    ffmpeg(['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=5:d=20', '-c:v', 'libvpx', '-deadline', 'realtime', '-b:v', '60k', '-g', '1000',
        join(media, 'picture.ivf')]);
    ffmpeg(['-f', 'lavfi', '-i', 'sine=f=440:d=20:r=48000', '-c:a', 'libopus', '-b:a', '24k', join(media, 'sound.ogg')]);
    await school.start();
    viewer = await Participant.start(school, 'chromium', 1, { fps: 5 });
    await test(`soak: ${PEOPLE} people enter a class`, school, async () => {
        await joinOurs(viewer, school.people[0]);
        people = crowd();
        await until('all inside', () => {
            if (people.exit !== undefined)
                throw new Error(`the crowd ended (${people.exit})`);
            return people.lines.includes('inside');
        }, 120);
        await viewer.until('sees them', () => [...document.querySelectorAll('[data-testid=tile] video')].filter(v => v.videoWidth > 0).length >= 9, 60);
    });
    await test(`soak: ${MINUTES} minutes with ${PEOPLE} people, the heap below 80 MB, nothing grows`, school, async () => {
        await viewer.ask('cdp', { method: 'HeapProfiler.enable' });
        for (let i = 0; i < SAMPLES; i++) {
            await sleep(MINUTES * 60_000 / SAMPLES);
            await viewer.ask('cdp', { method: 'HeapProfiler.collectGarbage' });
            heap.push((await viewer.ask('cdp', { method: 'Runtime.getHeapUsage' })).usedSize);
            servers.push(memory());
            const { notices, playing } = await viewer.eval(() => ({ notices: document.querySelectorAll('[data-testid=notice]').length,
                playing: [...document.querySelectorAll('[data-testid=tile] video')].filter(v => v.videoWidth > 0 && !v.paused).length }));
            console.log(`${((i + 1) * MINUTES / SAMPLES).toFixed(1)} min: heap ${(heap.at(-1) / 1e6).toFixed(1)} MB, ${playing} pictures, ${notices} notices; `
                + Object.entries(servers.at(-1)).map(([name, bytes]) => `${name} ${(bytes / 1e6).toFixed(1)}`).join(', '));
            if (people.exit !== undefined && i < SAMPLES - 1)
                throw new Error(`the crowd ended (${people.exit})`);
        }
        if (heap.at(-1) > HEAP_MAX)
            throw new Error(`heap of ${heap.at(-1)} bytes`);
        flat('heap', heap);
        if (new Set(servers.map(s => Object.keys(s).sort().join())).size !== 1)
            throw new Error(`processes came and went: ${JSON.stringify(servers.at(-1))}`);
        for (const name of Object.keys(servers[0]))
            flat(name, servers.map(s => s[name]));
    });
    await test('soak: everybody was there to the end, and nothing was logged as wrong', school, async () => {
        await until('the crowd has ended', () => people.exit !== undefined, 60);
        const counts = JSON.parse(people.lines.at(-1));
        console.log(JSON.stringify(counts));
        if (people.exit !== 0 || counts.failed || counts.entered < PEOPLE + MINUTES || counts.said < MINUTES * 5)
            throw new Error(`the crowd: ${JSON.stringify(counts)}`);
        const wrong = readFileSync(school.log, 'utf8').split('\n').filter(line => /^(error|warn) /.test(line));
        if (wrong.length)
            throw new Error(wrong.slice(0, 10).join('\n'));
    });
} catch (error) {
    await test('soak', school, () => { throw error; });
} finally {
    people?.python.kill('SIGKILL');
    await school.stop();
    rmSync(media, { recursive: true, force: true });
}
finish();
