// What the tests and measurements of faults share: participants of both kinds spoken to in one way, a watch over what a
// participant notices, processes to kill, a wall clock that jumps.
import { execFileSync } from 'node:child_process';
import { closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, readSync, readdirSync, readlinkSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { TOP, until } from './harness.mjs';
import { joinOurs, joinStock } from './join.mjs';

// Runs in the page: keeps a record of sound, people and connections every 50 ms until it is asked.
function startWatch() {
    const stock = Boolean(window.__stock);
    const watch = { sounds: {}, notices: new Set(), people: new Set(), peers: new Set(), ice: new Set(), reports: [], phases: new Set() };
    const people = () => stock ? window.__stock.conference.getParticipants().map(p => p.getId())
        : [...document.querySelectorAll('[data-testid=tile]')].map(t => t.dataset.endpoint);
    const first = JSON.stringify([...new Set(people())].sort());
    const events = stock ? window.__stock.seen.events.length : 0;
    const shown = new Set([...document.querySelectorAll('[data-testid=notice]')].map(n => n.dataset.key));
    let busy = false;
    const look = async () => {
        if (busy)
            return;
        busy = true;
        const now = JSON.stringify([...new Set(people())].sort());
        if (now !== first)
            watch.people.add(now);
        for (const notice of document.querySelectorAll('[data-testid=notice]'))
            if (!shown.has(notice.dataset.key))
                watch.notices.add(notice.dataset.key);
        const room = document.querySelector('[data-testid=class]');
        if (room)
            watch.phases.add(room.dataset.phase);
        for (const peer of window.__media.connections.filter(c => c.connectionState !== 'closed')) {
            const number = window.__media.connections.indexOf(peer);
            watch.peers.add(number);
            watch.ice.add(peer.iceConnectionState);
            const stats = await peer.getStats();
            for (const s of stats.values()) {
                if (s.type === 'remote-outbound-rtp')
                    watch.reports.push([`${number} ${s.ssrc}`, s.timestamp, s.remoteTimestamp]);
                if (s.type === 'inbound-rtp' && s.kind === 'audio' && s.packetsReceived)
                    (watch.sounds[`${number} ${s.ssrc}`] ??= []).push([s.timestamp - performance.timeOrigin, s.concealedSamples, s.totalSamplesReceived, s.packetsReceived]);
            }
        }
        busy = false;
    };
    watch.timer = setInterval(look, 50);
    watch.read = () => ({ first, people: [...watch.people], notices: [...watch.notices], phases: [...watch.phases],
        peers: [...watch.peers], ice: [...watch.ice], events: stock ? window.__stock.seen.events.slice(events) : [],
        sounds: watch.sounds, reports: watch.reports });
    window.__watch = watch;
    return first;
}

function readWatch() {
    clearInterval(window.__watch.timer);
    return window.__watch.read();
}

// The longest stretch, in ms, in which a voice was made up for want of packets, of any voice heard from the start. Without
// `totalSamplesReceived` growing nothing is played at all: that counts as well.
export function longestGap(sounds) {
    let longest = 0;
    for (const list of Object.values(sounds)) {
        let run = 0;
        for (let i = 1; i < list.length; i++) {
            const concealed = (list[i][1] - list[i - 1][1]) / 48;
            const unplayed = (list[i][0] - list[i - 1][0]) - (list[i][2] - list[i - 1][2]) / 48;
            run = concealed > 0 ? run + concealed : 0;
            longest = Math.max(longest, run, unplayed > 100 ? unplayed : 0);
        }
    }
    return longest;
}

// By how many ms the senders' clocks, as reported, moved against ours at most: what a receiver matches lips by.
export function reportDrift(watch) {
    const first = {}, drifts = [0];
    for (const [source, ours, theirs] of watch.reports) {
        first[source] ??= ours - theirs;
        drifts.push(Math.abs(ours - theirs - first[source]));
    }
    return Math.max(...drifts);
}

// The samples around the worst moments, for whoever has to find out why.
function around(sounds) {
    const out = [];
    for (const [name, list] of Object.entries(sounds))
        for (let i = 1; i < list.length; i++) {
            const [time, concealed, total, packets] = list[i].map((v, k) => v - list[i - 1][k]);
            if (concealed > 480 || time - total / 48 > 100)
                out.push(`${name} at ${(list[i][0] - list[0][0]).toFixed(0)}: ${time.toFixed(0)} ms, concealed ${(concealed / 48).toFixed(0)} ms, played ${(total / 48).toFixed(0)} ms, ${packets} packets`);
        }
    return out.slice(0, 12).join('\n      ');
}

// The longest time in ms between two packets of a voice, to the 50 ms of the watch; from its first packet to the watch's end.
export function longestSilence(watch) {
    return Math.max(0, ...Object.values(watch.sounds).map(list => {
        let longest = 0, last = 0;
        for (let i = 1; i < list.length; i++) {
            longest = Math.max(longest, list[i][0] - list[last][0]);
            if (list[i][3] > list[i - 1][3])
                last = i;
        }
        return longest;
    }));
}

// One person of a class, with our client or a stock one, asked in one way.
export class Person {
    constructor(participant, stock) {
        this.p = participant;
        this.stock = stock;
        this.identity = participant.identity;
        this.what = stock ? `stock ${participant.identity}` : `ours ${participant.identity}`;
    }

    async join(link, options = {}) {
        this.endpoint = this.stock ? await joinStock(this.p, link, options) : await joinOurs(this.p, link);
        await this.p.eval(() => { window.__loaded = true; });
        return this.endpoint;
    }

    // Whether the page is still the one that joined, under the same name.
    async same() {
        const now = await this.p.eval(() => ({ loaded: window.__loaded === true,
            endpoint: window.__stock?.conference.myUserId() ?? document.querySelector('[data-testid=own-tile]')?.dataset.endpoint }));
        if (!now.loaded || now.endpoint !== this.endpoint)
            throw new Error(`${this.what}: another page or endpoint ${JSON.stringify(now)}, was ${this.endpoint}`);
    }

    watch() { return this.p.eval(startWatch); }
    watched() { return this.p.eval(readWatch); }

    tones() {
        return this.p.eval(() => [...new Set(window.__media.remoteAudio().flatMap(t => window.__media.readAudio(t).map(f => f.number)))].sort());
    }

    // The numbers seen on remote videos that move: [numbers].
    pictures() {
        return this.p.eval(() => [...document.querySelectorAll(window.__stock ? 'video' : '[data-testid=tile] video')]
            .map(v => window.__media.readVideo(v)?.number).filter(n => n !== undefined));
    }

    hears(who, seconds = 15) {
        return until(`${this.what} hears ${who.what}`, async () => (await this.tones()).includes(who.identity), seconds);
    }

    hearsNot(who, seconds = 15) {
        return until(`${this.what} does not hear ${who.what}`, async () => !(await this.tones()).includes(who.identity), seconds);
    }

    sees(who, seconds = 20) {
        return until(`${this.what} sees ${who.what}`, async () => (await this.pictures()).includes(who.identity), seconds);
    }

    async say(text) {
        if (this.stock)
            return this.p.eval(t => window.__stock.conference.sendTextMessage(t), text);
        if (!await this.p.eval(() => Boolean(document.querySelector('[data-testid=chat-input]'))))
            await this.p.click('[data-testid=chat]');
        await this.p.type('[data-testid=chat-input]', text);
        await this.p.click('[data-testid=chat-send]');
    }

    async reads(text, seconds = 15) {
        if (!this.stock && !await this.p.eval(() => Boolean(document.querySelector('[data-testid=chat-list]'))))
            await this.p.click('[data-testid=chat]');
        return this.p.until(`reads '${text}'`, t => window.__stock ? window.__stock.seen.chat.some(m => m.text === t)
            : Boolean(document.querySelector('[data-testid=chat-list]')?.textContent.includes(t)), seconds, text);
    }

    // As a moderator: silences somebody; with our client, everybody who speaks and is no moderator.
    async mute(who) {
        if (this.stock)
            return this.p.eval(id => { window.__stock.conference.muteParticipant(id, 'audio'); }, who.endpoint);
        if (!await this.p.eval(() => Boolean(document.querySelector('[data-testid=mute-all]'))))
            await this.p.click('[data-testid=people]');
        await this.p.click('[data-testid=mute-all]');
    }

    unmute() {
        if (this.stock)
            return this.p.eval(() => window.__stock.locals.find(t => t.getType() === 'audio').unmute());
        return this.p.click('[data-testid=microphone]');
    }

    async recording(on) {
        await this.p.click('[data-testid=record]');
        await this.p.until(`recording ${on}`, want => Boolean(document.querySelector('[data-testid=recording-badge]')) === want, 20, on);
    }

    // A call of the server's own interface, in this person's session.
    api(path, method = 'GET', body = undefined) {
        return this.p.eval(async (path, method, body) => {
            const reply = await fetch(path, { method, body: body && JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
            if (!reply.ok)
                throw new Error(`${path}: ${reply.status}`);
            return reply.json();
        }, path, method, body);
    }
}

// Everybody hears and sees everybody else.
export async function together(people, seconds = 30) {
    for (const who of people)
        for (const other of people.filter(o => o !== who)) {
            await who.hears(other, seconds);
            await who.sees(other, seconds);
        }
}

// Chat arrives from everybody at everybody.
export async function chatting(people, words) {
    for (const who of people) {
        await who.say(`${words} ${who.identity}`);
        for (const other of people.filter(o => o !== who))
            await other.reads(`${words} ${who.identity}`);
    }
}

// That nobody noticed anything: no one seen to come or go, no notice, the same connections, sound without a gap.
export function unnoticed(person, watch, { gap = 100, allowed = [] } = {}) {
    const events = watch.events.filter(e => /^(joined|left|conference failed|CONFERENCE_LEFT|disconnected|track)/.test(e));
    const notices = watch.notices.filter(n => !allowed.includes(n));
    const longest = longestGap(watch.sounds);
    if (watch.people.length || events.length || notices.length || watch.peers.length !== 1)
        throw new Error(`${person.what} noticed: people ${watch.first} then ${watch.people}, events ${events}, notices ${notices}, connections ${watch.peers}`);
    if (watch.phases.some(p => p !== 'joined'))
        throw new Error(`${person.what}: phases ${watch.phases}`);
    if (!Object.keys(watch.sounds).length || longest > gap)
        throw new Error(`${person.what}: sound missing for ${longest.toFixed(0)} ms\n      ${around(watch.sounds)}`);
    return longest;
}

// The children's processes of a program, read from /proc: fast enough for those that live but a moment.
export function processes(school, program) {
    const main = school.serverPid();
    let children = '';
    try {
        children = readFileSync(`/proc/${main}/task/${main}/children`, 'utf8');
    } catch { /* it has ended */ }
    return children.split(' ').filter(Boolean).map(Number).filter(pid => {
        try {
            return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0].endsWith(`/darasa-${program}`);
        } catch {
            return false;
        }
    });
}

// Kills a program's processes and waits until the supervisor has put others in their place. Returns {at, back} in ms.
export async function kill(school, program, { signal = 'SIGKILL', pids = processes(school, program), seconds = 15 } = {}) {
    if (!pids.length)
        throw new Error(`no process of ${program}`);
    const at = Date.now();
    for (const pid of pids)
        process.kill(pid, signal);
    await until(`another ${program}`, () => {
        const now = processes(school, program);
        return now.length >= pids.length && !now.some(pid => pids.includes(pid));
    }, seconds, 20);
    return { at, back: Date.now() };
}

// Has the class's bridge worker die of an endpoint's bytes: the page in which it notes whose datagram it works on says so, and
// then it gets the signal of a fault. Returns when.
export async function crashBy(school, endpoint) {
    const WHERE = 64, folder = `/proc/${school.serverPid()}/fd`;
    const bridges = processes(school, 'bridge');
    for (const pid of bridges)
        process.kill(pid, 'SIGSTOP');
    for (const fd of readdirSync(folder).filter(fd => readlinkSync(`${folder}/${fd}`).startsWith('/memfd:darasa-witness'))) {
        const file = openSync(`${folder}/${fd}`, 'r+');
        const where = Buffer.alloc(1);
        readSync(file, where, 0, 1, 0);
        if (where[0]) // it has worked for somebody
            writeSync(file, Buffer.from(`${endpoint}\0`), 0, endpoint.length + 1, WHERE);
        closeSync(file);
    }
    for (const pid of bridges)
        process.kill(pid, 'SIGFPE'); // waits until it may go on
    return (await kill(school, 'bridge', { signal: 'SIGCONT', pids: bridges })).at;
}

// After `at` (ms of the wall clock): when each got a new connection and when it played sound and pictures on it, in ms from
// then: [{offered, played}].
export function recovery(people, at, seconds = 20) {
    return Promise.all(people.map(who => who.p.eval(async (at, seconds) => {
        const end = performance.now() + seconds * 1000;
        for (;;) {
            const peer = window.__media.connections.filter(c => c.__born > at).pop();
            const stats = peer && peer.connectionState !== 'closed' ? [...(await peer.getStats()).values()] : [];
            const inbound = stats.filter(s => s.type === 'inbound-rtp');
            if (inbound.some(s => s.kind === 'audio' && s.jitterBufferEmittedCount) && inbound.some(s => s.framesDecoded))
                return { offered: window.__media.connections.find(c => c.__born > at).__born - at,
                    played: performance.timeOrigin + performance.now() - at };
            if (performance.now() > end)
                throw new Error(peer ? `no media after ${seconds} s` : `no new connection after ${seconds} s`);
            await new Promise(done => setTimeout(done, 20));
        }
    }, at, seconds)));
}

// The sum of a counter over the programs that have it, from the administrator's listener.
export function counter(school, name) {
    const script = `exec 3<>/dev/tcp/127.0.0.1/9090; printf 'GET /metrics HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3`;
    const text = execFileSync('ip', ['netns', 'exec', school.network.server, 'bash', '-c', script], { encoding: 'utf8' });
    const values = text.split('\n').filter(l => l.startsWith(`${name}{`) || l.startsWith(`${name} `)).map(l => Number(l.split(' ').pop()));
    if (!values.length)
        throw new Error(`no counter ${name}`);
    return values.reduce((a, b) => a + b, 0);
}

// The bytes of a recording's spool, of all its files.
export function spool(school, recording) {
    const folder = join(school.data, 'recordings', recording, 'spool');
    return Buffer.concat(readdirSync(folder).sort().map(name => readFileSync(join(folder, name))));
}

export function recordings(school) {
    return readdirSync(join(school.data, 'recordings')).filter(name => /^[0-9a-f-]{36}$/.test(name));
}

// The records of a feed (docs/feed.md): {kind, at (us), json}, payloads of JSON kinds read.
export function* records(bytes) {
    const JSON_KINDS = [1, 2, 5, 6, 7];
    for (let i = 0; i + 32 <= bytes.length;) {
        if (bytes[i] !== 0xda || bytes[i + 1] !== 0x5a) {
            i++;
            continue;
        }
        const kind = bytes[i + 3], length = bytes.readUInt32LE(i + 4);
        if (i + 32 + length > bytes.length)
            return;
        const payload = bytes.subarray(i + 32, i + 32 + length);
        yield { kind, source: bytes.readUInt32LE(i + 8), at: Number(bytes.readBigUInt64LE(i + 16)),
            json: JSON_KINDS.includes(kind) ? JSON.parse(payload.toString()) : undefined };
        i += 32 + length;
    }
}
export const RECORD = { BEGIN: 1, SOURCE: 2, RTP: 3, SENDER_REPORT: 4, EVENT: 5, GAP: 6, END: 7 };

// The server under test with a wall clock that can be moved: a library is preloaded into it and all its children.
export class JumpingClock {
    constructor(school) {
        execFileSync('ninja', ['-C', join(TOP, 'build/release'), 'tests/support/clock_offset.so'], { stdio: 'ignore' });
        this.folder = mkdtempSync('/var/tmp/darasa-clock-');
        execFileSync('chmod', ['755', this.folder]);
        mkdirSync(join(this.folder, 'etc'));
        copyFileSync(join(TOP, 'build/release/tests/support/clock_offset.so'), join(this.folder, 'clock_offset.so'));
        writeFileSync(join(this.folder, 'etc/ld.so.preload'), `${join(this.folder, 'clock_offset.so')}\n`);
        this.file = join(this.folder, 'offset');
        writeFileSync(this.file, Buffer.alloc(8));
        // Children get an environment of their own, so it goes by the loader's file, in this namespace's view only.
        school.wrapper = ['sh', '-c', `mount -t overlay overlay -o lowerdir=${this.folder}/etc:/etc /etc && exec "$@"`, 'sh'];
    }

    // Seconds beside the true time, at once for all.
    set(seconds) {
        const bytes = Buffer.alloc(8);
        bytes.writeBigInt64LE(BigInt(seconds));
        writeFileSync(this.file, bytes, { flag: 'r+' });
        this.offset = seconds;
    }

    done() { rmSync(this.folder, { recursive: true, force: true }); }
}
