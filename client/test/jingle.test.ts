import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  buildAccept, buildIceAnswer, buildIceRestart, buildSourceChange, buildTerminate, JingleError, parseIceRestart, parseInitiate,
  parseSources, Source,
} from '../src/signalling/jingle';
import { elements, first, parse, serialize } from '../src/signalling/xml';
import { INITIATE } from './fixtures';

const CAMERA: Source = { name: 'a-v0', kind: 'video', videoType: 'camera', msid: 's t', ssrcs: [1, 2, 3], rtx: [4, 5, 6] };
const VOICE: Source = { name: 'a-a0', kind: 'audio', videoType: 'camera', msid: 's u', ssrcs: [7], rtx: [0] };

test('a session-initiate becomes a neutral session', () => {
  const session = parseInitiate(parse(INITIATE));
  assert.equal(session.sid, 's1');
  assert.equal(session.bridgeSession, 'bs1');
  assert.deepEqual(session.webSockets, ['wss://d/colibri-ws/s/c/1a2b3c4d?pwd=x']);
  assert.equal(session.extmapAllowMixed, true);
  assert.equal(session.transport.candidates.length, 2);
  assert.equal(session.transport.candidates[1]?.relatedAddress, '203.0.113.5');
  assert.deepEqual(session.media.audio.payloads[0]?.parameters, [
    { name: 'minptime', value: '10' },
    { name: 'useinbandfec', value: '1' },
  ]);
  assert.deepEqual(session.media.video.payloads[0]?.feedback, [
    { type: 'nack', subtype: '' },
    { type: 'nack', subtype: 'pli' },
  ]);
  assert.deepEqual(session.sources, [
    { ssrc: 1001, name: 'jvb-a0', owner: 'jvb', msid: 'mixedmslabel mixedlabelaudio0', videoType: 'camera', kind: 'audio', rtx: 0 },
    { ssrc: 2001, name: 'b-v0', owner: 'b', msid: 'st tr', videoType: 'desktop', kind: 'video', rtx: 2002 },
  ]);
});

test('sources in JSON are the same as in XML', () => {
  const body =
    '{"sources":{"b":[[{"s":"2001","n":"b-v0","m":"st tr","v":"d"},{"s":2002,"n":"b-v0","m":"st tr"}],[["f","2001","2002"]],[{"s":"9","n":"b-a0","m":"x y"}]]}}';
  const found = parseSources(
    parse(`<jingle xmlns='urn:xmpp:jingle:1'><json-message xmlns='http://jitsi.org/jitmeet'>${body.replace(/"/g, '&quot;')}</json-message></jingle>`),
  );
  assert.deepEqual(found.map((s) => [s.name, s.kind, s.ssrc, s.rtx, s.videoType]), [
    ['b-v0', 'video', 2001, 2002, 'desktop'],
    ['b-a0', 'audio', 9, 0, 'camera'],
  ]);
});

test('JSON that makes no sense gives no sources', () => {
  for (const body of ['', '{', 'null', '7', '{"sources":7}', '{"sources":{"b":[[7,null,{}],[[]],"x"]}}']) {
    const message = `<jingle xmlns='urn:xmpp:jingle:1'><json-message xmlns='http://jitsi.org/jitmeet'>${body.replace(/"/g, '&quot;')}</json-message></jingle>`;
    assert.deepEqual(parseSources(parse(message)), []);
  }
});

test('an ICE restart is asked for, read and answered', () => {
  const session = parseInitiate(parse(INITIATE));
  const asked = first(parse(serialize(buildIceRestart(session))), 'bridge-session');
  assert.deepEqual([asked?.attrs['id'], asked?.attrs['ice-restart']], ['bs1', 'true']);
  const push = (transport: string): ReturnType<typeof parseIceRestart> =>
    parseIceRestart(parse(`<jingle xmlns='urn:xmpp:jingle:1' action='transport-info' sid='s1'><content name='audio'>
      <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ${transport}><candidate ip='192.0.2.1' port='10000' protocol='udp'
      priority='1' foundation='1' component='1' type='host'/></transport></content></jingle>`));
  const restart = push("ice-generation='2' ufrag='0abcdefgh' pwd='p'");
  assert.deepEqual([restart?.generation, restart?.ufrag, restart?.pwd, restart?.candidates[0]?.ip], [2, '0abcdefgh', 'p', '192.0.2.1']);
  for (const wrong of ['', "ufrag='u' pwd='p'", "ice-generation='0' ufrag='u' pwd='p'", "ice-generation='x' ufrag='u' pwd='p'", "ice-generation='1' ufrag='u'"]) {
    assert.equal(push(wrong), null);
  }
  const answer = parse(serialize(buildIceAnswer(session, 2, { ufrag: 'mine', pwd: 'secret' })));
  const transport = elements(first(answer, 'content')!, 'transport')[0];
  assert.equal(answer.attrs['sid'], 's1');
  assert.deepEqual([transport?.attrs['ufrag'], transport?.attrs['pwd'], transport?.attrs['ice-generation']], ['mine', 'secret', '2']);
});

test('an offer that cannot be answered is refused', () => {
  assert.throws(() => parseInitiate(parse("<jingle xmlns='urn:xmpp:jingle:1' sid='x'/>")), JingleError);
  assert.throws(() => parseInitiate(parse(INITIATE.replace(/<fingerprint.*?<\/fingerprint>/g, ''))), JingleError);
});

test('nothing in an offer can break out of its SDP line', () => {
  const session = parseInitiate(parse(INITIATE.replace("name='opus'", "name='opus&#10;a=evil'")));
  assert.equal(session.media.audio.payloads[0]?.name.includes('\n'), false);
});

test('a session-accept says what we send', () => {
  const session = parseInitiate(parse(INITIATE));
  const answer = {
    transport: { ufrag: 'u', pwd: 'p', fingerprint: { hash: 'sha-256', setup: 'active', value: 'CC' }, candidates: [] },
    media: session.media,
    sources: [VOICE, CAMERA],
  };
  const accept = parse(serialize(buildAccept(session, 'me@d/x', answer)));
  assert.equal(accept.attrs['action'], 'session-accept');
  assert.equal(accept.attrs['responder'], 'me@d/x');
  const [audio, video] = elements(accept, 'content');
  assert.equal(first(first(audio, 'transport'), 'fingerprint')?.attrs['setup'], 'active');
  const description = first(video, 'description');
  assert.ok(description);
  assert.equal(elements(description, 'source').length, 6);
  assert.deepEqual(
    elements(description, 'ssrc-group').map((g) => [g.attrs['semantics'], elements(g).map((s) => s.attrs['ssrc']).join()]),
    [['SIM', '1,2,3'], ['FID', '1,4'], ['FID', '2,5'], ['FID', '3,6']],
  );
  // Stock clients look namespaces up as literal attributes on every one of these.
  for (const element of elements(description)) {
    if (['source', 'ssrc-group', 'rtp-hdrext'].includes(element.name)) assert.ok(element.attrs['xmlns']);
  }
  // What we say we send is read by others as one source, its first layer.
  assert.deepEqual(parseSources(accept).map((s) => [s.name, s.ssrc, s.rtx]), [['a-a0', 7, 0], ['a-v0', 1, 4]]);
});

test('source-add and session-terminate', () => {
  const session = parseInitiate(parse(INITIATE));
  const add = parse(serialize(buildSourceChange('source-add', session, [{ ...CAMERA, name: 'a-v1', videoType: 'desktop' }])));
  assert.deepEqual(elements(add, 'content').map((c) => c.attrs['name']), ['video']);
  const source = first(first(first(add, 'content'), 'description'), 'source');
  assert.equal(source?.attrs['videoType'], 'desktop');
  const end = parse(serialize(buildTerminate(session, 'connectivity-error', true)));
  assert.equal(first(end, 'bridge-session')?.attrs['restart'], 'true');
  assert.ok(first(first(end, 'reason'), 'connectivity-error'));
});
