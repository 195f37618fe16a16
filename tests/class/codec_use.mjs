// Which codec a page sends and receives, and pages that lack some.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './harness.mjs';

// Codecs of the video that this page sends and receives now: those of streams whose frames grow.
export async function codecs() {
    const read = async () => {
        const out = [];
        for (const connection of window.__media.connections.filter(c => c.connectionState === 'connected')) {
            const stats = await connection.getStats();
            for (const s of stats.values())
                if ((s.type === 'inbound-rtp' || s.type === 'outbound-rtp') && s.kind === 'video')
                    out.push({ key: `${s.type} ${s.ssrc}`, out: s.type === 'outbound-rtp', frames: s.framesDecoded ?? s.framesSent ?? s.framesEncoded ?? 0,
                        codec: stats.get(s.codecId)?.mimeType.slice(6), mode: s.scalabilityMode, height: s.frameHeight });
        }
        return out;
    };
    const before = new Map((await read()).map(s => [s.key, s.frames]));
    await new Promise(done => setTimeout(done, 700));
    const live = (await read()).filter(s => s.frames > (before.get(s.key) ?? 0));
    return { sent: [...new Set(live.filter(s => s.out).map(s => s.codec))], received: [...new Set(live.filter(s => !s.out).map(s => s.codec))], live };
}

export async function allUse(people, codec, seconds) {
    const began = Date.now();
    for (const p of people)
        await until(`${p.kind} ${p.identity} sends and receives ${codec}`, async () => {
            const seen = await p.eval(codecs);
            if (String(seen.sent) !== codec || String(seen.received) !== codec)
                throw new Error(JSON.stringify(seen));
            return true;
        }, seconds, 50);
    return Date.now() - began;
}

// A page that says of itself, as an older browser would, that it has none of these codecs.
export function without(school, names) {
    const file = join(school.data, `without-${names.join('-')}.js`);
    writeFileSync(file, `for (const side of [RTCRtpSender, RTCRtpReceiver]) {
        const all = side.getCapabilities.bind(side);
        side.getCapabilities = kind => ({ ...all(kind), codecs: all(kind).codecs.filter(c => !${JSON.stringify(names)}.includes(c.mimeType.slice(6))) });
    }\n`);
    return file;
}
