// What lies on disk of a recording: the records of its spool (docs/feed.md) and what ffmpeg sees and hears in its files.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const KINDS = [, 'BEGIN', 'SOURCE', 'RTP', 'SENDER_REPORT', 'EVENT', 'GAP', 'END'];
export const HEAD = 32;
const RATE = 48000;

export function recordings(school) {
    const dir = join(school.data, 'recordings');
    return existsSync(dir) ? readdirSync(dir).filter(name => /^[0-9a-f-]{36}$/.test(name)) : [];
}

export const out = (school, id, file) => join(school.data, 'recordings', id, 'out', file);
export const manifest = (school, id) => JSON.parse(readFileSync(out(school, id, 'manifest.json'), 'utf8'));

function bytes(school, id) {
    const dir = join(school.data, 'recordings', id, 'spool');
    return Buffer.concat(readdirSync(dir).filter(name => name.endsWith('.feed')).sort().map(name => readFileSync(join(dir, name))));
}

// Every whole record: {kind, source, time (s, the machine's monotonic clock), payload}.
export function records(school, id) {
    const all = bytes(school, id);
    const found = [];
    for (let at = 0; at + HEAD <= all.length;) {
        if (all[at] !== 0xda || all[at + 1] !== 0x5a)
            throw new Error(`no record at byte ${at} of ${all.length}`);
        const length = all.readUInt32LE(at + 4);
        if (at + HEAD + length > all.length)
            break;
        found.push({ kind: KINDS[all[at + 3]], source: all.readUInt32LE(at + 8), time: Number(all.readBigUInt64LE(at + 16)) / 1e6,
            payload: all.subarray(at + HEAD, at + HEAD + length) });
        at += HEAD + length;
    }
    return found;
}

// The machine's monotonic clock, as the bridge reads it.
export const monotonic = () => Number(process.hrtime.bigint()) / 1e9;

// How late packets come to disk in the next seconds (spool_lag.mjs).
export async function lag(school, id, seconds) {
    const watcher = new URL('./spool_lag.mjs', import.meta.url).pathname;
    const { stdout } = await promisify(execFile)(process.execPath, [watcher, join(school.data, 'recordings', id, 'spool'), String(seconds)]);
    return JSON.parse(stdout);
}

const ffmpeg = args => execFileSync('ffmpeg', ['-v', 'error', '-nostdin', ...args, '-'], { maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'pipe'] });
export const durationOf = file => Number(execFileSync('ffprobe', ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', file],
    { stdio: ['ignore', 'pipe', 'pipe'] }));

// The upper edge of the picture as the cameras of media.js write it: [{t, number (null: unreadable), flash}].
export function pictures(file, fps = 25) {
    const width = 320, height = 60; // a quarter of 1280, the rows of fields and flash
    const raw = ffmpeg(['-i', file, '-an', '-vf', `fps=${fps},scale=320:180,crop=${width}:${height}:0:0,format=gray`, '-f', 'rawvideo']);
    const mean = (frame, x, y) => {
        let sum = 0;
        for (let i = 0; i < 64; i++)
            sum += raw[frame * width * height + (y + (i >> 3)) * width + x + (i & 7)];
        return sum / 64;
    };
    const seen = [];
    for (let frame = 0; (frame + 1) * width * height <= raw.length; frame++) {
        let number = 0;
        for (let bit = 0; bit < 8; bit++) {
            const light = mean(frame, bit * 30 + 11, 11);
            if (light > 90 && light < 165)
                number = null;
            else if (light >= 165 && number !== null)
                number |= 1 << bit;
        }
        seen.push({ t: frame / fps, number, flash: mean(frame, 275, 15) > 128 });
    }
    return seen;
}

export function samples(file) {
    const raw = ffmpeg(['-i', file, '-vn', '-f', 's16le', '-ac', '1', '-ar', String(RATE)]);
    return new Int16Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + (raw.length & ~1)));
}

// Amplitude (0..1) of one frequency between two times, by Goertzel.
export function level(sound, hertz, from, to) {
    const start = Math.max(0, Math.round(from * RATE)), end = Math.min(sound.length, Math.round(to * RATE));
    if (end <= start)
        return 0;
    const k = 2 * Math.cos(2 * Math.PI * hertz / RATE);
    let a = 0, b = 0;
    for (let i = start; i < end; i++)
        [a, b] = [sound[i] + k * a - b, a];
    return Math.sqrt(Math.max(0, a * a + b * b - k * a * b)) * 2 / (end - start) / 32768;
}

// The same over a longer time, of a tone whose pitch may be bent a little: the median of short windows.
export function tone(sound, hertz, from, to) {
    const size = Math.round(0.08 * RATE), found = [];
    const window = Float64Array.from({ length: size }, (_, i) => 1 - Math.cos(2 * Math.PI * i / size));
    for (let start = Math.max(0, Math.round(from * RATE)); start + size <= Math.min(sound.length, to * RATE); start += size)
        found.push(level(window.map((w, i) => w * sound[start + i]), hertz, 0, size / RATE));
    return found.sort((a, b) => a - b)[found.length >> 1] ?? 0;
}

// When a beep begins: times at which 3 kHz comes up.
export function beeps(sound) {
    const step = 0.01, found = [];
    let loud = true;
    for (let t = 0; t < sound.length / RATE; t += step) {
        const now = level(sound, 3000, t, t + step) > 0.02;
        if (now && !loud)
            found.push(t);
        loud = now;
    }
    return found;
}

// Sound minus picture of each flash, in milliseconds.
export function lips(file) {
    const sounds = beeps(samples(file));
    const frames = pictures(file);
    const flashes = frames.filter((f, i) => i > 0 && f.flash && !frames[i - 1].flash && f.number !== null).map(f => f.t);
    return flashes.map(f => sounds.map(s => (s - f) * 1000).sort((a, b) => Math.abs(a) - Math.abs(b))[0]).filter(d => d !== undefined);
}
