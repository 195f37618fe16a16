// Poor lines under real browsers, in real time: a row for ./bench as soon as it is known; every sample goes into the folder that
// is the argument. benches/networks has the same in virtual time.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOST, Participant, School, TOP, sleep, until } from '../tests/class/harness.mjs';
import { joinOurs } from '../tests/class/join.mjs';
import { carried, count, since, sum } from '../tests/class/carried.mjs';

const raw = process.argv[2];
const SENSES = join(TOP, 'tests/class/senses.js'), SPEECH = join(TOP, 'tests/class/speech.js'), SCENERY = join(TOP, 'tests/class/scenery.js');
const HZ = 48; // samples a millisecond
let rows = [], failed = 0;

function row(what, value, unit, must, ok, why = '') {
    const told = { what, value: typeof value === 'number' ? Math.round(value * 100) / 100 : null, unit, must, ok: value !== null && ok(value), why };
    rows.push(told);
    failed += !told.ok;
    process.stdout.write(JSON.stringify(told) + '\n');
}

// Rows that could not be measured say why.
async function measure(names, body) {
    try {
        await body();
    } catch (error) {
        for (const [what, unit, must] of names.filter(([what]) => !rows.some(r => r.what === what)))
            row(what, null, unit, must, () => false, `not measured: ${String(error.message ?? error).slice(0, 200)}`);
        console.error(error);
    }
}

// --- what somebody hears and sees ----------------------------------------------------------------------------------------------

class Pupil {
    constructor(school, p) {
        Object.assign(this, { school, p, samples: [], marks: [] });
    }

    static async start(school, identity, { kind = 'chromium', space } = {}) {
        return new Pupil(school, await Participant.start(school, kind, identity, { fps: 8, before: SENSES, space }));
    }

    // Only to listen and look: a voice that was heard for a moment would be taken for one that is missing now.
    async join(link, teacher) {
        await this.p.goto(link);
        await this.p.click('[data-testid=join-listening]');
        await this.p.until('in the class', () => document.querySelector('[data-testid=class]') !== null, 40);
        await this.p.eval(endpoint => window.__senses.look(endpoint), teacher.endpoint);
    }

    async mute() {
        await this.p.until('the microphone', () => document.querySelector('[data-testid=microphone]')?.dataset.on === 'true', 20);
        await this.p.click('[data-testid=microphone]');
    }

    async take() {
        this.samples.push(...await this.p.eval(() => window.__senses.take()));
        return this.samples;
    }

    between(from, to) { return this.samples.filter(s => s.at > from && s.at <= to); }

    // Percent made up of what was played; null: nothing was.
    concealed(from, to) {
        const all = this.between(from, to), played = all.reduce((n, s) => n + s.samples, 0);
        return played ? 100 * all.reduce((n, s) => n + s.made, 0) / played : null;
    }

    // Seconds of the longest stretch that was made up.
    silence(from, to) {
        let longest = 0, now = 0;
        for (const s of this.between(from, to)) {
            now = s.samples && s.made > s.samples / 2 ? now + s.made : 0;
            longest = Math.max(longest, now);
        }
        return longest / HZ / 1000;
    }

    // Seconds without a new picture at most while one is told as sent, or of one freeze as the browser counts them; and all of these.
    freeze(from, to, always = false) {
        let longest = 0, since = from, last = null;
        const all = this.between(from, to);
        for (const s of all) {
            if (s.frames !== last?.frames || !(s.told || always))
                since = s.at;
            if (s.told && last && s.freezes > last.freezes)
                longest = Math.max(longest, 1000 * (s.frozen - last.frozen) / (s.freezes - last.freezes));
            if (s.told)
                last = s;
            longest = Math.max(longest, s.at - since);
        }
        const told = all.filter(s => s.told), count = key => told.length ? told.at(-1)[key] - told[0][key] : 0;
        return { longest: longest / 1000, count: count('freezes'), total: count('frozen'), frames: 1000 * count('frames') / (to - from) };
    }

    heights(from, to) {
        const seen = {};
        for (const s of this.between(from, to)) {
            const height = s.told ? s.height : 0;
            seen[height] = (seen[height] ?? 0) + 1;
        }
        return Object.entries(seen).sort((a, b) => b[1] - a[1]);
    }

    // When as many ms of true sound had been played after that moment; null: not.
    soundAfter(moment, ms = 300) {
        let played = 0;
        for (const s of this.between(moment, Infinity)) {
            played += s.samples - s.made;
            if (played >= ms * HZ)
                return s.at;
        }
        return null;
    }

    heard(seconds = 60) {
        const begun = Date.now();
        return until('the voice', async () => {
            await this.take();
            return this.soundAfter(begun);
        }, seconds, 200);
    }

    keep(name) {
        const lines = this.samples.map(s => [s.at - this.samples[0].at, s.samples, s.made, s.told ? s.height : -1, s.frames, s.freezes, s.frozen.toFixed(2), s.estimate].join(' '));
        if (raw)
            writeFileSync(join(raw, name), `# ms, samples played, of them made up, lines of the picture, pictures, freezes, s frozen, the bridge's estimate\n${lines.join('\n')}\n`);
    }
}

async function school(name, body) {
    const place = new School(name, { exact: true });
    try {
        await place.start();
        await body(place);
    } finally {
        await place.stop();
    }
}

async function teach(place, before, fps) {
    const teacher = await Participant.start(place, 'chromium', 1, { fps, before });
    await joinOurs(teacher, place.people[0]);
    return teacher;
}

const setProfile = (teacher, profile) => teacher.eval(async to => {
    const { csrf } = await (await fetch('/api/me')).json();
    const { classes } = await (await fetch('/api/classes')).json();
    const open = classes.find(c => c.state === 'open');
    const reply = await fetch(`/api/classes/${open.id}`, { method: 'PATCH', headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf },
        body: JSON.stringify({ profile: to }) });
    if (!reply.ok)
        throw new Error(`${reply.status} ${await reply.text()}`);
}, profile);

// --- one of thirty on 64 kb/s ---------------------------------------------------------------------------------------------------

const CLASS = 30, OUTAGES = 3, OUTAGE = 10_000, SETTLED = 20_000, LESSON = 45 * 60;
const POOR_SECONDS = Number(process.env.DARASA_LINES_SECONDS ?? 600);
const POOR_LINE = { delay: 150, loss: 5, rate: 64, queue: 300 };
const POOR = 'one of 30 in a class of profile voice at 64 kb/s, 300 ms, 5 % loss, 300 ms drop-tail queue, three outages of 10 s; every IP byte both '
    + 'ways after page load counted';
const POOR_ROWS = [[`${POOR}: concealed outside outages`, '%', '< 5'], [`${POOR}: sound back after an outage`, 's', '<= 3'],
    [`${POOR}: in 45 minutes`, 'MB', '<= 12'], [`${POOR}: probes`, '%', '< 5'], [`${POOR}: signalling`, 'kb/s', '< 2']];

// The rest of the class: they speak the protocol, and listen. The server wants TLS, which they do not speak: something on the server's
// machine does it for them.
const TUNNEL = `const [ca, host] = process.argv.slice(1), tls = require('tls');
    require('net').createServer(plain => {
        const secret = tls.connect({ host: '10.77.0.2', port: 443, servername: host, ca: require('fs').readFileSync(ca) });
        plain.pipe(secret).pipe(plain);
        for (const one of [plain, secret])
            one.on('error', () => { plain.destroy(); secret.destroy(); });
    }).listen(8081, '127.0.0.1', () => console.log('ready'));`;

// A place in the open class, as who has that link: "ROOM TOKEN".
function ticket(place, link) {
    const space = place.network.host(), jar = join(place.data, 'jar');
    const ask = (path, body, ...more) => JSON.parse(execFileSync('ip', ['netns', 'exec', space, 'curl', '-sS', '--cacert', place.ca, '-c', jar, '-b', jar,
        '-H', 'Content-Type: application/json', ...more, ...(body ? ['-d', JSON.stringify(body)] : []), `https://${HOST}/api/${path}`], { encoding: 'utf8' }));
    const { csrf } = ask('enter', { code: link.split('#')[1] });
    const open = ask('classes').classes.find(c => c.state === 'open');
    const { room, token } = ask(`classes/${open.id}/join`, {}, '-H', `X-CSRF-Token: ${csrf}`);
    return `${room} ${token}`;
}

async function crowd(place, people, seconds) {
    const within = ['netns', 'exec', place.network.server, 'setpriv', '--pdeathsig', 'KILL'];
    const tunnel = spawn('ip', [...within, process.execPath, '-e', TUNNEL, place.ca, HOST], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise(done => tunnel.stdout.once('data', done));
    const entries = join(place.data, 'entries'), entry = ticket(place, place.people.at(-1));
    writeFileSync(entries, `${entry}\n`.repeat(people));
    const load = spawn('ip', [...within, join(TOP, 'build/release/src/programs/darasa'), 'load', '--server', '127.0.0.1:8081', '--host', HOST,
        '--entries', entries, '--participants', String(people), '--cameras', '0', '--voices', '0', '--stage', '0', '--tiles', '0',
        '--joining', '4', '--seconds', String(seconds)], { stdio: ['ignore', 'ignore', 'inherit'] });
    return { alive: () => load.exitCode === null, stop: () => { load.kill(); tunnel.kill(); } };
}

// Counts and the time; how fast they grew between two.
const mark = space => ({ at: Date.now(), counts: carried(space) });
const grown = (a, b, ...kinds) => sum(since(a.counts, b.counts), ...kinds);

async function outage(place, pupil, line) {
    const begin = mark(pupil.p.space);
    await place.network.shape(pupil.p.space, { ...line, loss: 100 });
    await sleep(OUTAGE);
    await place.network.shape(pupil.p.space, line);
    const over = Date.now();
    await sleep(SETTLED);
    await pupil.take();
    const back = pupil.soundAfter(over);
    return { begin, over, back, end: mark(pupil.p.space) };
}

// Through the door over that line, and what it took.
async function enterPoor(place, pupil, link, teacher) {
    await place.network.shape(pupil.p.space, POOR_LINE);
    await pupil.p.goto(link);
    await pupil.p.until('the door', () => document.querySelector('[data-testid=join]') !== null, 60);
    await sleep(5_000); // what the page still fetches is not the class's
    count(pupil.p.space);
    const door = mark(pupil.p.space);
    await pupil.p.click('[data-testid=join]');
    pupil.p.endpoint = await pupil.p.until('in the class', () => document.querySelector('[data-testid=own-tile]')?.dataset.endpoint, 60);
    await pupil.mute();
    const heard = await pupil.heard();
    await sleep(SETTLED);
    return { door, heard, calm: mark(pupil.p.space) };
}

async function poorClass(place) {
    const teacher = await teach(place, SPEECH, 2);
    await setProfile(teacher, 'voice');
    const others = await crowd(place, CLASS - 2, POOR_SECONDS + 90);
    try {
        await sleep(5_000);
        const pupil = await Pupil.start(place, 2, { kind: process.env.DARASA_LINES_BROWSER });
        const way = await enterPoor(place, pupil, place.people[1], teacher);
        const calm = [], outages = [];
        const seconds = Math.max(10, (POOR_SECONDS - OUTAGES * (OUTAGE + SETTLED) / 1000) / (OUTAGES + 1));
        for (let i = 0, from = way.calm; i <= OUTAGES; i++) {
            await sleep(seconds * 1000);
            calm.push({ from, to: mark(pupil.p.space) });
            if (i === OUTAGES)
                break;
            outages.push(await outage(place, pupil, POOR_LINE));
            from = outages.at(-1).end;
        }
        await pupil.take();
        pupil.keep(`poor-${pupil.p.kind}.txt`);
        if (!others.alive())
            throw new Error('the rest of the class has left');
        tellPoor(pupil, way, calm, outages);
    } finally {
        others.stop();
    }
}

function tellPoor(pupil, way, calm, outages) {
    const spans = [], end = calm.at(-1).to;
    for (let i = 0, from = way.heard; i <= outages.length; i++) {
        spans.push([from, outages[i]?.begin.at ?? end.at]);
        from = outages[i]?.back ?? Infinity;
    }
    const span = all => all.reduce((n, c) => n + c.to.at - c.from.at, 0) / 1000;
    const calmSeconds = span(calm);
    const troubled = [{ from: way.door, to: way.calm }, ...outages.map(o => ({ from: o.begin, to: o.end }))];
    // A lesson: the way in and the outages, with what follows each, once; the rest as in the calm.
    const lesson = (...kinds) => {
        const bytes = all => all.reduce((n, c) => n + grown(c.from, c.to, ...kinds), 0);
        return bytes(troubled) + bytes(calm) / calmSeconds * (LESSON - span(troubled));
    };
    const kbps = (...kinds) => (8 * calm.reduce((n, c) => n + grown(c.from, c.to, ...kinds), 0) / calmSeconds / 1000).toFixed(1);
    const all = spans.map(([from, to]) => [pupil.concealed(from, to), to - from]);
    const concealed = all.reduce((n, [percent, ms]) => n + percent * ms, 0) / all.reduce((n, [, ms]) => n + ms, 0);
    const back = outages.map(o => o.back === null ? SETTLED / 1000 : (o.back - o.over) / 1000);
    const said = `${pupil.p.kind}, ${CLASS} in class, two of them browsers; ${Math.round((end.at - way.door.at) / 1000)} s of real time`;
    if (raw)
        writeFileSync(join(raw, `poor-${pupil.p.kind}.json`), JSON.stringify({ way, calm, outages, spans }, null, 1) + '\n');
    const names = POOR_ROWS.map(([what]) => pupil.p.kind === 'chromium' ? what : `${what}, ${pupil.p.kind}`);
    row(names[0], concealed, '%', '< 5', v => v < 5, `${all.map(([v]) => v.toFixed(1)).join(', ')}; longest ${Math.max(...spans.map(s => pupil.silence(...s))).toFixed(2)} s; ${said}`);
    row(names[1], Math.max(...back), 's', '<= 3', v => v <= 3, `${back.map(v => v.toFixed(1)).join(', ')}`);
    row(names[2], lesson() / 1e6, 'MB', '<= 12', v => v <= 12, `scaled: the way in (${(grown(way.door, way.calm) / 1e6).toFixed(2)} MB) and outages once. Calm, kb/s: `
        + `down ${kbps('sound_down')} sound, ${kbps('media_down')} probes, ${kbps('control_down')} RTCP, ${kbps('udp_down')} STUN, ${kbps('tcp_down')} TCP; `
        + `up ${kbps('control_up')} RTCP, ${kbps('udp_up')} STUN, ${kbps('tcp_up')} TCP, ${kbps('sound_up', 'media_up')} media`);
    row(names[3], 100 * lesson('media_down') / lesson('sound_down', 'media_down'), '%', '< 5', v => v < 5, 'of the media bytes');
    row(names[4], 8 * lesson('tcp') / LESSON / 1000, 'kb/s', '< 2', v => v < 2, `TCP both ways, the way in with it; in the calm ${kbps('tcp')}`);
}

// --- rates that change, and loss -------------------------------------------------------------------------------------------------

const STEPS = 'bandwidth steps 3000-300-1000-80-1500 kb/s', LOSS = '30 % random loss';
const RATES = [3000, 300, 1000, 80, 1500], CARRIED = [720, 180, 360, 0, 360]; // kb/s, and the lines of the picture that they carry
const STEP = Number(process.env.DARASA_LINES_STEP ?? 40) * 1000, LONG_QUEUE = 150, STEADY = 3_000;
const STEPS_ROWS = [[`${STEPS}: settled, down`, 's', '<= 5'], [`${STEPS}: settled, up`, 's', '<= 15'],
    [`${STEPS}: longest freeze above 150 kb/s`, 's', '<= 1'], [`${STEPS}: longest made-up sound`, 's', 'audio never interrupted: < 0.5']];
const LOSS_ROWS = [[`${LOSS}: concealed`, '%', '< 10'], [`${LOSS}: lines of the picture`, 'lines', '180, the lowest'],
    [`${LOSS}: longest freeze`, 's', 'instead of frozen: <= 1']];

// How long the queue was, [ms of the clock, ms], while something else goes on.
function watchQueue(network, line) {
    const seen = [];
    const timer = setInterval(async () => seen.push([Date.now(), (await network.waits(line)).down]), 50);
    return { seen, stop: () => clearInterval(timer) };
}

// When the picture that the line carries was there for 3 s, without much of a queue; seconds, all of them if it never was.
function settled(pupil, queue, from, to, lines) {
    let good = from;
    for (const s of pupil.between(from, to)) {
        const wait = Math.max(0, ...queue.filter(([at]) => at > s.at - 100 && at <= s.at).map(([, ms]) => ms));
        if (lines !== (s.told ? s.height : 0) || wait > LONG_QUEUE)
            good = s.at;
        else if (s.at - good >= STEADY)
            return (good - from) / 1000;
    }
    return (to - from) / 1000;
}

// What a page sends of its camera by layer so far: {lines: bytes}.
const layers = p => p.eval(async () => {
    const out = {};
    for (const connection of window.__media.connections.filter(c => c.connectionState === 'connected'))
        for (const s of (await connection.getStats()).values())
            if (s.type === 'outbound-rtp' && s.kind === 'video' && s.frameHeight)
                out[s.frameHeight] = s.bytesSent + s.headerBytesSent;
    return out;
});

async function steps(place, pupil, teacher) {
    const sent = [await layers(teacher)];
    const begun = [], queue = watchQueue(place.network, pupil.p.space);
    for (const rate of RATES) {
        begun.push(Date.now());
        await place.network.shape(pupil.p.space, { delay: 20, rate, queue: 300 }, { delay: 20 });
        await sleep(STEP);
        await pupil.take();
        sent.push(await layers(teacher));
    }
    queue.stop();
    pupil.keep('steps.txt');
    const all = RATES.map((rate, i) => {
        const from = begun[i], to = from + STEP;
        const sends = Object.fromEntries(Object.entries(sent[i + 1]).map(([lines, bytes]) => [lines, Math.round(8 * (bytes - (sent[i][lines] ?? 0)) / STEP)]));
        return { rate, sends, up: rate > RATES[i - 1], settled: settled(pupil, queue.seen, from, to, CARRIED[i]), freeze: pupil.freeze(from, to), silence: pupil.silence(from, to),
            concealed: pupil.concealed(from, to), lines: Number(pupil.heights(to - 10_000, to)[0][0]), queue: Math.max(...queue.seen.filter(([at]) => at > to - 10_000 && at < to).map(([, ms]) => ms)) };
    });
    if (raw)
        writeFileSync(join(raw, 'steps.json'), JSON.stringify(all, null, 1) + '\n');
    tellSteps(all);
}

function tellSteps(all) {
    const [, ...changes] = all, most = (list, of) => Math.max(...list.map(of)), each = (list, of) => list.map(s => `${s.rate}: ${of(s)}`).join(', ');
    const seen = all.filter(s => s.rate > 150);
    row(STEPS_ROWS[0][0], most(changes.filter(s => !s.up), s => s.settled), 's', '<= 5', v => v <= 5, each(changes.filter(s => !s.up), s => s.settled.toFixed(1)));
    row(STEPS_ROWS[1][0], most(changes.filter(s => s.up), s => s.settled), 's', '<= 15', v => v <= 15,
        `${each(changes.filter(s => s.up), s => s.settled.toFixed(1))}; lines at the end of each ${each(all, s => s.lines || 'no picture')}`);
    row(STEPS_ROWS[2][0], most(seen, s => s.freeze.longest), 's', '<= 1', v => v <= 1, `longest ${each(seen, s => s.freeze.longest.toFixed(1))}; `
        + `all that the browser counts ${each(seen, s => `${s.freeze.count} of ${s.freeze.total.toFixed(1)} s`)}`);
    row(STEPS_ROWS[3][0], most(all, s => s.silence), 's', 'audio never interrupted: < 0.5', v => v < 0.5, `made up ${each(all, s => `${s.concealed.toFixed(1)} %`)}`);
}

async function loss(place, pupil) {
    await place.network.shape(pupil.p.space, { delay: 30, loss: 30, rate: 5000, queue: 300 }, { delay: 30 });
    await sleep(10_000);
    const from = Date.now();
    await sleep(Number(process.env.DARASA_LINES_LOSS ?? 60) * 1000);
    const to = Date.now();
    await pupil.take();
    pupil.keep('loss.txt');
    const freeze = pupil.freeze(from, to, true), heights = pupil.heights(from, to);
    row(LOSS_ROWS[0][0], pupil.concealed(from, to), '%', '< 10', v => v < 10, `longest ${pupil.silence(from, to).toFixed(2)} s`);
    row(LOSS_ROWS[1][0], Number(heights[0][0]), 'lines', '180, the lowest', v => v === 180,
        `${heights.map(([height, n]) => `${height}: ${Math.round(100 * n / pupil.between(from, to).length)} %`).join(', ')}; ${freeze.frames.toFixed(1)} pictures a second`);
    row(LOSS_ROWS[2][0], freeze.longest, 's', 'instead of frozen: <= 1', v => v <= 1, `the browser counts ${freeze.count} freezes of ${freeze.total.toFixed(1)} s in all`);
}

async function seeing(place, body) {
    const teacher = await teach(place, SCENERY, 12);
    const other = await Participant.start(place, 'chromium', 2, { fps: 8 });
    await joinOurs(other, place.people[1]);
    await other.click('[data-testid=microphone]');
    const pupil = await Pupil.start(place, 3);
    await place.network.shape(pupil.p.space, { delay: 20, rate: 3000, queue: 300 }, { delay: 20 });
    await pupil.join(place.people[2], teacher);
    await pupil.heard();
    await sleep(15_000);
    await body(pupil, teacher);
}

// --- several behind one line ------------------------------------------------------------------------------------------------------

const PUPILS = 4, EACH = 400, SHARE = Number(process.env.DARASA_LINES_SHARE ?? 60) * 1000;
const SHARED = `${PUPILS} receivers behind one ${PUPILS * EACH / 1000} Mb/s line with a 200 ms drop-tail queue`, DOWNLOAD = `${SHARED}, then with one TCP download beside`;
const SHARED_ROWS = [SHARED, DOWNLOAD].flatMap(what => [[`${what}: concealed of who hears worst`, '%', '< 1'], [`${what}: largest share by smallest`, 'x', '<= 2']]);

// Somebody loads something that never ends, over TCP as the kernel does it.
function download(from, to, address) {
    const run = (space, code, ...args) => spawn('ip', ['netns', 'exec', space, 'setpriv', '--pdeathsig', 'KILL', process.execPath, '-e', code, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    const source = run(from, `const piece = Buffer.alloc(65536); require('net').createServer(s => { const more = () => { while (s.write(piece)); };
        s.on('drain', more).on('error', () => {}); more(); }).listen(5001, () => console.log('ready'));`);
    return new Promise(done => source.stdout.once('data', () => {
        const sink = run(to, `require('net').connect(5001, process.argv[1]).resume()`, address);
        done({ stop: () => { sink.kill(); source.kill(); } });
    }));
}

async function tellShared(what, pupils, queue, host, more = '') {
    const from = Date.now(), before = pupils.map(p => carried(p.p.space)), loaded = carried(host);
    await sleep(SHARE);
    const to = Date.now(), kbps = bytes => 8 * bytes / (to - from);
    const shares = pupils.map((p, i) => kbps(sum(since(before[i], carried(p.p.space)), 'sound_down', 'media_down')));
    await Promise.all(pupils.map(p => p.take()));
    const made = pupils.map(p => p.concealed(from, to)), waits = queue.seen.filter(([at]) => at > from).map(([, ms]) => ms).sort((a, b) => a - b);
    row(`${what}: concealed of who hears worst`, Math.max(...made), '%', '< 1', v => v < 1, `${made.map(v => v.toFixed(2)).join(', ')}; lines `
        + pupils.map(p => p.heights(from, to)[0][0]).join(', ') + more);
    row(`${what}: largest share by smallest`, Math.max(...shares) / Math.min(...shares), 'x', '<= 2', v => v <= 2,
        `${shares.map(v => v.toFixed(0)).join(', ')} kb/s; others' TCP ${kbps(since(loaded, carried(host)).tcp_down).toFixed(0)}; queue ${waits[waits.length >> 1]} ms, a tenth over ${waits[Math.floor(waits.length * 0.9)]}`);
    return made;
}

async function sharing(place) {
    const teacher = await teach(place, SCENERY, 10);
    const pupils = [], homes = Array.from({ length: PUPILS + 1 }, () => place.network.host());
    const host = homes.at(-1), far = place.network.host();
    const line = await place.network.share(homes, { delay: 20 });
    homes.forEach(count);
    for (const [i, space] of homes.slice(0, PUPILS).entries()) {
        const pupil = await Pupil.start(place, i + 2, { space });
        await pupil.join(place.people[i + 1], teacher);
        await pupil.heard();
        pupils.push(pupil);
    }
    const clean = Date.now();
    await sleep(15_000);
    await Promise.all(pupils.map(p => p.take()));
    const before = pupils.map(p => p.concealed(clean + 5_000, Date.now()).toFixed(2)).join(', ');
    place.network.bend(line, { delay: 20, rate: PUPILS * EACH, queue: 200 }, { delay: 20 });
    await sleep(20_000);
    const queue = watchQueue(place.network, line);
    await tellShared(SHARED, pupils, queue, host, `; before the line was narrow ${before}`);
    const load = await download(far, host, place.network.addresses[far]);
    await sleep(15_000);
    await tellShared(DOWNLOAD, pupils, queue, host);
    load.stop();
    queue.stop();
    for (const [i, pupil] of pupils.entries())
        pupil.keep(`shared-${i}.txt`);
}

// --- all of it --------------------------------------------------------------------------------------------------------------------

const PARTS = {
    poor: () => measure(POOR_ROWS, () => school('poor', poorClass)),
    steps: () => measure(STEPS_ROWS, () => school('steps', place => seeing(place, (pupil, teacher) => steps(place, pupil, teacher)))),
    loss: () => measure(LOSS_ROWS, () => school('loss', place => seeing(place, pupil => loss(place, pupil)))),
    shared: () => measure(SHARED_ROWS, () => school('shared', sharing)),
};
const chosen = process.env.DARASA_LINES?.split(/\s+/) ?? Object.keys(PARTS);
for (const part of Object.keys(PARTS)) {
    const kept = raw && join(raw, `${part}.rows.json`);
    rows = [];
    if (chosen.includes(part)) {
        await PARTS[part]();
        if (kept)
            writeFileSync(kept, JSON.stringify(rows, null, 1) + '\n');
    } else if (kept && existsSync(kept)) {
        for (const told of JSON.parse(readFileSync(kept, 'utf8'))) {
            failed += !told.ok;
            process.stdout.write(JSON.stringify(told) + '\n');
        }
    }
}
process.exit(failed ? 1 : 0);
