// Rights come from the server: clients that ignore their own interface get nowhere. Stock libraries in bare pages, whose
// XMPP connections and bridge channels are driven by hand.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOST, Participant, School, finish, sleep, test, until } from './harness.mjs';
import { joinStock } from './join.mjs';

const school = new School('rights');

// Sends an IQ as it stands ({room}, {me}, {focus} and {sid} are put in) and tells the answer: "result", or the error's name.
function iq(p, type, to, body) {
    return p.eval((kind, where, inner) => new Promise(done => {
        const { conference, connection } = window.__stock;
        const room = conference.room;
        const values = { room: room.roomjid, me: room.myroomjid, focus: `${room.roomjid}/focus`, sid: conference.jvbJingleSession?.sid ?? '',
            id: conference.myUserId() };
        const fill = text => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
        const id = `raw-${Math.random().toString(36).slice(2)}`;
        const text = `<iq xmlns="jabber:client" type="${kind}" id="${id}" to="${fill(where)}">${fill(inner)}</iq>`;
        const element = new DOMParser().parseFromString(text, 'text/xml').documentElement;
        const answer = reply => {
            const error = reply?.querySelector?.('error');
            done(error ? error.firstElementChild?.localName ?? 'error' : reply?.getAttribute?.('type') ?? 'no answer');
        };
        connection.xmpp.connection.sendIQ(element, answer, answer, 5000);
    }), type, to, body);
}

async function refused(p, what, type, to, body) {
    const answer = await iq(p, type, to, body);
    if (!['forbidden', 'not-allowed', 'not-authorized', 'not-acceptable', 'item-not-found'].includes(answer))
        throw new Error(`${what}: ${answer}`);
}

// Speaks just enough XMPP to be let in or not: how far a token gets. "joined", or the reason.
function enter(p, place, token, room = place.room) {
    return p.eval((url, domain, muc, focus, roomName, jwt) => new Promise(done => {
        const query = new URLSearchParams({ room: roomName, ...(jwt === null ? {} : { token: jwt }) });
        const socket = new WebSocket(`${url}?${query}`, 'xmpp');
        const open = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="${domain}" version="1.0"/>`;
        const end = outcome => {
            socket.onclose = socket.onerror = null;
            socket.close();
            done(outcome);
        };
        let authenticated = false, nick = 'nobody';
        socket.onopen = () => socket.send(open);
        socket.onerror = socket.onclose = () => end('socket closed');
        setTimeout(() => end('no answer'), 8000);
        socket.onmessage = ({ data }) => {
            const frame = new DOMParser().parseFromString(data, 'text/xml').documentElement;
            if (frame.localName === 'failure')
                end(`failure ${frame.firstElementChild?.localName}`);
            else if (frame.localName === 'success') {
                authenticated = true;
                socket.send(open);
            } else if (frame.localName === 'features' && !authenticated)
                socket.send('<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>');
            else if (frame.localName === 'features')
                socket.send('<iq xmlns="jabber:client" type="set" id="bind"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>');
            else if (frame.getAttribute('id') === 'bind') {
                nick = frame.querySelector('jid').textContent.slice(0, 8);
                socket.send(`<iq xmlns="jabber:client" type="set" id="conf" to="${focus}"><conference xmlns="http://jitsi.org/protocol/focus" room="${roomName}@${muc}"/></iq>`);
                socket.send(`<presence xmlns="jabber:client" to="${roomName}@${muc}/${nick}"><x xmlns="http://jabber.org/protocol/muc"/></presence>`);
            } else if (frame.localName === 'presence' && frame.getAttribute('type') === 'error')
                end(`refused ${frame.querySelector('error > *')?.localName}`);
            else if (frame.localName === 'presence' && frame.getAttribute('from')?.endsWith(`/${nick}`))
                end('joined');
            else if (frame.localName === 'error')
                end(`failure ${frame.firstElementChild?.localName}`);
        };
    }), place.websocket, place.domain, place.muc, place.focus, room, token);
}

// Says something on the bridge channel, past the library.
const channel = (p, message) => p.eval(text => {
    const way = window.__stock.conference.rtc._channel;
    way._send(JSON.parse(text.replaceAll('{id}', window.__stock.conference.myUserId())));
}, JSON.stringify(message));

// What the page's session may do at the web API.
function call(p, method, path, body) {
    return p.eval(async (how, where, what) => {
        const me = await (await fetch('/api/me')).json();
        const reply = await fetch(where, { method: how, body: what === null ? undefined : JSON.stringify(what),
            headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': me.csrf ?? '' } });
        return { status: reply.status, body: reply.status === 204 ? null : await reply.json() };
    }, method, path, body ?? null);
}

const hears = (p, q) => p.eval((id, n) => window.__stock.look()[id]?.audio?.[0] === n, q.endpoint, q.identity);
const sees = (p, q, number = q.identity) => p.eval((id, n) => window.__stock.look()[id]?.videos?.some(v => v?.number === n) ?? false, q.endpoint, number);
// Holds for three seconds, looked at often.
async function never(what, probe) {
    const end = Date.now() + 3000;
    while (Date.now() < end) {
        if (await probe())
            throw new Error(what);
        await sleep(150);
    }
}
const setPolicy = async (teacher, change) => {
    const { body: now } = await call(teacher, 'GET', `/api/classes/${teacher.place.class}`);
    const { status, body } = await call(teacher, 'PATCH', `/api/classes/${teacher.place.class}`,
        { policy: { ...now.policy, pupils: { ...now.policy.pupils, ...change } } });
    if (status !== 200)
        throw new Error(`policy: ${status} ${JSON.stringify(body)}`);
};
const sourceAdd = (name, ssrc, type) => `<jingle xmlns="urn:xmpp:jingle:1" action="source-add" sid="{sid}" initiator="{focus}">
    <content creator="initiator" name="video" senders="both"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="video">
    <source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="${ssrc}" name="${name}" videoType="${type}">
    <parameter name="msid" value="{id}-video-9 ${name}"/></source></description></content></jingle>`;

try {
    await school.start();
    const links = school.people;
    const teacher = await Participant.start(school, 'chromium', 1, { fps: 6 });
    const pupil = await Participant.start(school, 'chromium', 2, { fps: 6 });
    const other = await Participant.start(school, 'chromium', 3, { fps: 6 });

    await test('a teacher and two pupils join with stock clients', school, async () => {
        await joinStock(teacher, links[0], { devices: ['audio'] });
        await joinStock(pupil, links[1], { maxHeight: 180 });
        await joinStock(other, links[2], { devices: ['audio'] });
        await until('all heard', async () => await hears(teacher, pupil) && await hears(teacher, other) && await hears(pupil, other)
            && await sees(teacher, pupil), 30);
    });
    await test('a pupil moderates nothing, whatever it sends', school, async () => {
        const victim = `{room}/${other.endpoint}`;
        for (const media of ['audio', 'video', 'desktop'])
            for (const on of ['true', 'false'])
                await refused(pupil, `mute ${media} ${on}`, 'set', '{focus}',
                    `<mute xmlns="http://jitsi.org/jitmeet/${media}" jid="${victim}">${on}</mute>`);
        const admin = item => `<query xmlns="http://jabber.org/protocol/muc#admin">${item}</query>`;
        await refused(pupil, 'kick', 'set', '{room}', admin(`<item nick="${other.endpoint}" role="none"><reason>go</reason></item>`));
        await refused(pupil, 'kick the teacher', 'set', '{room}', admin(`<item nick="${teacher.endpoint}" role="none"/>`));
        await refused(pupil, 'moderator by role', 'set', '{room}', admin('<item nick="{id}" role="moderator"/>'));
        await refused(pupil, 'owner by affiliation', 'set', '{room}', admin('<item affiliation="owner" jid="{me}"/>'));
        await refused(pupil, 'password', 'set', '{room}', `<query xmlns="http://jabber.org/protocol/muc#owner"><x xmlns="jabber:x:data" type="submit">
            <field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
            <field var="muc#roomconfig_roomsecret"><value>mine</value></field></x></query>`);
        await refused(pupil, 'record', 'set', '{focus}', '<jibri xmlns="http://jitsi.org/protocol/jibri" action="start" recording_mode="file"/>');
        const close = await call(pupil, 'POST', `/api/classes/${pupil.place.class}/close`, {});
        const patch = await call(pupil, 'PATCH', `/api/classes/${pupil.place.class}`, { policy: { record: true } });
        if (![403, 404].includes(close.status) || ![403, 404].includes(patch.status))
            throw new Error(`web: ${close.status} ${patch.status}`);
        await never('something happened', async () => (await other.eval(() => window.__stock.seen.kicked !== null))
            || (await teacher.eval(() => window.__stock.seen.recording === 'on')) || !(await hears(teacher, other)));
        const role = await other.eval(id => window.__stock.conference.getParticipantById(id)?.getRole(), pupil.endpoint);
        if (role === 'moderator')
            throw new Error('the pupil is a moderator');
    });
    await test('a pupil cannot speak for another', school, async () => {
        await refused(pupil, 'a source under another name', 'set', '{focus}', sourceAdd(`${other.endpoint}-v0`, 77777, 'camera'))
            .catch(async error => {
                if (!/bad-request|conflict/.test(error.message))
                    throw error;
            });
        // Its bridge channel puts its own name on what it sends.
        await teacher.eval(() => {
            window.__heard = [];
            window.__stock.conference.on(window.JitsiMeetJS.events.conference.ENDPOINT_MESSAGE_RECEIVED,
                (who, payload) => window.__heard.push({ from: who.getId?.() ?? who, text: JSON.stringify(payload) }));
        });
        await channel(pupil, { colibriClass: 'EndpointMessage', to: '', from: other.endpoint, msgPayload: { who: 'forged' } });
        const heard = await teacher.until('the message', () => window.__heard.find(m => m.text.includes('forged')), 5);
        if (heard.from !== pupil.endpoint)
            throw new Error(`message from ${heard.from}`);
    });
    await test('who is muted by the teacher is unmuted by nobody else', school, async () => {
        const mute = on => `<mute xmlns="http://jitsi.org/jitmeet/audio" jid="{room}/${other.endpoint}">${on}</mute>`;
        // A client that does not obey: what it gets is thrown away, its microphone goes on.
        await other.eval(() => {
            for (const track of window.__stock.locals)
                track.mute = async () => {};
        });
        if (await iq(teacher, 'set', '{focus}', mute('true')) !== 'result')
            throw new Error('the teacher may not mute');
        await until('silence', async () => !(await hears(teacher, other)) && !(await hears(pupil, other)), 10);
        await refused(pupil, 'pupil unmutes', 'set', '{focus}', mute('false'));
        await refused(teacher, 'teacher unmutes', 'set', '{focus}', mute('false'));
        await never('heard though muted', async () => await hears(teacher, other) || await hears(pupil, other));
        if (await iq(other, 'set', '{focus}', mute('false')) !== 'result')
            throw new Error('it may not unmute itself');
        await until('speaks again of its own will', () => hears(teacher, other), 10);
    });
    await test('microphone and camera stay silent where the class forbids them', school, async () => {
        await pupil.eval(() => {
            for (const track of window.__stock.locals)
                track.mute = async () => {};
        });
        await setPolicy(teacher, { microphone: false, camera: false });
        await until('neither heard nor seen', async () => !(await hears(teacher, pupil)) && !(await hears(other, pupil)), 10);
        const shown = () => teacher.eval(id => {
            const at = [...document.querySelectorAll('video')].find(v => v.dataset.endpoint === id);
            return at?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
        }, pupil.endpoint);
        await until('the picture stands', async () => {
            const before = await shown();
            await sleep(1000);
            return await shown() === before;
        }, 10);
        for (const media of ['audio', 'video'])
            await iq(pupil, 'set', '{focus}', `<mute xmlns="http://jitsi.org/jitmeet/${media}" jid="{me}">false</mute>`);
        const frames = await shown();
        await never('heard or seen though forbidden', async () => await hears(teacher, pupil) || await hears(other, pupil) || await shown() > frames);
        await setPolicy(teacher, { microphone: true, camera: true });
        for (const media of ['audio', 'video'])
            await iq(pupil, 'set', '{focus}', `<mute xmlns="http://jitsi.org/jitmeet/${media}" jid="{me}">false</mute>`);
        await until('heard and seen again', async () => await hears(teacher, pupil) && await sees(teacher, pupil), 15);
    });
    await test('no screen where the class forbids it, under whatever name', school, async () => {
        await setPolicy(teacher, { screen: false });
        await until('forbidden', async () => await iq(pupil, 'set', '{focus}', sourceAdd(`${pupil.endpoint}-v1`, 88888, 'desktop')) === 'forbidden', 10);
        // The camera's source, called a screen afterwards.
        await channel(pupil, { colibriClass: 'SourceVideoTypeMessage', sourceName: '{id}-v0', videoType: 'desktop' });
        const moving = async () => {
            const count = () => teacher.eval(id => [...document.querySelectorAll('video')].find(v => v.dataset.endpoint === id)
                ?.getVideoPlaybackQuality().totalVideoFrames ?? 0, pupil.endpoint);
            const before = await count();
            await sleep(800);
            return await count() > before;
        };
        await until('the renamed picture stands', async () => !(await moving()), 10);
        await channel(pupil, { colibriClass: 'SourceVideoTypeMessage', sourceName: '{id}-v0', videoType: 'camera' });
        await until('a camera again', moving, 15);
        await setPolicy(teacher, { screen: true });
        await sleep(300);
        const again = await iq(pupil, 'set', '{focus}', sourceAdd(`${pupil.endpoint}-v1`, 88888, 'desktop'));
        if (again !== 'result')
            throw new Error(`allowed again: ${again}`);
    });
    await test('no chat where the class forbids it', school, async () => {
        await setPolicy(teacher, { chat: false, private: false });
        await sleep(300);
        await pupil.eval(id => {
            window.__stock.conference.sendTextMessage('not for all');
            window.__stock.conference.sendPrivateTextMessage(id, 'not for you');
        }, other.endpoint);
        await never('chat arrived', () => other.eval(() => window.__stock.seen.chat.some(m => m.text.startsWith('not for'))));
        await teacher.eval(() => window.__stock.conference.sendTextMessage('from the teacher'));
        await other.until('teacher writes', () => window.__stock.seen.chat.some(m => m.text === 'from the teacher'), 5);
        await setPolicy(teacher, { chat: true, private: true });
    });

    const { place } = pupil;
    const secret = Buffer.from(readFileSync(join(school.data, 'secrets/token'), 'utf8').trim(), 'hex');
    const sign = (claims, key = secret, head = { alg: 'HS256', typ: 'JWT' }) => {
        const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');
        const text = `${part(head)}.${part(claims)}`;
        return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
    };
    const claims = JSON.parse(Buffer.from(place.token.split('.')[1], 'base64url'));
    const now = Math.floor(Date.now() / 1000);
    await test('a good token opens the class, a bad one does not', school, async () => {
        const good = await enter(pupil, place, sign(claims));
        if (good !== 'joined')
            throw new Error(`own signature: ${good}`);
        const bad = {
            'none': null,
            'empty': '',
            'no token at all': 'x.y.z',
            'another key': sign(claims, Buffer.alloc(32, 7)),
            'the last letter changed': place.token.slice(0, -2) + (place.token.endsWith('AA') ? 'BB' : 'AA'),
            'expired': sign({ ...claims, exp: now - 3600 }),
            'without an end': sign({ ...claims, exp: undefined }),
            'not yet': sign({ ...claims, nbf: now + 3600 }),
            'another issuer': sign({ ...claims, iss: 'somebody' }),
            'another audience': sign({ ...claims, aud: 'somebody' }),
            'alg none': sign(claims, secret, { alg: 'none', typ: 'JWT' }).replace(/[^.]*$/, ''),
            'of another room': sign({ ...claims, room: 'another-room' }),
            'a pupil who makes itself staff': place.token.split('.').map((part, i) => i === 1
                ? Buffer.from(JSON.stringify({ ...claims, context: { ...claims.context, user: { ...claims.context.user, moderator: true } } })).toString('base64url')
                : part).join('.'),
        };
        for (const [what, token] of Object.entries(bad)) {
            const outcome = await enter(pupil, place, token);
            console.log(`token ${what}: ${outcome}`);
            if (!/^(failure|refused)/.test(outcome))
                throw new Error(`${what}: ${outcome}`);
        }
    });
    await test('a room that nobody made is refused', school, async () => {
        for (const room of ['no-such-room', place.room + 'x', '%00', 'a b'])
            for (const token of [place.token, sign({ ...claims, room: '*' }), sign({ ...claims, room })]) {
                const outcome = await enter(pupil, place, token, room);
                if (!/^(failure|refused)/.test(outcome))
                    throw new Error(`${room}: ${outcome}`);
            }
    });
    await test('guests come only where the class allows them', school, async () => {
        const path = `/api/guest/${place.room}`;
        const guests = allowed => call(teacher, 'PATCH', `/api/classes/${teacher.place.class}`, { guests: allowed });
        await guests(true);
        const let_in = await call(other, 'POST', path, { name: 'A guest' });
        if (let_in.status !== 200)
            throw new Error(`guest: ${let_in.status}`);
        const first = await enter(other, let_in.body, let_in.body.token);
        if (first !== 'joined')
            throw new Error(`guest: ${first}`);
        await guests(false);
        const no = await call(other, 'POST', path, { name: 'A guest' });
        if (no.status !== 403)
            throw new Error(`guest where none may be: ${no.status}`);
        await until('the old guest token is refused', async () => /^refused/.test(await enter(other, let_in.body, let_in.body.token)), 10);
    });
    await test('who was thrown out is out', school, async () => {
        const kick = `<query xmlns="http://jabber.org/protocol/muc#admin"><item nick="${other.endpoint}" role="none"/></query>`;
        if (await iq(teacher, 'set', '{room}', kick) !== 'result')
            throw new Error('the teacher may not');
        await other.until('kicked', () => window.__stock.seen.kicked !== null, 5);
        await until('silent', async () => !(await teacher.eval(id => window.__stock.look()[id], other.endpoint)), 5);
        const answer = await iq(other, 'set', '{focus}', `<mute xmlns="http://jitsi.org/jitmeet/audio" jid="{room}/${pupil.endpoint}">true</mute>`)
            .catch(() => 'gone');
        if (answer === 'result')
            throw new Error('it still has a voice in the class');
    });
} catch (error) {
    await test('rights', school, () => { throw error; });
} finally {
    await school.stop();
}
finish();
