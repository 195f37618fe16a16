// Runs in every page before its own scripts: a camera and a microphone that can be told apart, and ways to read what arrives.
// The camera shows a number as eight black or white fields in its top rows, on a moving pattern in a colour of its own; the
// microphone is a tone of its own. Every two seconds both mark the same moment: a white flash and a beep.
(() => {
    const WIDTH = 1280, HEIGHT = 720, FIELD = 120, FPS = __FPS__;
    const identity = __IDENTITY__;
    const firefox = navigator.userAgent.includes('Firefox');
    const FLASH_PERIOD = 2000, FRAME = 1000 / FPS, FLASH_LENGTH = Math.max(120, FRAME);
    const tones = { tone: n => 300 + 130 * n, beep: 3000 };
    let audio;

    function context() {
        audio ??= new AudioContext();
        if (audio.state === 'suspended')
            audio.resume();
        return audio;
    }

    function draw(ctx, number, time, screen) {
        if (screen ? window.__slide?.(ctx) : window.__portrait?.(ctx, number, time))
            return; // people instead of patterns, for pictures
        const w = ctx.canvas.width, h = ctx.canvas.height;
        ctx.fillStyle = `hsl(${(number * 67) % 360} 70% ${screen ? 35 : 50}%)`;
        ctx.fillRect(0, 0, w, h);
        ctx.fillStyle = `hsl(${(number * 67 + 120) % 360} 60% 60%)`;
        for (let i = 0; i < 6; i++)
            ctx.fillRect((time / 8 + i * 211) % w, 300 + i * 60, 90, 45);
        for (let bit = 0; bit < 8; bit++) {
            ctx.fillStyle = (number >> bit) & 1 ? '#fff' : '#000';
            ctx.fillRect(bit * FIELD, 0, FIELD, FIELD);
        }
        ctx.fillStyle = '#fff';
        ctx.font = 'bold 160px sans-serif';
        ctx.fillText(String(number), 560, 520);
        const flash = time % FLASH_PERIOD < FLASH_LENGTH;
        ctx.fillStyle = flash ? '#fff' : '#000';
        ctx.fillRect(1000, 0, 280, 240);
    }

    function camera(number, screen) {
        const canvas = document.createElement('canvas');
        canvas.width = WIDTH;
        canvas.height = HEIGHT;
        const ctx = canvas.getContext('2d', { alpha: false });
        draw(ctx, number, Date.now(), screen);
        // Every drawing is taken; they fall on the clock's ticks, so that a flash begins when it should.
        const track = canvas.captureStream().getVideoTracks()[0];
        const tick = () => {
            if (track.readyState === 'ended')
                return;
            const frame = Math.round(Date.now() / FRAME);
            draw(ctx, number, Math.round(frame * FRAME), screen);
            const lit = (frame * FRAME) % FLASH_PERIOD < FLASH_LENGTH;
            if (!screen)
                sound(lit);
            setTimeout(tick, (frame + 1) * FRAME - Date.now());
        };
        tick();
        if (screen)
            track.__screen = true;
        return track;
    }

    // Told with every picture: the beep begins with the very picture that is lit, however late that is drawn.
    let setBeep = null, wasLit = false;
    function sound(lit) {
        if (lit && !wasLit)
            setBeep?.(lit);
        wasLit = lit;
    }

    function microphone() {
        const ac = context();
        const out = ac.createMediaStreamDestination();
        const tone = ac.createOscillator(), toneGain = ac.createGain();
        tone.frequency.value = tones.tone(identity);
        toneGain.gain.value = 0.25;
        tone.connect(toneGain).connect(out);
        tone.start();
        const beep = ac.createOscillator(), beepGain = ac.createGain();
        beep.frequency.value = tones.beep;
        beepGain.gain.value = 0;
        beep.connect(beepGain).connect(out);
        beep.start();
        const track = out.stream.getAudioTracks()[0];
        setBeep = lit => {
            if (lit)
                beepGain.gain.setValueAtTime(0.5, ac.currentTime).setValueAtTime(0, ac.currentTime + FLASH_LENGTH / 1000);
        };
        window.__setTone = gain => { toneGain.gain.value = gain; };
        return track;
    }

    const devices = navigator.mediaDevices;
    if (!devices)
        return; // not a secure page: about:blank
    devices.getUserMedia = async constraints => {
        const tracks = [];
        if (constraints?.audio)
            tracks.push(microphone());
        if (constraints?.video)
            tracks.push(camera(identity, false));
        return new MediaStream(tracks);
    };
    devices.getDisplayMedia = async () => new MediaStream([camera(identity + 100, true)]);
    devices.enumerateDevices = async () => ['audioinput', 'videoinput', 'audiooutput'].map(kind => ({
        deviceId: `test-${kind}`, groupId: 'test', kind, label: `Test ${kind}`, toJSON() { return this; } }));

    const probe = document.createElement('canvas');
    const probeCtx = probe.getContext('2d', { willReadFrequently: true });

    // The number shown by a video element, or null when no such picture is there.
    function readVideo(video) {
        if (!video.videoWidth || video.readyState < 2)
            return null;
        probe.width = WIDTH / 4;
        probe.height = HEIGHT / 4;
        probeCtx.drawImage(video, 0, 0, probe.width, probe.height);
        let number = 0;
        for (let bit = 0; bit < 8; bit++) {
            const p = probeCtx.getImageData((bit * FIELD + FIELD / 2) / 4 - 4, FIELD / 8 - 4, 8, 8).data;
            let sum = 0;
            for (let i = 0; i < p.length; i += 4)
                sum += (p[i] + p[i + 1] + p[i + 2]) / 3;
            const mean = sum / (p.length / 4);
            if (mean > 70 && mean < 185)
                return null;
            if (mean >= 185)
                number |= 1 << bit;
        }
        const f = probeCtx.getImageData(1100 / 4, 60 / 4, 8, 8).data;
        return { number, width: video.videoWidth, height: video.videoHeight, flash: f[0] > 128 };
    }

    // Elements that a page makes without showing them: a player's sounds.
    const made = [];
    const create = document.createElement.bind(document);
    document.createElement = (name, ...rest) => {
        const element = create(name, ...rest);
        if (String(name).toLowerCase() === 'audio')
            made.push(element);
        return element;
    };
    const captured = new WeakMap();
    function playedAudio() {
        return made.filter(e => e.src && !e.paused && !e.ended).flatMap(e => {
            if (!captured.has(e))
                captured.set(e, e.captureStream?.() ?? e.mozCaptureStream());
            return captured.get(e).getAudioTracks();
        });
    }

    const analysers = new WeakMap();

    function analyser(track) {
        let node = analysers.get(track);
        if (!node) {
            node = context().createAnalyser();
            node.fftSize = 8192;
            node.smoothingTimeConstant = 0.2;
            context().createMediaStreamSource(new MediaStream([track])).connect(node);
            analysers.set(track, node);
        }
        return node;
    }

    // Which identities' tones a track carries, loudest first: [{number, db}].
    function readAudio(track) {
        const node = analyser(track);
        const bins = new Float32Array(node.frequencyBinCount);
        node.getFloatFrequencyData(bins);
        const hz = audio.sampleRate / node.fftSize;
        const found = [];
        for (let n = 1; n <= 12; n++) {
            const bin = Math.round(tones.tone(n) / hz);
            const db = Math.max(...bins.slice(bin - 2, bin + 3));
            const around = [...bins.slice(bin - 9, bin - 5), ...bins.slice(bin + 6, bin + 10)];
            const floor = around.reduce((a, b) => a + b, 0) / around.length;
            if (db > -75 && db - floor > 12)
                found.push({ number: n, db: Math.round(db) });
        }
        return found.sort((a, b) => b.db - a.db);
    }

    function level(samples, rate, hz) {
        const w = 2 * Math.cos(2 * Math.PI * hz / rate);
        let a = 0, b = 0;
        for (const x of samples)
            [a, b] = [x + w * a - b, a];
        return 10 * Math.log10((a * a + b * b - w * a * b) / samples.length ** 2 * 4 + 1e-12);
    }

    // The offsets in ms, sound minus picture, of a few flashes of one person's element. Pictures count from when
    // they are shown, sounds by the clock of what is played: a page that stutters does not spoil them.
    async function lips(video, track, seconds) {
        const ac = context();
        const source = ac.createMediaStreamSource(new MediaStream([track]));
        const node = ac.createScriptProcessor(256, 1, 1);
        source.connect(node).connect(ac.destination);
        const flashes = [], beeps = [];
        const length = 256 / ac.sampleRate * 1000;
        let lit = false, loud = false, apart = Infinity, count = 0;
        node.onaudioprocess = event => {
            // When it began to be recorded. Firefox leaves out no piece, but its playback time keeps all delays there ever were.
            const began = firefox ? count++ * length : event.playbackTime * 1000 - 2 * length;
            // The audio clock moves in steps; the least distance is the true one.
            apart = Math.min(apart, performance.now() - began - length);
            const on = level(event.inputBuffer.getChannelData(0), ac.sampleRate, tones.beep) > -45;
            if (on && !loud)
                beeps.push(began);
            loud = on;
        };
        const end = performance.now() + seconds * 1000;
        await new Promise(done => {
            const frame = (now, data) => {
                const seen = readVideo(video);
                if (seen && seen.flash !== lit) {
                    lit = seen.flash;
                    if (lit)
                        flashes.push(data?.presentationTime ?? performance.now());
                }
                video.requestVideoFrameCallback(frame);
            };
            video.requestVideoFrameCallback(frame);
            setTimeout(done, end - performance.now());
        });
        node.disconnect();
        source.disconnect();
        const heardAt = beeps.map(b => b + apart);
        return flashes.map(f => heardAt.map(b => b - f).sort((a, b) => Math.abs(a) - Math.abs(b))[0])
            .filter(d => d !== undefined && Math.abs(d) < FLASH_PERIOD / 2);
    }

    // Every connection's receivers, so that sounds can be found wherever the page plays them.
    const connections = [];
    const Native = window.RTCPeerConnection;
    window.RTCPeerConnection = function (...args) {
        const connection = new Native(...args);
        connection.__born = performance.timeOrigin + performance.now();
        connections.push(connection);
        return connection;
    };
    window.RTCPeerConnection.prototype = Native.prototype;
    Object.setPrototypeOf(window.RTCPeerConnection, Native);
    const remoteAudio = () => connections.filter(c => c.connectionState !== 'closed')
        .flatMap(c => c.getReceivers()).map(r => r.track).filter(t => t?.kind === 'audio' && t.readyState === 'live');

    window.__media = { connections, remoteAudio, playedAudio, identity, tones, readVideo, readAudio, lips, context };
})();
