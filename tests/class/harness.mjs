// What the class tests share: the server under test behind its NAT, participants in browsers, and results.
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Network } from './network.mjs';

// The long form (./test --full) has more of everything.
export const full = Boolean(process.env.DARASA_TEST_FULL);
export const TOP = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../..');
export const HOST = 'class.test';
export const sleep = ms => new Promise(done => setTimeout(done, ms));
const shots = join(TOP, 'build/class');
mkdirSync(shots, { recursive: true });

// Calls `probe` until it gives something true; that is the value. Fails with what was last seen.
export async function until(what, probe, seconds = 20, every = 200) {
    const end = Date.now() + seconds * 1000;
    let last;
    for (;;) {
        try {
            last = await probe();
            if (last)
                return last;
        } catch (error) {
            last = error;
        }
        if (Date.now() > end)
            throw new Error(`${what}: not within ${seconds} s (last: ${last instanceof Error ? last.message : JSON.stringify(last)})`);
        await sleep(every);
    }
}

export class Participant {
    static async start(school, kind, identity, options = {}) {
        const p = new Participant();
        p.kind = kind;
        p.identity = identity;
        p.space = options.space ?? school.network.host();
        p.waiting = new Map();
        p.next = 1;
        p.process = spawn('ip', ['netns', 'exec', p.space, process.execPath, join(TOP, 'tests/class/participant.mjs'), kind,
            String(identity), String(options.fps ?? 12), school.ca, ...(options.before ? [options.before] : [])], { stdio: ['pipe', 'pipe', 'inherit'] });
        p.process.on('exit', code => p.fail(new Error(`browser process ended (${code})`)));
        const ready = new Promise((done, fail) => {
            p.waiting.set('ready', { done, fail });
        });
        createInterface({ input: p.process.stdout }).on('line', line => p.heard(line));
        await Promise.race([ready, sleep(60000).then(() => { throw new Error(`${kind} did not start`); })]);
        school.participants.push(p);
        return p;
    }

    heard(line) {
        const reply = JSON.parse(line);
        const waiter = this.waiting.get(reply.ready ? 'ready' : reply.id);
        this.waiting.delete(reply.ready ? 'ready' : reply.id);
        if (reply.error)
            waiter?.fail(new Error(reply.error));
        else
            waiter?.done(reply.value);
    }

    fail(error) {
        this.ended = true;
        for (const waiter of this.waiting.values())
            waiter.fail(error);
        this.waiting.clear();
    }

    ask(op, rest = {}) {
        if (this.ended)
            return Promise.reject(new Error('browser has ended'));
        return new Promise((done, fail) => {
            const id = this.next++;
            this.waiting.set(id, { done, fail });
            this.process.stdin.write(JSON.stringify({ id, op, ...rest }) + '\n');
        });
    }

    goto(url) { return this.ask('goto', { url }); }
    click(selector) { return this.ask('click', { selector }); }
    type(selector, text) { return this.ask('type', { selector, text }); }
    press(key) { return this.ask('press', { key }); }
    size(width, height) { return this.ask('size', { width, height }); }
    screenshot(name) { return this.ask('screenshot', { path: join(shots, `${name}.png`) }); }
    // Runs a function in the page with JSON arguments.
    eval(fn, ...args) { return this.ask('eval', { code: `(${fn})(...${JSON.stringify(args)})` }); }
    until(what, fn, seconds = 20, ...args) { return until(`${this.kind} ${this.identity}: ${what}`, () => this.eval(fn, ...args), seconds); }
    async close() {
        if (!this.ended)
            await Promise.race([this.ask('close').catch(() => {}), sleep(5000)]);
        this.process.kill('SIGKILL');
    }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

export class School {
    constructor(name, options = {}) {
        this.name = name;
        this.participants = [];
        this.data = mkdtempSync(join(tmpdir(), 'darasa-class-'));
        chmodSync(this.data, 0o755); // the children live as a user of their own
        this.network = new Network(`dc${process.pid % 10000}${name}`, HOST, options).start();
        // A test whose time is over leaves nothing behind either: a long class takes gigabytes.
        this.ended = signal => {
            console.log(`NOT OK ended by ${signal}`);
            this.stop().finally(() => process.exit(1));
        };
        for (const signal of SIGNALS)
            process.once(signal, this.ended);
    }

    // Starts the release build behind the NAT, with a generated CA, and waits for its join links.
    async start(extra = []) {
        const args = ['serve', '--demo', '--data', this.data, '--client', join(TOP, 'client/dist'), '--host', HOST,
            '--public-address', this.network.public, ...extra];
        this.log = join(shots, `${this.name}.log`);
        rmSync(this.log, { force: true });
        this.links = {};
        this.process = spawn('ip', ['netns', 'exec', this.network.server, ...(this.wrapper ?? []),
            join(TOP, 'build/release/src/programs/darasa'), ...args],
            { stdio: ['ignore', 'pipe', 'pipe'] });
        this.process.stderr.on('data', chunk => appendFileSync(this.log, chunk));
        this.process.on('exit', (code, signal) => { this.exited = { code, signal }; });
        createInterface({ input: this.process.stdout }).on('line', line => {
            appendFileSync(this.log, line + '\n');
            if (line.startsWith('Darasa is ready'))
                this.ready = true;
            const link = line.match(/^\s*(.+?):\s+(https?:\/\/\S+)$/);
            if (link)
                this.links[link[1].trim().replace(/ \(.*/, '')] = link[2];
        });
        await until('server ready', () => {
            if (this.exited)
                throw new Error(`server ended: ${readFileSync(this.log, 'utf8').slice(-2000)}`);
            return this.ready;
        }, 30);
        await sleep(100);
        // The demonstration's people, the teacher first.
        this.people = Object.entries(this.links).filter(([name, url]) => url.includes('/enter#') && name !== 'Administrator').map(([, url]) => url);
        this.ca = join(this.data, 'tls/ca.crt');
        return this;
    }

    // Process ids of a child program, by its name ("signal", "bridge", ...).
    pids(program) {
        const out = spawnSync('pgrep', ['-P', String(this.serverPid()), '-f', `darasa-${program}`], { encoding: 'utf8' }).stdout;
        return out.split('\n').filter(Boolean).map(Number);
    }

    // `ip netns exec` execs: the spawned process is the supervisor itself.
    serverPid() { return this.process.pid; }

    async stop() {
        for (const p of this.participants)
            await p.close();
        if (this.process && !this.exited) {
            this.process.kill('SIGTERM');
            await until('server stopped', () => this.exited, 10).catch(() => this.process.kill('SIGKILL'));
        }
        this.network.stop();
        rmSync(this.data, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
        for (const signal of SIGNALS) // a school that has stopped ends nothing before the next one has
            process.off(signal, this.ended);
    }
}

let failures = 0;
function result(line) {
    try {
        writeSync(4, line + '\n');
    } catch {
        console.log(line);
    }
}

// One test: told to descriptor 4 and, when it fails, with what the browsers and the server last said.
export async function test(name, school, body) {
    const started = Date.now();
    try {
        await body();
        result(`ok class ${name}`);
        console.log(`ok ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    } catch (error) {
        failures++;
        result(`not ok class ${name}`);
        console.log(`NOT OK ${name}: ${error.stack ?? error}`);
        for (const p of school?.participants ?? []) {
            if (p.ended)
                continue;
            await p.screenshot(`${name.replace(/\W+/g, '-')}-${p.kind}-${p.identity}`).catch(() => {});
            const lines = await p.ask('log').catch(() => []);
            console.log(`  ${p.kind} ${p.identity}: ${lines.slice(-15).join('\n    ')}`);
        }
        if (school?.log)
            console.log(`  server: ${readFileSync(school.log, 'utf8').split('\n').slice(-25).join('\n    ')}`);
    }
}

export function finish() {
    process.exit(failures ? 1 : 0);
}
