// Profiles: what a class or a device keeps to is what goes over the line, and what people are told when the line is narrow.
import { HOST, Participant, School, finish, sleep, test, until } from './harness.mjs';
import { allSeeAll, joinOurs } from './join.mjs';

// Everything the page has sent and received so far: by kind, bytes without headers, packets and frames of the tallest stream.
async function totals() {
    const sum = () => ({ bytes: 0, packets: 0 });
    const out = { at: performance.now(), sent: { audio: sum(), video: sum() }, received: { audio: sum(), video: sum() } };
    for (const connection of window.__media.connections.filter(c => c.connectionState === 'connected'))
        for (const s of (await connection.getStats()).values()) {
            const side = { 'outbound-rtp': out.sent, 'inbound-rtp': out.received }[s.type]?.[s.kind];
            if (!side)
                continue;
            side.bytes += s.bytesSent ?? s.bytesReceived;
            side.packets += s.packetsSent ?? s.packetsReceived;
        }
    return out;
}

// The same as rates over some seconds: packets and bits a second.
async function rates(p, seconds) {
    const before = await p.eval(totals);
    await sleep(seconds * 1000);
    const after = await p.eval(totals);
    const span = (after.at - before.at) / 1000;
    const rate = (side, kind) => ({ packets: (after[side][kind].packets - before[side][kind].packets) / span,
        bps: 8 * (after[side][kind].bytes - before[side][kind].bytes) / span });
    return { sent: { audio: rate('sent', 'audio'), video: rate('sent', 'video') },
        received: { audio: rate('received', 'audio'), video: rate('received', 'video') } };
}

const told = r => ['sent', 'received'].map(side => `${side} ${['audio', 'video'].map(kind =>
    `${kind} ${r[side][kind].packets.toFixed(1)} packets/s ${(r[side][kind].bps / 1000).toFixed(1)} kb/s`).join(', ')}`).join('; ');

function between(what, value, low, high) {
    if (!(value >= low && value <= high))
        throw new Error(`${what}: ${value}, not within ${low} and ${high}`);
}

// What this browser keeps to on its device, as the page itself stores it.
async function keepTo(p, profile) {
    await p.goto(`https://${HOST}/`);
    await p.eval(to => localStorage.setItem('darasa-profile', to), profile);
}

const school = new School('profile');
try {
    await school.start();
    const teacher = await Participant.start(school, 'chromium', 1, { fps: 12 });
    const pupil = await Participant.start(school, 'chromium', 2, { fps: 12 });
    await test('a device that keeps to the voice sends packets of 60 ms and no picture', school, async () => {
        await keepTo(pupil, 'voice');
        await joinOurs(teacher, school.people[0]);
        await joinOurs(pupil, school.people[1]);
        await until('sound both ways', async () => {
            const r = await rates(pupil, 1);
            return r.sent.audio.packets > 5 && r.received.audio.packets > 5;
        }, 30);
        const r = await rates(pupil, 10);
        console.log(told(r));
        between('packets a second', r.sent.audio.packets, 15, 18);
        between('bits of speech a second', r.sent.audio.bps, 16000, 24000);
        between('bits of pictures', r.sent.video.bps + r.received.video.bps, 0, 0);
    });
} finally {
    await school.stop();
}
finish();
