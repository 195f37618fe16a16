// From the link to the first sound on a weak device and line: when, and what the time went into.
import { join } from 'node:path';
import { Participant, TOP } from './harness.mjs';

const DELAY = 200, RATE = 400, SLOWER = 6; // ms each way, kb/s, times

// In the page, until a voice is played: {sound, steps}, in ms since the page began to load. Statistics cost too much to be asked
// for often by a slow processor; what a receiver played last costs nothing.
async function listen() {
    const end = performance.now() + 30_000;
    for (;;) {
        const heard = window.__media.connections.flatMap(c => c.getReceivers()).flatMap(r => r.getSynchronizationSources());
        if (heard.some(s => s.audioLevel > 0.01))
            return { sound: performance.now(), steps: window.__steps.read() };
        if (performance.now() > end)
            throw new Error(`no sound: ${JSON.stringify(window.__steps.read())}`);
        await new Promise(done => setTimeout(done, 50));
    }
}

// {sound, steps}: seconds from calling up the link to the first sound, and a list of [name, seconds]. The button is pressed as
// soon as it is there.
export async function firstSound(school, identity, link) {
    const weak = await Participant.start(school, 'chromium', identity, { fps: 2, before: join(TOP, 'tests/class/steps.js') });
    try {
        await school.network.shape(weak.space, { delay: DELAY, rate: RATE });
        await weak.ask('cdp', { method: 'Emulation.setCPUThrottlingRate', params: { rate: SLOWER } });
        const began = Date.now();
        await weak.goto(link);
        const { sound, steps } = await weak.eval(listen);
        const origin = await weak.eval(() => performance.timeOrigin);
        return { sound: (origin + sound - began) / 1000, steps: steps.map(([name, at]) => [name, (origin + at - began) / 1000]) };
    } finally {
        await weak.close();
    }
}
