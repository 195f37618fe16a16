// Drives a stock Jitsi client library in a bare page: joins, shows every remote track in an element of its own and keeps what
// happened, for the tests to read. Works with builds of 2022 and of today.
window.__stock = (() => {
    const seen = { events: [], chat: [], left: [], joined: [], roles: {}, kicked: null, failed: null, dominant: null, properties: {} };
    const elements = new Map();
    let connection, conference, locals = [];

    function note(name, detail) {
        seen.events.push(detail === undefined ? name : `${name} ${detail}`);
    }

    function attach(track) {
        if (track.isLocal())
            return;
        const element = document.createElement(track.getType() === 'audio' ? 'audio' : 'video');
        element.autoplay = true;
        element.playsInline = true;
        element.dataset.endpoint = track.getParticipantId();
        element.dataset.kind = track.getType();
        element.dataset.source = track.getSourceName?.() ?? '';
        element.style.width = '320px';
        document.body.append(element);
        track.attach(element);
        elements.set(track, element);
        note('track', `${track.getType()} ${track.getParticipantId()}`);
    }

    function detach(track) {
        elements.get(track)?.remove();
        elements.delete(track);
    }

    async function join(options) {
        const J = window.JitsiMeetJS;
        J.init({ disableAudioLevels: false });
        J.setLogLevel(J.logLevels.ERROR);
        const config = new Function(`${await (await fetch('/config.js')).text()}; return config;`)();
        connection = new J.JitsiConnection(null, options.token ?? null, {
            hosts: { domain: options.domain, muc: options.muc, focus: options.focus },
            serviceUrl: `${options.websocket}?room=${options.room}`, enableWebsocketResume: true, xmppPing: config.xmppPing,
            websocketKeepAlive: -1, p2p: { enabled: false }, flags: { ssrcRewritingEnabled: !!options.rewriting, sourceNameSignaling: true },
        });
        await new Promise((done, fail) => {
            connection.addEventListener(J.events.connection.CONNECTION_ESTABLISHED, done);
            connection.addEventListener(J.events.connection.CONNECTION_FAILED, (error, message) => {
                seen.failed = `${error} ${message ?? ''}`;
                fail(new Error(`connection failed: ${seen.failed}`));
            });
            connection.addEventListener(J.events.connection.CONNECTION_DISCONNECTED, () => note('disconnected'));
            connection.connect();
        });
        if (options.devices?.length)
            locals = await J.createLocalTracks({ devices: options.devices, resolution: 720 });
        conference = connection.initJitsiConference(options.room, {
            openBridgeChannel: 'websocket', p2p: { enabled: false }, disableSimulcast: false, enableTcc: true,
            videoQuality: { preferredCodec: 'VP8', codecPreferenceOrder: ['VP8'] },
            flags: { ssrcRewritingEnabled: !!options.rewriting, sourceNameSignaling: true },
            testing: {}, analytics: {}, statisticsId: options.name,
        });
        const E = J.events.conference;
        conference.on(E.TRACK_ADDED, attach);
        conference.on(E.TRACK_REMOVED, detach);
        conference.on(E.USER_JOINED, id => { seen.joined.push(id); note('joined', id); });
        conference.on(E.USER_LEFT, id => { seen.left.push(id); note('left', id); });
        conference.on(E.MESSAGE_RECEIVED, (id, text) => seen.chat.push({ id, text }));
        conference.on(E.PRIVATE_MESSAGE_RECEIVED, (id, text) => seen.chat.push({ id, text, private: true }));
        conference.on(E.USER_ROLE_CHANGED, (id, role) => { seen.roles[id] = role; });
        conference.on(E.DOMINANT_SPEAKER_CHANGED, id => { seen.dominant = id; });
        conference.on(E.KICKED, (...args) => { seen.kicked = args.length; });
        conference.on(E.RECORDER_STATE_CHANGED, session => {
            seen.recording = session.getStatus?.() ?? String(session);
            note('recording', seen.recording);
        });
        conference.on(E.PARTICIPANT_PROPERTY_CHANGED, (who, name, old, value) => { seen.properties[`${who.getId()} ${name}`] = value; });
        conference.on(E.ENDPOINT_MESSAGE_RECEIVED, (who, payload) => { seen.endpointMessage = { from: who.getId?.() ?? who, payload }; });
        conference.on(E.CONFERENCE_FAILED, (...why) => { seen.failed = why.map(String).join(' '); note('conference failed', seen.failed); });
        for (const name of ['CONNECTION_INTERRUPTED', 'CONNECTION_RESTORED', 'CONFERENCE_LEFT', 'SUSPEND_DETECTED', 'TRACK_MUTE_CHANGED'])
            if (E[name])
                conference.on(E[name], () => note(name));
        await new Promise((done, fail) => {
            conference.on(E.CONFERENCE_JOINED, done);
            conference.on(E.CONFERENCE_FAILED, (...why) => fail(new Error(`conference failed: ${why}`)));
            conference.setDisplayName(options.name);
            for (const track of locals)
                conference.addTrack(track);
            conference.join(options.password);
        });
        // The constraints that the application would send for a few tiles.
        const want = () => {
            if (conference.setReceiverConstraints)
                conference.setReceiverConstraints({ lastN: -1, defaultConstraints: { maxHeight: options.maxHeight ?? 720 } });
            else
                conference.setReceiverVideoConstraint(options.maxHeight ?? 720);
        };
        want();
        return conference.myUserId();
    }

    return {
        seen, join, elements,
        get conference() { return conference; },
        get connection() { return connection; },
        get locals() { return locals; },
        // Which numbers every remote video shows and which tones every remote audio holds: {endpoint: {videos, audio}}. Of a muted
        // one the last picture stays, which no application shows; libraries without names of sources do not know which one that is.
        look() {
            const out = {};
            for (const [track, element] of elements) {
                const who = out[track.getParticipantId()] ??= {};
                if (track.getType() === 'video' && track.getSourceName?.() && track.isMuted())
                    continue;
                if (track.getType() === 'video')
                    (who.videos ??= []).push(window.__media.readVideo(element));
                else
                    who.audio = window.__media.readAudio(track.getTrack()).map(t => t.number);
            }
            return out;
        },
        quality(maxHeight) {
            conference.setReceiverConstraints({ lastN: -1, defaultConstraints: { maxHeight } });
        },
    };
})();
