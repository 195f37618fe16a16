import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { BridgeChannel, BridgeEvents, Mapping, parseMappings, parseSpares } from '../src/signalling/bridge-channel';
import { CAPS_STRING, CAPS_VERSION, discoInfo, FEATURES } from '../src/signalling/caps';
import { iceServers } from '../src/signalling/external-services';
import { ChatMessage, endpointId, parseSourceInfo, RecordingStatus, Room, RoomEvents } from '../src/signalling/room';
import type { Socket, XmppStream } from '../src/signalling/stream';
import { Element, elements, first, parse, serialize, text } from '../src/signalling/xml';

test('the capabilities hash is the hash of the capabilities (XEP-0115)', () => {
  assert.equal(createHash('sha1').update(CAPS_STRING).digest('base64'), CAPS_VERSION);
  assert.deepEqual([...FEATURES], [...FEATURES].sort());
  assert.ok(FEATURES.includes('http://jitsi.org/ssrc-rewriting-1'));
  assert.equal(elements(discoInfo('n'), 'feature').length, FEATURES.length);
});

test('endpoint ids come from the bound address', () => {
  assert.equal(endpointId('1A2B3C4D-5e6f@d/r'), '1a2b3c4d');
  assert.match(endpointId('teacher@d/r', () => 0.5), /^[0-9a-f]{8}$/);
});

test('SourceInfo of others is read with care', () => {
  assert.deepEqual(parseSourceInfo('{"a-a0":{"muted":true},"a-v1":{"muted":false,"videoType":"desktop"},"x":7}'), {
    'a-a0': { muted: true, videoType: 'camera' },
    'a-v1': { muted: false, videoType: 'desktop' },
    x: { muted: false, videoType: 'camera' },
  });
  assert.deepEqual(parseSourceInfo('nonsense'), {});
});

test('a map by signalling counts until the channel is open, which knows better', () => {
  const socket: Socket = { onopen: null, onmessage: null, onclose: null, onerror: null, send: () => undefined, close: () => undefined };
  const maps: Mapping[][] = [];
  const events = { onAudioMap: (map: Mapping[]) => maps.push(map), onOpen: () => undefined } as unknown as BridgeEvents;
  const channel = new BridgeChannel('wss://bridge', events, () => socket);
  const say = (ssrc: number): string =>
    JSON.stringify({ colibriClass: 'AudioSourcesMap', mappedSources: [{ source: 'a-a0', owner: 'a', ssrc }] });
  channel.hear(say(1));
  channel.hear('nonsense');
  socket.onopen?.(undefined as never);
  socket.onmessage?.({ data: say(2) });
  channel.hear(say(1));
  channel.close();
  assert.deepEqual(maps.map((map) => map[0]?.ssrc), [1, 2]);
});

test('maps: numbers only, anything else is left out', () => {
  const map = parseMappings([
    { source: 'a-v0', owner: 'a', ssrc: 5, rtx: 6, videoType: 'DESKTOP' },
    { source: 'a-v0', owner: 'a', ssrc: '5' },
    { source: 'a-v0', owner: 'a', ssrc: 7, rtx: '-1', pair: 3, after: 9 },
    null,
  ]);
  assert.deepEqual(map, [
    { source: 'a-v0', owner: 'a', ssrc: 5, rtx: 6, videoType: 'desktop', pair: null, after: null },
    { source: 'a-v0', owner: 'a', ssrc: 7, rtx: 0, videoType: 'camera', pair: 3, after: 9 },
  ]);
  assert.deepEqual(parseSpares([{ ssrc: 8, rtx: 9, pair: 4 }, { ssrc: 8, rtx: 9 }, { ssrc: -1, pair: 1 }, 7]), [{ ssrc: 8, rtx: 9, pair: 4 }]);
});

test('TURN servers (XEP-0215)', async () => {
  const answer = parse(
    "<iq><services xmlns='urn:xmpp:extdisco:2'><service type='turns' host='t.example' port='443' transport='tcp' username='u' password='p'/><service type='stun' host='s.example'/></services></iq>",
  );
  const servers = await iceServers({ request: () => Promise.resolve(answer) }, 'd');
  assert.deepEqual(servers, [{ urls: 'turns:t.example:443?transport=tcp', username: 'u', credential: 'p' }]);
});

interface Seen {
  chat: ChatMessage[];
  people: [string, boolean][];
  gone: string[];
  recording: RecordingStatus[];
  muted: string[];
  ended: string[];
  codecs: number;
  metadata: Record<string, unknown>[];
}

function setUp(): { room: Room; sent: Element[]; seen: Seen; hear: (xml: string) => void; join: Promise<void> } {
  const sent: Element[] = [];
  const seen: Seen = { chat: [], people: [], gone: [], recording: [], muted: [], ended: [], codecs: 0, metadata: [] };
  const stream = {
    jid: '1a2b3c4d-1@d/r',
    send: (stanza: Element) => void sent.push(parse(serialize(stanza))),
    request: (iq: Element) => {
      sent.push(iq);
      return Promise.resolve(parse("<iq type='result'><conference xmlns='http://jitsi.org/protocol/focus' ready='true' focusjid='focus@auth.d'/></iq>"));
    },
  } as unknown as XmppStream;
  const events: RoomEvents = {
    onParticipant: (p, isNew) => void seen.people.push([p.name, isNew]),
    onGone: (p) => void seen.gone.push(p.id),
    onSelf: () => undefined,
    onChat: (m) => void seen.chat.push(m),
    onRecording: (s) => void seen.recording.push(s),
    onCodecs: () => void seen.codecs++,
    onMetadata: (metadata) => void seen.metadata.push(metadata),
    onMutedBy: (media, actor) => void seen.muted.push(`${media} ${actor}`),
    onJingle: () => 'ok',
    onEnded: (reason) => void seen.ended.push(reason),
  };
  const room = new Room(stream, { room: 'r', muc: 'm', focus: 'focus.d', metadata: 'metadata.d', name: 'Ann & Bea', codecs: ['vp8', 'av1'] }, events);
  return { room, sent, seen, hear: (input) => room.handle(parse(input)), join: room.join() };
}

const presence = (nick: string, inside = '', status = ''): string =>
  `<presence xmlns='jabber:client' from='r@m/${nick}'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' role='participant' jid='${nick}@d/x'/>${status}</x>${inside}</presence>`;

test('joining: allocation and presence in one go, others before oneself, recording known by then', async () => {
  const { room, sent, seen, hear, join } = setUp();
  assert.equal(first(sent[0], 'conference')?.attrs['room'], 'r@m');
  const own = sent[1];
  assert.ok(own);
  assert.equal(own.attrs['to'], 'r@m/1a2b3c4d');
  assert.ok(first(own, 'x', 'http://jabber.org/protocol/muc'));
  assert.equal(text(first(own, 'nick')), 'Ann & Bea');
  assert.equal(text(first(own, 'jitsi_participant_codecList')), 'vp8,av1');
  hear(presence('focus', "<jibri-recording-status xmlns='http://jitsi.org/protocol/jibri' session_id='q' status='on' recording_mode='file'/>"));
  hear(presence('b', "<nick xmlns='http://jabber.org/protocol/nick'>Bob</nick><SourceInfo>{&quot;b-a0&quot;:{&quot;muted&quot;:false}}</SourceInfo>"));
  hear(presence('1a2b3c4d', '', "<status code='110'/>"));
  await join;
  assert.deepEqual(seen.people, [['Bob', true]]);
  assert.equal(seen.recording[0]?.on, true);
  assert.equal(room.participants.get('b')?.sources['b-a0']?.muted, false);
  hear(presence('c', '<audiomuted>true</audiomuted><videomuted>false</videomuted><videoType>desktop</videoType>'));
  assert.deepEqual(room.participants.get('c')?.sources, {
    'c-a0': { muted: true, videoType: 'camera' },
    'c-v0': { muted: false, videoType: 'desktop' },
  });
  hear("<presence xmlns='jabber:client' from='r@m/b' type='unavailable'/>");
  assert.deepEqual(seen.gone, ['b']);
  room.publish({ raisedHandAt: 5 });
  assert.equal(text(first(sent.at(-1), 'jitsi_participant_raisedHand')), '5');
});

test('codecs: what the school allows, and what each member can show', async () => {
  const { room, seen, hear, join } = setUp();
  hear(presence('1a2b3c4d', '', "<status code='110'/>"));
  await join;
  hear(
    presence(
      'focus',
      "<conference-properties xmlns='http://jitsi.org/protocol/focus'><property key='visitor-codecs' value='av1,vp8'/></conference-properties>",
    ),
  );
  assert.deepEqual(room.allowedCodecs, ['av1', 'vp8']);
  hear(presence('b', '<jitsi_participant_codecList>vp9,vp8</jitsi_participant_codecList>'));
  hear(presence('c', '<jitsi_participant_codecType>h264</jitsi_participant_codecType>'));
  hear(presence('d'));
  assert.deepEqual([...room.participants.values()].map((p) => p.codecs), [['vp9', 'vp8'], ['h264'], ['vp8']]);
  const before = seen.codecs;
  hear("<presence xmlns='jabber:client' from='r@m/c' type='unavailable'/>");
  assert.equal(seen.codecs, before + 1);
});

test('metadata counts when it comes from the server', async () => {
  const { seen, hear, join } = setUp();
  hear(presence('1a2b3c4d', '', "<status code='110'/>"));
  await join;
  const said = (from: string, json: string): void =>
    hear(`<message xmlns='jabber:client' from='${from}'><json-message xmlns='http://jitsi.org/jitmeet' room='r@m'>${json}</json-message></message>`);
  said('metadata.d', '{"type":"room_metadata","metadata":{"profile":"voice"}}');
  said('metadata.d', 'nonsense');
  said('metadata.d', '{"metadata":null}');
  said('r@m/5e6f7a8b', '{"type":"room_metadata","metadata":{"profile":"rich"}}');
  assert.deepEqual(seen.metadata, [{ profile: 'voice' }]);
});

test('a refused join says why', async () => {
  const { hear, join } = setUp();
  hear("<presence xmlns='jabber:client' from='r@m/1a2b3c4d' type='error'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>");
  await assert.rejects(join, /service-unavailable/);
});

test('chat: the echo of our own message is not a second one; failures are told', async () => {
  const { room, seen, hear, join } = setUp();
  hear(presence('1a2b3c4d', '', "<status code='110'/>"));
  await join;
  const own = room.sendChat('hello', null);
  hear(`<message xmlns='jabber:client' type='groupchat' from='r@m/1a2b3c4d' id='${own.id}'><body>hello</body></message>`);
  assert.equal(seen.chat.length, 0);
  hear("<message xmlns='jabber:client' type='chat' from='r@m/b' id='p1'><body>psst</body></message>");
  assert.equal(seen.chat[0]?.private, true);
  hear(`<message xmlns='jabber:client' type='error' from='r@m' id='${own.id}'><error type='auth'/></message>`);
  assert.equal(seen.chat[1]?.failed, true);
  assert.equal(seen.chat[1]?.id, own.id);
});

test('only the focus can mute, only requests are answered', async () => {
  const { sent, seen, hear, join } = setUp();
  hear(presence('1a2b3c4d', '', "<status code='110'/>"));
  await join;
  const mute = (from: string): string =>
    `<iq xmlns='jabber:client' type='set' id='1' from='${from}'><mute xmlns='http://jitsi.org/jitmeet/audio' actor='r@m/teacher'>true</mute></iq>`;
  hear(mute('r@m/b'));
  assert.deepEqual(seen.muted, []);
  assert.equal(sent.at(-1)?.attrs['type'], 'error');
  hear(mute('r@m/focus'));
  assert.deepEqual(seen.muted, ['audio teacher']);
  assert.equal(sent.at(-1)?.attrs['type'], 'result');
});

test('kicked and ended are told apart', async () => {
  for (const [status, reason] of [["<status code='307'/>", 'kicked'], ["<destroy><reason>over</reason></destroy>", 'ended']] as const) {
    const { seen, hear, join } = setUp();
    hear(presence('1a2b3c4d', '', "<status code='110'/>"));
    await join;
    hear(`<presence xmlns='jabber:client' from='r@m/1a2b3c4d' type='unavailable'><x xmlns='http://jabber.org/protocol/muc#user'>${status}</x></presence>`);
    assert.deepEqual(seen.ended, [reason]);
  }
});
