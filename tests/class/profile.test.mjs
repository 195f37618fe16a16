// Profiles: what a class or a device keeps to is what goes over the line, and what people are told when the line is narrow.
import { HOST, Participant, School, finish, full, sleep, test, until } from './harness.mjs';
import { changeClass, joinOurs, joinStock } from './join.mjs';

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

const sound = p => until('sound both ways', async () => {
    const r = await rates(p, 1);
    return r.sent.audio.packets > 5 && r.received.audio.packets > 5;
}, 30);

// What a voice class lets through, from the point of view of one of its people.
function isVoice(r) {
    console.log(told(r));
    between('packets of speech sent a second', r.sent.audio.packets, 15, 18);
    between('bits of speech sent a second', r.sent.audio.bps, 16000, 24000);
    between('bits of pictures', r.sent.video.bps + r.received.video.bps, 0, 0);
}

// How long the voices that come in are kept at least before they are played.
const patience = () => [...new Set(window.__media.connections.filter(c => c.connectionState === 'connected').flatMap(c => c.getReceivers())
    .filter(r => r.track.kind === 'audio' && r.getSynchronizationSources().length > 0).map(r => r.jitterBufferTarget))];

// The heights of the pictures that come in, and what the browser thinks it may send.
const pictures = () => (async () => {
    const out = { heights: [], rates: [], outgoing: 0 };
    for (const connection of window.__media.connections.filter(c => c.connectionState === 'connected'))
        for (const s of (await connection.getStats()).values()) {
            if (s.type === 'inbound-rtp' && s.kind === 'video' && s.framesPerSecond > 0) {
                out.heights.push(s.frameHeight);
                out.rates.push(s.framesPerSecond);
            }
            if (s.type === 'candidate-pair' && s.nominated)
                out.outgoing = s.availableOutgoingBitrate;
        }
    return out;
})();

const school = new School('profile');
try {
    await school.start();
    const teacher = await Participant.start(school, 'chromium', 1, { fps: 12 });
    const pupil = await Participant.start(school, 'chromium', 2, { fps: 12 });
    const stock = await Participant.start(school, 'chromium', 3, { fps: 12 });
    await test('a device that keeps to the voice sends packets of 60 ms and no picture', school, async () => {
        await keepTo(pupil, 'voice');
        await joinOurs(teacher, school.people[0]);
        await joinOurs(pupil, school.people[1]);
        await sound(pupil);
        isVoice(await rates(pupil, 8));
    });
    await test('a class that is made a voice class changes how all speak within it', school, async () => {
        await pupil.eval(() => localStorage.removeItem('darasa-profile'));
        await changeClass(teacher, { profile: 'voice' });
        await until('no pictures', async () => (await rates(teacher, 1)).sent.video.bps === 0, 20);
        const r = await rates(teacher, 8);
        isVoice(r);
        between('packets of speech received a second', r.received.audio.packets, 15, 18);
        const [ms, ...others] = await teacher.eval(patience);
        between('ms before a voice is played', ms, 120, 150);
        between('other such values', others.length, 0, 0);
    });
    await test('a stock library in a voice class sends packets of 60 ms, within the ceiling', school, async () => {
        await joinStock(stock, school.people[2]);
        await sound(stock);
        const r = await rates(stock, 8);
        console.log(told(r));
        between('packets of speech sent a second', r.sent.audio.packets, 15, 18);
        between('bits sent a second', r.sent.audio.bps + r.sent.video.bps, 8000, 50000);
        between('bits of pictures received', r.received.video.bps, 0, 0);
        between('bits of its pictures that others get', (await rates(pupil, 2)).received.video.bps, 0, 0);
        await stock.close();
    });
    await test('a light class climbs to one picture of 180 lines', school, async () => {
        await changeClass(teacher, { profile: 'light' });
        await pupil.goto(await pupil.eval(async () => {
            const { classes } = await (await fetch('/api/classes')).json();
            return `${location.origin}/class/${classes.find(c => c.state === 'open').id}`;
        }));
        await pupil.click('[data-testid=join]');
        await pupil.until('in the class', () => document.querySelector('[data-testid=own-tile]')?.dataset.endpoint, 40);
        const begun = Date.now();
        await pupil.until('the picture', number => [...document.querySelectorAll('video')].some(v => window.__media.readVideo(v)?.number === number), 40, 1);
        console.log(`the picture came ${Date.now() - begun} ms after the door`);
        between('ms to the picture', Date.now() - begun, 8000, 25000);
        const r = await rates(pupil, 10);
        const seen = await pupil.eval(pictures);
        console.log(told(r), JSON.stringify(seen));
        between('lines', Math.max(...seen.heights), 180, 180);
        between('pictures', seen.heights.length, 1, 1);
        between('packets of speech sent a second', r.sent.audio.packets, 23, 27);
        between('bits of pictures received', r.received.video.bps, 20000, 120000);
        between('bits sent', r.sent.video.bps + r.sent.audio.bps, 10000, 100000);
        between('bits that may be sent', seen.outgoing, 10000, 100000);
        if ((await teacher.eval(patience)).some(Boolean))
            throw new Error('voices wait as in a voice class');
    });
    const shows = number => [...document.querySelectorAll('video')].some(v => window.__media.readVideo(v)?.number === number);
    if (full) await test('a screen in a light class has few pictures a second and room beside the camera', school, async () => {
        await teacher.click('[data-testid=screen]');
        await pupil.until('the screen', shows, 40, 101);
        const r = await rates(pupil, 10), sent = await rates(teacher, 5), seen = await pupil.eval(pictures);
        console.log(told(r), JSON.stringify(seen));
        console.log(`teacher: ${told(sent)}`);
        between('pictures of the screen a second', Math.min(...seen.rates), 1, 7);
        between('bits of pictures received', r.received.video.bps, 20000, 230000);
        between('bits sent', sent.sent.video.bps + sent.sent.audio.bps, 10000, 250000);
    });
    if (full) await test('in a voice class the screen stays', school, async () => {
        await changeClass(teacher, { profile: 'voice' });
        await until('the screen alone', async () => (await pupil.eval(pictures)).heights.length <= 1, 20);
        const firefox = await Participant.start(school, 'firefox', 4, { fps: 5 });
        await joinOurs(firefox, school.people[3]);
        await sound(firefox);
        await pupil.until('the screen', shows, 60, 101);
        const r = await rates(pupil, 10), sent = await rates(teacher, 5);
        console.log(told(r), JSON.stringify(await pupil.eval(pictures)));
        console.log(`teacher: ${told(sent)}`);
        console.log(`firefox: ${told(await rates(firefox, 8))}`);
        between('bits sent', sent.sent.video.bps + sent.sent.audio.bps, 10000, 90000);
        between('bits received', r.received.video.bps + r.received.audio.bps, 10000, 110000);
    });
} finally {
    await school.stop();
}
finish();
