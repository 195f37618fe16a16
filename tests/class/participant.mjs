// One browser, driven by lines of JSON on standard input: run inside a host's namespace, so that the browser's network is
// that host's. Arguments: chromium|firefox, identity, frames per second, certificate of the CA, a script to run before media.js.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const [kind, identity, fps, ca, before] = process.argv.slice(2);
const home = mkdtempSync(join(tmpdir(), 'class-'));
const script = (before ? readFileSync(before, 'utf8') : '') + readFileSync(new URL('./media.js', import.meta.url), 'utf8')
    .replace('__IDENTITY__', identity).replace('__FPS__', fps);
const log = [];

function trust(database) {
    mkdirSync(database, { recursive: true });
    execFileSync('certutil', ['-N', '--empty-password', '-d', `sql:${database}`]);
    execFileSync('certutil', ['-A', '-t', 'C,,', '-n', 'test CA', '-i', ca, '-d', `sql:${database}`]);
}

async function startChromium() {
    trust(join(home, '.pki/nssdb'));
    const { chromium } = await import('playwright-core');
    const context = await chromium.launchPersistentContext(join(home, 'profile'), {
        executablePath: '/usr/bin/chromium', headless: true, viewport: { width: 1280, height: 800 },
        env: { ...process.env, HOME: home },
        args: ['--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required', '--disable-background-networking',
            '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic', '--mute-audio',
            '--disable-features=WebRtcHideLocalIpsWithMdns', '--disable-background-timer-throttling',
            '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows'],
        permissions: ['camera', 'microphone'],
    });
    await context.addInitScript(script);
    const page = context.pages()[0];
    page.on('console', m => log.push(`${m.type()}: ${m.text()}`));
    page.on('pageerror', e => log.push(`pageerror: ${e.stack || e}`));
    const requests = [];
    page.on('request', r => requests.push(r.url()));
    return { page, requests, close: () => context.close(),
        route: (url, file, type) => page.route(url, r => r.fulfill({ path: file, contentType: type })),
        devtools: () => context.newCDPSession(page) };
}

// A sound card that swallows everything, for as long as this process lives: without one Firefox lets no audio context run.
async function soundCard() {
    const socket = join(home, 'sound');
    const card = spawn('setpriv', ['--pdeathsig', 'KILL', 'pulseaudio', '-n', '--daemonize=no', '--use-pid-file=no', '--exit-idle-time=-1',
        '-L', 'module-null-sink rate=48000', '-L', `module-native-protocol-unix auth-anonymous=1 socket=${socket}`],
        { stdio: 'ignore', env: { ...process.env, HOME: home, XDG_RUNTIME_DIR: home } });
    card.unref();
    while (!existsSync(socket)) {
        if (card.exitCode !== null)
            throw new Error(`pulseaudio ended (${card.exitCode})`);
        await new Promise(done => setTimeout(done, 20));
    }
    return `unix:${socket}`;
}

async function startFirefox() {
    const profile = join(home, 'profile');
    trust(profile);
    const puppeteer = (await import('puppeteer-core')).default;
    const browser = await puppeteer.launch({
        browser: 'firefox', executablePath: '/usr/bin/firefox-esr', headless: true, userDataDir: profile,
        env: { ...process.env, HOME: home, PULSE_SERVER: await soundCard() },
        extraPrefsFirefox: {
            'media.autoplay.default': 0, 'media.autoplay.blocking_policy': 0, 'media.autoplay.block-webaudio': false, 'media.navigator.permission.disabled': true,
            'media.peerconnection.ice.obfuscate_host_addresses': false, 'media.gmp-manager.updateEnabled': false,
            'app.update.enabled': false, 'browser.safebrowsing.downloads.enabled': false, 'extensions.update.enabled': false,
            'network.connectivity-service.enabled': false, 'network.captive-portal-service.enabled': false,
            'datareporting.policy.dataSubmissionEnabled': false, 'media.volume_scale': '0.0',
            'services.settings.server': 'data:,', 'dom.min_background_timeout_value': 4,
        },
    });
    const page = (await browser.pages())[0] ?? await browser.newPage();
    await page.setViewport({ width: 1280, height: 800 });
    await page.evaluateOnNewDocument(script);
    page.on('console', m => log.push(`${m.type()}: ${m.text()}`));
    page.on('pageerror', e => log.push(`pageerror: ${e.stack || e}`));
    const requests = [];
    page.on('request', r => requests.push(r.url()));
    return { page, requests, close: () => browser.close() };
}

const browser = await (kind === 'firefox' ? startFirefox() : startChromium());
const { page } = browser;

// Nothing is left behind: who asked for it ends this process as soon as the answer is there.
async function end() {
    await browser.close().catch(() => {});
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

const operations = {
    goto: ({ url }) => page.goto(url, { waitUntil: 'domcontentloaded', timeout: 60000 }).then(() => null),
    eval: ({ code }) => page.evaluate(code),
    click: async ({ selector }) => {
        await page.waitForSelector(selector, { timeout: 15000 });
        await page.evaluate(s => document.querySelector(s).click(), selector);
    },
    type: async ({ selector, text }) => {
        await page.waitForSelector(selector, { timeout: 15000 });
        await page.focus(selector);
        await page.keyboard.type(text);
    },
    keys: ({ text }) => page.keyboard.type(text),
    press: ({ key }) => page.keyboard.press(key),
    size: ({ width, height }) => page.setViewportSize ? page.setViewportSize({ width, height }) : page.setViewport({ width, height }),
    screenshot: ({ path }) => page.screenshot({ path }).then(() => null),
    route: ({ url, file, type }) => browser.route(url, file, type),
    cdp: async ({ method, params }) => (browser.session ??= await browser.devtools()).send(method, params ?? {}),
    log: () => log.slice(-200),
    requests: () => browser.requests,
    close: end,
};

// A test that was ended reads no more; the end of its own words closes the browser below.
process.stdout.on('error', () => {});
process.stdout.write('{"ready":true}\n');
for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    // Operations may overlap: a long evaluation does not hold up a click.
    (async () => {
        let reply;
        try {
            reply = { id: request.id, value: (await operations[request.op](request)) ?? null };
        } catch (error) {
            reply = { id: request.id, error: String(error?.message ?? error) };
        }
        process.stdout.write(JSON.stringify(reply) + '\n');
        if (request.op === 'close')
            process.exit(0);
    })();
}
await end();
