// Ways into a class: with a stock library in a bare page, or with our own client.
import { join } from 'node:path';
import { HOST, TOP, until } from './harness.mjs';

const here = join(TOP, 'tests/class');

// Signs in with a one-time link, unless somebody is signed in already, and asks for a place in the class that is open now; in the page's own session.
function enterAndJoin(code) {
    const post = async (path, body, csrf) => {
        const reply = await fetch(path, { method: 'POST', body: JSON.stringify(body ?? {}),
            headers: { 'Content-Type': 'application/json', ...(csrf ? { 'X-CSRF-Token': csrf } : {}) } });
        const value = reply.status === 204 ? {} : await reply.json();
        if (!reply.ok)
            throw new Error(`${path}: ${reply.status} ${JSON.stringify(value)}`);
        return value;
    };
    return (async () => {
        const me = code ? await post('/api/enter', { code }) : await (await fetch('/api/me')).json();
        const { classes } = await (await fetch('/api/classes')).json();
        const open = classes.find(c => c.state === 'open');
        return { me, join: await post(`/api/classes/${open.id}/join`, {}, me.csrf) };
    })();
}

// A participant with a stock library: `library` is its bundle. Without a link: as who is signed in. Returns its endpoint id.
export async function joinStock(p, link, options = {}) {
    const library = options.library ?? join(here, 'stock/lib-jitsi-meet-2022.js');
    await p.ask('route', { url: `https://${HOST}/stock/`, file: join(here, 'stock.html'), type: 'text/html' });
    await p.ask('route', { url: `https://${HOST}/stock/library.js`, file: library, type: 'text/javascript' });
    await p.ask('route', { url: `https://${HOST}/stock/page.js`, file: join(here, 'stock.js'), type: 'text/javascript' });
    await p.goto(`https://${HOST}/stock/`);
    p.place = (await p.eval(enterAndJoin, link?.split('#')[1] ?? null)).join;
    p.endpoint = await p.eval(o => window.__stock.join(o), { ...p.place, name: options.name ?? `Stock ${p.identity}`,
        devices: options.devices ?? ['audio', 'video'], rewriting: options.rewriting ?? false, maxHeight: options.maxHeight });
    return p.endpoint;
}

// A participant with our own client: follows the link, passes the device check, waits until it is in the class.
export async function joinOurs(p, link) {
    await p.goto(link);
    await p.click('[data-testid=join]');
    p.endpoint = await p.until('in the class', () => document.querySelector('[data-testid=own-tile]')?.dataset.endpoint, 40);
    return p.endpoint;
}

// Out of the class by the button; the page stays.
export async function leaveOurs(p) {
    await p.click('[data-testid=leave]');
    await p.eval(() => document.querySelector('[data-testid=leave-class]')?.click()); // a teacher's button is a menu
    await p.until('outside', () => document.querySelector('[data-testid=after]') !== null, 10);
}

// In again from there; a new endpoint.
export async function rejoinOurs(p) {
    await p.click('[data-testid=rejoin]');
    await p.click('[data-testid=join]');
    p.endpoint = await p.until('in the class', () => document.querySelector('[data-testid=own-tile]')?.dataset.endpoint, 40);
    return p.endpoint;
}

// The SSRCs of which the page's connection was told that it may receive them.
export function receiveSsrcs() {
    const connection = window.__media.connections.filter(c => c.connectionState !== 'closed').at(-1);
    return [...new Set([...connection.remoteDescription.sdp.matchAll(/a=ssrc:(\d+) msid/g)].map(m => Number(m[1])))].sort((a, b) => a - b);
}

// What our client shows and plays: {videos: {endpoint: [{kind, number, width}]}, tones: [numbers]}.
export function lookOurs() {
    const videos = {};
    for (const tile of document.querySelectorAll('[data-testid=tile]')) {
        const video = tile.querySelector('video');
        const seen = video ? window.__media.readVideo(video) : null;
        if (seen)
            (videos[tile.dataset.endpoint] ??= []).push({ kind: tile.dataset.kind, ...seen });
    }
    const tones = new Set();
    for (const track of window.__media.remoteAudio())
        for (const tone of window.__media.readAudio(track))
            tones.add(tone.number);
    return { videos, tones: [...tones].sort((a, b) => a - b) };
}

// The same of any client; a stock one keeps pictures and sound by endpoint.
const lookStock = () => window.__stock.look();
export async function look(p) {
    if (!await p.eval(() => Boolean(window.__stock)))
        return p.eval(lookOurs);
    const videos = {}, tones = [];
    for (const [endpoint, seen] of Object.entries(await p.eval(lookStock))) {
        videos[endpoint] = seen.videos?.filter(Boolean) ?? [];
        tones.push(...seen.audio ?? []);
    }
    return { videos, tones: tones.sort((a, b) => a - b) };
}

// Each stream that comes in and goes out, for those who wonder why somebody is not seen or heard.
export async function streams() {
    const out = [];
    for (const connection of window.__media.connections.filter(c => c.connectionState !== 'closed'))
        for (const s of (await connection.getStats()).values())
            if (s.type === 'inbound-rtp' || s.type === 'outbound-rtp')
                out.push(`${s.type === 'inbound-rtp' ? 'in' : 'out'} ${s.kind} ${s.ssrc}: ${s.packetsReceived ?? s.packetsSent} packets, `
                    + (s.kind === 'audio' ? `energy ${s.totalAudioEnergy?.toFixed(3)}` : `${s.frameHeight} lines`));
    return out;
}

// Everybody sees the number and hears the tone of everybody else, and of nobody who is not there.
export async function allSeeAll(until, people, seconds = 40) {
    for (const p of people)
        await until(`${p.kind} ${p.identity} sees and hears all`, async () => {
            const seen = await look(p);
            const others = people.filter(q => q !== p);
            const missing = others.filter(q => !seen.videos[q.endpoint]?.some(v => v.number === q.identity));
            const tones = others.map(q => q.identity).sort((a, b) => a - b);
            if (missing.length || JSON.stringify(tones) !== JSON.stringify(seen.tones))
                throw new Error(`misses ${missing.map(q => q.identity)}, hears ${seen.tones} of ${tones}: ${JSON.stringify(seen.videos)}`);
            return true;
        }, seconds, 500).catch(async error => {
            for (const q of people)
                error.message += `\n  ${q.kind} ${q.identity} ${q.endpoint}: ${(await q.eval(streams)).join('; ')}`;
            throw error;
        });
}

// How the page's media travels.
export function wayOf(p) {
    return p.eval(async () => {
        const pc = window.__media.connections.filter(c => c.connectionState === 'connected').at(-1);
        const stats = [...(await pc.getStats()).values()];
        const pair = stats.find(s => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded' && s.bytesReceived > 0);
        const local = stats.find(s => s.id === pair?.localCandidateId), remote = stats.find(s => s.id === pair?.remoteCandidateId);
        return local && { protocol: local.protocol, type: local.candidateType, relay: local.relayProtocol, url: local.url, address: local.address, remote: remote.address, port: remote.port };
    });
}

export async function travelsBy(p, wanted, seconds = 20) {
    await until(`${p.identity} by ${JSON.stringify(wanted)}`, async () => {
        const way = await wayOf(p);
        if (!way || Object.entries(wanted).some(([key, value]) => way[key] !== value))
            throw new Error(JSON.stringify(way));
        return true;
    }, seconds, 500);
}

// Changes settings of the class that is open, as its teacher.
export const changeClass = (p, settings) => p.eval(async body => {
    const { csrf } = await (await fetch('/api/me')).json();
    const { classes } = await (await fetch('/api/classes')).json();
    const reply = await fetch(`/api/classes/${classes.find(c => c.state === 'open').id}`, { method: 'PATCH',
        headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf }, body: JSON.stringify(body) });
    if (!reply.ok)
        throw new Error(`${reply.status} ${await reply.text()}`);
}, settings);
