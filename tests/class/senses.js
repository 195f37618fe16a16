// Before the page: what somebody hears and sees, ten times a second, as the browser counts it (getStats).
window.__senses = (() => {
    const EVERY = 100, ALIVE = 12_000; // a voice that was heard within that is listened to
    const samples = [], sounds = new Map();
    let shown = '';

    // What the bridge takes the line for, as it says every ten seconds.
    let estimate = 0;
    const Socket = window.WebSocket;
    window.WebSocket = class extends Socket {
        constructor(...args) {
            super(...args);
            this.addEventListener('message', event => {
                estimate = Number(/"estimatedDownlinkBandwidth":(\d+)/.exec(event.data)?.[1] ?? estimate);
            });
        }
    };

    // The track of that person's picture.
    const track = () => document.querySelector(`[data-testid=tile][data-endpoint="${shown}"][data-video=true] video`)?.srcObject?.getVideoTracks()[0]?.id;

    function hear(s, at) {
        const before = sounds.get(s.key);
        const alive = s.packetsReceived > (before?.packets ?? 0) ? at : before?.alive ?? -Infinity;
        sounds.set(s.key, { packets: s.packetsReceived, alive, total: s.totalSamplesReceived, made: s.concealedSamples });
        return before && at - alive < ALIVE ? [s.totalSamplesReceived - before.total, s.concealedSamples - before.made] : [0, 0];
    }

    async function look() {
        const at = Date.now(), now = { at, samples: 0, made: 0, height: 0, frames: 0, freezes: 0, frozen: 0, told: false, estimate };
        const picture = track();
        for (const [index, connection] of window.__media.connections.entries()) {
            if (connection.connectionState !== 'connected')
                continue;
            for (const s of (await connection.getStats()).values()) {
                if (s.type !== 'inbound-rtp')
                    continue;
                if (s.kind === 'audio' && s.packetsReceived > 0) {
                    const [samples, made] = hear({ ...s, key: `${index} ${s.ssrc}`, packetsReceived: s.packetsReceived,
                        totalSamplesReceived: s.totalSamplesReceived, concealedSamples: s.concealedSamples }, at);
                    now.samples += samples;
                    now.made += made;
                } else if (s.trackIdentifier === picture) {
                    Object.assign(now, { height: s.frameHeight ?? 0, frames: s.framesDecoded, freezes: s.freezeCount ?? 0,
                        frozen: s.totalFreezesDuration ?? 0, told: true });
                }
            }
        }
        samples.push(now);
    }

    let busy = false;
    setInterval(() => {
        if (busy || !window.__media)
            return;
        busy = true;
        look().finally(() => { busy = false; });
    }, EVERY);
    return { look: endpoint => { shown = endpoint; }, take: () => samples.splice(0) };
})();
