// How late packets are on disk: spool_lag.mjs DIR SECONDS, a process of its own, so that nothing else holds up its looks. Prints
// {packets, median, worst, looks} in milliseconds: how old packets are at the first look that finds them, which is the most
// that they can have been late; `looks` is the longest time between two looks, by which it may have been less.
import { closeSync, openSync, readSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { HEAD, monotonic } from './spool.mjs';

const [dir, seconds] = process.argv.slice(2);
const RTP = 3;
const chunk = Buffer.alloc(1 << 20);
const ages = [];
let files = [], fd = null, rest = Buffer.alloc(0), before = monotonic(), looks = 0;

function more() {
    const got = fd === null ? 0 : readSync(fd, chunk);
    if (got > 0)
        return chunk.subarray(0, got);
    const next = readdirSync(dir).filter(name => name.endsWith('.feed')).sort()[files.length];
    if (!next)
        return null;
    // Nothing is added to a file once there is another, but something may have been since the last read.
    const last = fd === null ? 0 : readSync(fd, chunk);
    if (last > 0)
        return chunk.subarray(0, last);
    if (fd !== null)
        closeSync(fd);
    files.push(next);
    fd = openSync(join(dir, next));
    return more();
}

const start = before;
while (before - start < Number(seconds)) {
    await new Promise(done => setTimeout(done, 2));
    let all = rest, part;
    while ((part = more()) !== null)
        all = Buffer.concat([all, part]);
    const now = monotonic();
    let at = 0;
    for (; at + HEAD <= all.length && at + HEAD + all.readUInt32LE(at + 4) <= all.length; at += HEAD + all.readUInt32LE(at + 4))
        // What was there when this began is no news.
        if (all[at + 3] === RTP && Number(all.readBigUInt64LE(at + 16)) / 1e6 > start)
            ages.push(now - Number(all.readBigUInt64LE(at + 16)) / 1e6);
    rest = Buffer.from(all.subarray(at));
    looks = Math.max(looks, now - before);
    before = now;
}
ages.sort((a, b) => a - b);
const ms = value => Math.round(value * 1e4) / 10;
console.log(JSON.stringify({ packets: ages.length, median: ms(ages[ages.length >> 1] ?? 0), worst: ms(ages.at(-1) ?? 0), looks: ms(looks) }));
