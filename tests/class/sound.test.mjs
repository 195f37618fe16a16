// Sound where a tenth of the packets is lost, in a real browser: how much of it the browser had to make up, with and without
// redundant sound (RED) and Opus' own correction (FEC).
import { join } from 'node:path';
import { Participant, School, TOP, finish, full, sleep, test, until } from './harness.mjs';
import { joinOurs } from './join.mjs';

const PLAIN = join(TOP, 'tests/class/plain_sound.js');
const SPEECH = join(TOP, 'tests/class/speech.js');

// Of each voice that is heard, by the number of its tone: samples in all and made up, packets lost and corrected.
async function voices() {
    const out = {};
    const known = window.__known ??= new Map(); // a tone is not heard at every moment
    for (const connection of window.__media.connections.filter(c => c.connectionState === 'connected'))
        for (const receiver of connection.getReceivers().filter(r => r.track?.kind === 'audio')) {
            const heard = window.__media.readAudio(receiver.track)[0]?.number;
            if (heard)
                known.set(receiver.track, heard);
            const number = known.get(receiver.track);
            for (const s of number ? (await receiver.getStats()).values() : [])
                if (s.type === 'inbound-rtp' && s.packetsReceived > 0)
                    out[number] = { samples: s.totalSamplesReceived, concealed: s.concealedSamples - (s.silentConcealedSamples ?? 0),
                        silent: s.silentConcealedSamples, packets: s.packetsReceived, lost: s.packetsLost, fec: s.fecPacketsReceived ?? 0 };
        }
    return out;
}

const made = (before, after) => {
    const of = key => after[key] - before[key];
    return { concealed: 100 * (of('concealed') + of('silent')) / of('samples'), lost: 100 * of('lost') / (of('packets') + of('lost')), fec: of('fec') };
};

const school = new School('sound');
try {
    await school.start();
    const corrected = await Participant.start(school, 'chromium', 1, { fps: 2, before: SPEECH });
    const uncorrected = await Participant.start(school, 'chromium', 2, { fps: 2, before: PLAIN });
    const redundant = await Participant.start(school, 'chromium', 3, { fps: 2 });
    const plain = await Participant.start(school, 'chromium', 4, { fps: 2, before: PLAIN });
    await test('RED and FEC close what a tenth of loss leaves open in Chromium', school, async () => {
        for (const [i, p] of [corrected, uncorrected, redundant, plain].entries())
            await joinOurs(p, school.people[i]);
        // Those who listen do not speak: three voices are passed on, and these are the two that count.
        for (const p of [redundant, plain]) {
            await p.click('[data-testid=microphone]');
            await p.click('[data-testid=camera]');
            await school.network.shape(p.space, { delay: 30, loss: 10 });
        }
        for (const p of [redundant, plain])
            await until('both voices', async () => {
                const seen = await p.eval(voices);
                return seen[1] && seen[2];
            }, 40);
        await sleep(12000); // the loss is known by then, and senders correct
        const before = await Promise.all([redundant, plain].map(p => p.eval(voices)));
        await sleep(full ? 30000 : 15000);
        const after = await Promise.all([redundant, plain].map(p => p.eval(voices)));
        const results = ['redundant', 'plain'].map((_, i) => [1, 2].map(voice => made(before[i][voice], after[i][voice])));
        const [[both, red], [fec, none]] = results;
        for (const [name, r] of Object.entries({ 'RED and FEC': both, RED: red, FEC: fec, neither: none }))
            console.log(`${name}: ${r.concealed.toFixed(2)} % made up, ${r.lost.toFixed(1)} % of packets lost, ${r.fec} corrections`);
        if (!(none.concealed > 5))
            throw new Error('the line loses too little to tell');
        if (!(both.concealed < none.concealed / 5 && red.concealed < none.concealed / 5))
            throw new Error('RED does not help');
        // Few packets tell little of it. Opus takes part of what a made voice says for music, which it does not correct.
        if (full && !(fec.concealed / fec.lost < 0.75 * none.concealed / none.lost))
            throw new Error('FEC does not help');
    });
} finally {
    await school.stop();
}
finish();
