import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capabilities, chooseCodec, parseCodecs, sendable } from '../src/media/codecs';
import { activeLayers, applyEncodings, wantedEncodings } from '../src/media/encodings';
import { allowProfile, chooseProfile, chosen, Drawn, FIGURES, portions, profile, profiles } from '../src/media/profile';
import { judge } from '../src/media/quality';
import { addSimulcast, buildOffer, Line, readAnswer, sentSsrcs } from '../src/media/sdp';
import { settle, Slots, streamIdOf } from '../src/media/slots';
import { parseInitiate } from '../src/signalling/jingle';
import { parse } from '../src/signalling/xml';
import { INITIATE } from './fixtures';

const session = parseInitiate(parse(INITIATE));
const send = (mid: string, kind: 'audio' | 'video'): Line => ({ mid, kind, role: 'send', simulcast: kind === 'video', slot: null });
const lines: Line[] = [
  send('0', 'audio'),
  send('1', 'video'),
  { mid: '2', kind: 'audio', role: 'receive', simulcast: false, slot: { ssrc: 11, rtx: 0, streamId: 'bob', trackId: 'audio-11' } },
  { mid: '3', kind: 'video', role: 'receive', simulcast: false, slot: { ssrc: 12, rtx: 13, streamId: 'bob', trackId: 'video-12' } },
  { mid: '4', kind: 'video', role: 'receive', simulcast: false, slot: null },
];

const sectionsOf = (sdp: string): string[] => sdp.split(/\r\n(?=m=)/);

test('an offer has a line for each thing sent and each slot', () => {
  const sdp = buildOffer({ session, lines, version: 3, rids: false });
  const parts = sectionsOf(sdp);
  assert.equal(parts.length, 6);
  assert.match(parts[0] ?? '', /^v=0\r\no=- 1 3 IN/);
  assert.match(sdp, /a=group:BUNDLE 0 1 2 3 4\r\n/);
  // The bridge's own SSRC is in the first line, so that one is sendrecv.
  assert.match(parts[1] ?? '', /a=sendrecv[\s\S]*a=ssrc:1001 msid:mixedmslabel/);
  assert.match(parts[1] ?? '', /a=candidate:2 1 udp 1694498815 198\.51\.100\.7 10000 typ srflx raddr 203\.0\.113\.5 rport 10000 generation 0/);
  assert.match(parts[2] ?? '', /a=recvonly/);
  assert.doesNotMatch(parts[2] ?? '', /simulcast/);
  assert.match(parts[3] ?? '', /a=sendonly[\s\S]*a=msid:bob audio-11/);
  assert.match(parts[4] ?? '', /a=msid:bob video-12\r\na=ssrc-group:FID 12 13/);
  assert.match(parts[5] ?? '', /a=inactive/);
  assert.doesNotMatch(parts[5] ?? '', /a=ssrc/);
  assert.match(parts[2] ?? '', /a=fmtp:96 apt=100/);
  assert.ok(sdp.endsWith('\r\n'));
});

test('RIDs are asked of Firefox only, on lines with simulcast only', () => {
  const parts = sectionsOf(buildOffer({ session, lines, version: 1, rids: true }));
  assert.match(parts[2] ?? '', /a=simulcast:recv 1;2;3/);
  for (const i of [1, 3, 4, 5]) assert.doesNotMatch(parts[i] ?? '', /simulcast/);
});

const ANSWER = [
  'v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0 1',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=ice-ufrag:abcd', 'a=ice-pwd:secret', 'a=fingerprint:sha-256 DD:EE', 'a=setup:active', 'a=mid:0',
  'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level', 'a=ssrc:50 cname:c',
  'm=video 9 UDP/TLS/RTP/SAVPF 100 96', 'a=mid:1', 'a=sendonly', 'a=ssrc-group:FID 60 61', 'a=ssrc:60 cname:c', 'a=ssrc:60 msid:- t',
  'a=ssrc:61 cname:c', 'a=ssrc:61 msid:- t', '',
].join('\r\n');

test('simulcast is added to an answer once, and the same every time', () => {
  let n = 0;
  const random = (): number => ++n / 100;
  const once = addSimulcast(ANSWER, '1', null, random);
  const sent = sentSsrcs(once, '1');
  assert.equal(sent.ssrcs.length, 3);
  assert.equal(sent.ssrcs[0], 60);
  assert.equal(sent.rtx[0], 61);
  assert.equal(new Set([...sent.ssrcs, ...sent.rtx]).size, 6);
  assert.match(once, new RegExp(`a=ssrc:${sent.ssrcs[2]} msid:- t`));
  assert.equal(addSimulcast(once, '1', null, random), once);
  assert.deepEqual(sentSsrcs(addSimulcast(ANSWER, '1', sent, random), '1'), sent);
  assert.deepEqual(sentSsrcs(once, '0'), { ssrcs: [50], rtx: [0] });
});

test("Firefox's three SSRCs without a group are in order", () => {
  const firefox = ANSWER.replace(/a=ssrc-group[\s\S]*$/, [
    'a=ssrc:1 cname:c', 'a=ssrc:4 cname:c', 'a=ssrc:2 cname:c', 'a=ssrc:5 cname:c', 'a=ssrc:3 cname:c', 'a=ssrc:6 cname:c',
    'a=ssrc-group:FID 1 4', 'a=ssrc-group:FID 2 5', 'a=ssrc-group:FID 3 6', '',
  ].join('\r\n'));
  assert.deepEqual(sentSsrcs(firefox, '1'), { ssrcs: [1, 2, 3], rtx: [4, 5, 6] });
});

test('an answer is read back for Jingle', () => {
  const read = readAnswer(ANSWER, session);
  assert.equal(read.transport.ufrag, 'abcd');
  assert.deepEqual(read.transport.fingerprint, { hash: 'sha-256', setup: 'active', value: 'DD:EE' });
  assert.deepEqual(read.media.video.payloads.map((p) => p.id), [100, 96]);
  assert.deepEqual(read.media.audio.extensions.map((e) => e.id), [1]);
  assert.deepEqual(read.media.video.extensions, []);
});

const entry = (source: string, owner: string, ssrc: number, rtx = 0, pair: number | null = null, after: number | null = null) =>
  ({ source, owner, ssrc, rtx, pair, after, videoType: 'camera' as const });

test('slots are added, handed on and never forgotten', () => {
  const slots = new Slots();
  slots.apply('audio', [entry('a-a0', 'a', 1)], []);
  slots.apply('video', [entry('a-v0', 'a', 2, 3), entry('b-v0', 'b', 4, 5)], []);
  assert.equal(slots.fresh().length, 3);
  for (const slot of slots.all) slot.signalled = true;
  assert.deepEqual(slots.apply('video', [entry('a-v0', 'a', 2, 3)], []), []);
  // Two pictures change places: nothing for the browser to do.
  slots.apply('video', [entry('a-v0', 'a', 4, 5), entry('b-v0', 'b', 2, 3)], []);
  assert.deepEqual(slots.all.map((slot) => slot.owner), ['a', 'b', 'a']);
  slots.apply('video', [entry('a-v0', 'a', 2, 3)], []);
  assert.equal(slots.all.find((slot) => slot.ssrc === 4)?.owner, null);
  assert.deepEqual(slots.fresh(), []);
  assert.equal(slots.release((slot) => slot.owner === 'a').length, 2);
  assert.equal(slots.all.length, 3);
});

test('slots of a pair are played in step, whoever they carry', () => {
  const slots = new Slots();
  const spares = [{ ssrc: 7, rtx: 0, pair: 1 }];
  slots.apply('audio', [entry('a-a0', 'a', 1, 0, 0)], spares);
  slots.apply('video', [entry('a-v0', 'a', 2, 3, 0)], [{ ssrc: 8, rtx: 9, pair: 1 }]);
  assert.deepEqual(slots.fresh().map((slot) => [slot.ssrc, slot.streamId, slot.owner]),
    [[1, 'pair-0', 'a'], [7, 'pair-1', null], [2, 'pair-0', 'a'], [8, 'pair-1', null]]);
  for (const slot of slots.all) slot.signalled = true;
  assert.deepEqual(slots.apply('audio', [entry('b-a0', 'b', 7, 0, 1)], spares).map((slot) => slot.ssrc), [7]);
  assert.deepEqual(slots.fresh(), []);
});

test('a picture is not shown under the next one\'s name', () => {
  const slots = new Slots();
  slots.apply('video', [entry('a-v0', 'a', 2, 3, 0)], []);
  assert.deepEqual(slots.waiting(), []);
  const after = 0xffffff00;
  slots.apply('video', [entry('b-v0', 'b', 2, 3, 0, after)], []);
  const [slot] = slots.waiting();
  assert.ok(slot);
  for (const late of [after, after - 1, after - 90_000 * 10]) assert.equal(settle(slot, late), false);
  slots.apply('video', [entry('b-v0', 'b', 2, 3, 0, after)], []);
  assert.equal(slots.waiting().length, 1);
  // Timestamps come round.
  assert.equal(settle(slot, 0x100), true);
  slots.apply('video', [entry('b-v0', 'b', 2, 3, 0, after)], []);
  assert.deepEqual(slots.waiting(), []);
  // A slot that is emptied waits for nothing, and takes up the same source hours later.
  slots.apply('video', [entry('a-v0', 'a', 2, 3, 0, 5)], []);
  slots.release((it) => it.owner === 'a');
  assert.deepEqual(slots.waiting(), []);
  slots.apply('video', [entry('a-v0', 'a', 2, 3, 0, 5)], []);
  assert.equal(settle(slot, 0xf0000000), true);
});

test('of a bridge that names no pairs, a person\'s first slots are played in step, a shared screen alone', () => {
  assert.equal(streamIdOf({ owner: 'a', videoType: 'desktop', pair: null }), 'a-desktop');
  assert.equal(streamIdOf({ owner: 'a', videoType: 'camera', pair: null }), 'a');
});

test('layers follow the limit', () => {
  const rich = FIGURES.rich.cameraRates;
  assert.deepEqual(activeLayers(-1, rich), [true, true, true]);
  assert.deepEqual(activeLayers(2160, rich), [true, true, true]);
  assert.deepEqual(activeLayers(720, rich), [true, true, true]);
  assert.deepEqual(activeLayers(360, rich), [true, true, false]);
  assert.deepEqual(activeLayers(180, rich), [true, false, false]);
  assert.deepEqual(activeLayers(0, rich), [false, false, false]);
  assert.deepEqual(activeLayers(180, [1]), [true]);
});

test('what we send goes by the first payload type of its line', () => {
  const media = { ...session.media.video };
  const vp9 = { id: 101, name: 'VP9', clockrate: 90000, channels: 1, parameters: [], feedback: [] };
  const both = { ...session, media: { ...session.media, video: { ...media, payloads: [...media.payloads, vp9] } } };
  const sdp = buildOffer({ session: both, lines, version: 1, rids: false, codec: 'vp9' });
  const [, , sent, , received] = sectionsOf(sdp);
  assert.match(sent ?? '', /^m=video 9 UDP\/TLS\/RTP\/SAVPF 101 100/);
  assert.match(received ?? '', /^m=video 9 UDP\/TLS\/RTP\/SAVPF 100 /);
  // What tells of layers goes with codecs that need it; everything that comes may have it.
  const uri = 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension';
  both.media.video.extensions = [...media.extensions, { id: 11, uri }];
  for (const [codec, needed] of [['vp8', false], ['vp9', false], ['av1', true], ['h264', true]] as const) {
    const parts = sectionsOf(buildOffer({ session: both, lines, version: 1, rids: false, codec }));
    assert.equal(parts[2]?.includes(`a=extmap:11 ${uri}`), needed);
    assert.ok(parts[4]?.includes(`a=extmap:11 ${uri}`));
  }
});

test('layers are streams of their own, or all in one', () => {
  const wish = { purpose: 'camera', maxHeight: 360, codec: 'vp8', figures: FIGURES.rich, selects: true } as const;
  const vp8 = wantedEncodings(wish, 3);
  assert.deepEqual(vp8.map((e) => e.active), [true, true, false]);
  assert.deepEqual(vp8.map((e) => e.scaleResolutionDownBy), [4, 2, 1]);
  assert.equal(vp8[0]?.scalabilityMode, 'L1T3');
  assert.equal(wantedEncodings({ ...wish, selects: false }, 3)[0]?.scalabilityMode, undefined);
  const modes = [-1, 360, 180].map((maxHeight) => wantedEncodings({ ...wish, maxHeight, codec: 'av1' }, 3));
  assert.deepEqual(modes.map((m) => m[0]?.scalabilityMode), ['L3T3_KEY', 'L2T3_KEY', 'L1T3']);
  assert.deepEqual(modes.map((m) => m[0]?.scaleResolutionDownBy), [1, 2, 4]);
  for (const mode of modes) assert.deepEqual(mode.map((e) => e.active), [true, false, false]);
  assert.deepEqual(wantedEncodings({ ...wish, maxHeight: 0, codec: 'vp9' }, 3).map((e) => e.active), [false, false, false]);
  assert.deepEqual(wantedEncodings({ ...wish, codec: 'vp9', selects: false }, 3).map((e) => e.active), [true, true, false]);
  assert.equal(wantedEncodings(wish, 1)[0]?.active, true);
});

test('a screen is sent in its whole height only, with all pictures and with few for less', () => {
  const wish = { purpose: 'desktop', maxHeight: -1, codec: 'vp8', figures: FIGURES.rich, selects: true } as const;
  for (const codec of ['vp8', 'h264', 'vp9', 'av1'] as const) {
    const encodings = wantedEncodings({ ...wish, codec }, 3);
    assert.deepEqual(encodings.map((e) => e.active), [true, true, true]);
    assert.deepEqual(encodings.map((e) => e.scaleResolutionDownBy), [1, 1, 1]);
    assert.deepEqual(encodings.map((e) => e.scalabilityMode), ['L1T3', 'L1T3', 'L1T3']);
    assert.deepEqual(encodings.map((e) => e.maxBitrate), [200_000, 600_000, 2_000_000]);
    assert.deepEqual(encodings.map((e) => e.maxFramerate), [5, 5, 15]);
    // Who draws it small needs few pictures, and nobody none.
    const active = (maxHeight: number): boolean[] => wantedEncodings({ ...wish, codec, maxHeight }, 3).map((e) => e.active === true);
    assert.deepEqual([720, 360, 180, 0].map(active), [[true, true, true], [true, true, true], [true, false, false], [false, false, false]]);
  }
  const normal = wantedEncodings({ ...wish, figures: FIGURES.normal }, 3);
  assert.deepEqual(normal.map((e) => [e.active, e.maxBitrate]), [[false, 30_000], [true, 100_000], [true, 400_000]]);
  // One stream of half the height.
  const lone = (codec: 'vp8' | 'av1'): unknown[] => wantedEncodings({ ...wish, codec, figures: FIGURES.light }, 3)
    .map((e) => [e.active, e.maxFramerate, e.scaleResolutionDownBy]);
  assert.deepEqual(lone('vp8'), [[false, 5, 2], [true, 5, 2], [false, 5, 2]]);
  assert.deepEqual(lone('av1'), [[true, 5, 2], [false, 5, 2], [false, 5, 2]]);
  // Without temporal layers: smaller pictures for those who have less.
  assert.deepEqual(wantedEncodings({ ...wish, selects: false }, 3).map((e) => e.scaleResolutionDownBy), [4, 2, 1]);
});

test('all send what the last who joined can show', () => {
  const order = parseCodecs('av1, VP9,h264,vp8,theora');
  assert.deepEqual(order, ['av1', 'vp9', 'h264', 'vp8']);
  assert.deepEqual(parseCodecs('h264 vp8'), ['h264', 'vp8']);
  assert.equal(chooseCodec(order, ['vp8', 'vp9', 'av1'], []), 'av1');
  assert.equal(chooseCodec(order, ['vp8', 'vp9'], [['vp8', 'av1', 'vp9']]), 'vp9');
  assert.equal(chooseCodec(order, ['vp8', 'vp9', 'av1'], [['vp8', 'av1', 'vp9'], ['vp8', 'h264']]), 'vp8');
  assert.equal(chooseCodec(['h264'], ['vp8'], []), 'vp8');
  const codecs = [
    { mimeType: 'video/VP8' },
    { mimeType: 'video/rtx' },
    { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=0;profile-level-id=42001f' },
    { mimeType: 'video/AV1' },
  ];
  assert.deepEqual(capabilities({ getCapabilities: () => ({ codecs }) }), ['vp8', 'av1']);
  assert.deepEqual(capabilities({ getCapabilities: () => null }), ['vp8']);
  assert.deepEqual(sendable(['vp8', 'vp9', 'av1'], true), ['vp8', 'av1']);
  assert.deepEqual(sendable(['vp8', 'vp9', 'av1'], false), ['vp8', 'vp9', 'av1']);
});

test('quality in three words', () => {
  assert.equal(judge(0, 40), 'good');
  assert.equal(judge(0.05, 40), 'fair');
  assert.equal(judge(0, 600), 'fair');
  assert.equal(judge(0.2, 40), 'poor');
});

test('a device keeps to less than its class allows, never to more', () => {
  assert.equal(profile.value, 'rich');
  chooseProfile('light');
  assert.equal(profile.value, 'light');
  allowProfile('voice');
  assert.equal(profile.value, 'voice');
  allowProfile('normal');
  assert.equal(profile.value, 'light');
  chooseProfile(null);
  assert.equal(profile.value, 'normal');
  assert.equal(chosen.value, null);
  allowProfile('cinema');
  assert.equal(profile.value, 'rich');
  assert.deepEqual(profiles.filter((one) => FIGURES[one].stage > 0), ['light', 'normal', 'rich']);
});

test('what is asked for follows the profile: the stage first, then cameras that are on', () => {
  const camera = (source: string, on: boolean, onStage = false): Drawn => ({ source, height: 720, kind: 'camera', onStage, on });
  const drawn: Drawn[] = [
    camera('a', false), camera('b', true), camera('c', true), camera('d', true), camera('e', true), camera('f', true),
    { source: 'screen', height: 720, kind: 'desktop', onStage: false, on: true }, camera('teacher', true, true),
  ];
  assert.deepEqual(portions(drawn, FIGURES.voice), { screen: { maxHeight: 360, maxFrameRate: 2 } });
  assert.deepEqual(portions(drawn, FIGURES.light), {
    screen: { maxHeight: 360, maxFrameRate: 5 }, teacher: { maxHeight: 180, maxFrameRate: 15 },
  });
  const normal = portions(drawn, FIGURES.normal);
  assert.deepEqual(Object.keys(normal), ['b', 'c', 'd', 'e', 'screen', 'teacher']);
  assert.deepEqual(normal['b'], { maxHeight: 180, maxFrameRate: 20 });
  assert.deepEqual(normal['teacher'], { maxHeight: 360, maxFrameRate: 20 });
  assert.deepEqual(Object.values(portions(drawn, FIGURES.rich)), drawn.map(() => ({ maxHeight: 720 })));
  // Nobody on a stage: the first whose camera is on is the large one.
  assert.deepEqual(portions(drawn.slice(0, 3), FIGURES.light), { b: { maxHeight: 180, maxFrameRate: 15 } });
});

test('a screen keeps its lines where it is encoded', async () => {
  for (const [purpose, preference] of [['desktop', 'maintain-resolution'], ['camera', undefined]] as const) {
    let set: RTCRtpSendParameters | null = null;
    const parameters = { encodings: [{}], codecs: [] } as unknown as RTCRtpSendParameters;
    const sender = { getParameters: () => parameters, setParameters: async (given: RTCRtpSendParameters) => void (set = given) };
    const wish = { purpose, maxHeight: -1, codec: 'vp8', figures: FIGURES.rich, selects: true } as const;
    await applyEncodings(sender as unknown as RTCRtpSender, wish);
    assert.equal((set as RTCRtpSendParameters | null)?.degradationPreference, preference);
    set = null;
    await applyEncodings(sender as unknown as RTCRtpSender, wish);
    assert.equal(set, null, 'nothing changes a second time');
  }
});

test('a sender keeps to its profile', () => {
  const wish = { purpose: 'camera', maxHeight: -1, codec: 'vp8', figures: FIGURES.light, selects: true } as const;
  const light = wantedEncodings(wish, 3);
  assert.deepEqual(light.map((e) => e.active), [true, false, false]);
  assert.equal(light[0]?.maxBitrate, 60_000);
  assert.equal(light[0]?.maxFramerate, 15);
  assert.deepEqual(wantedEncodings({ ...wish, figures: FIGURES.voice }, 3).map((e) => e.active), [false, false, false]);
  assert.deepEqual(wantedEncodings({ ...wish, figures: FIGURES.normal, maxHeight: 720 }, 3).map((e) => e.active), [true, true, false]);
  // A screen's one layer is sent however little of it is wished.
  const screen = wantedEncodings({ ...wish, purpose: 'desktop', maxHeight: 180 }, 3);
  assert.deepEqual(screen.map((e) => e.active), [false, true, false]);
  assert.equal(screen[1]?.maxBitrate, 150_000);
  const layered = wantedEncodings({ ...wish, purpose: 'desktop', codec: 'vp9' }, 3)[0];
  assert.deepEqual([layered?.active, layered?.scalabilityMode, layered?.scaleResolutionDownBy, layered?.maxBitrate], [true, 'L1T3', 2, 150_000]);
  const alone = wantedEncodings(wish, 1)[0];
  assert.deepEqual([alone?.active, alone?.scaleResolutionDownBy, alone?.maxBitrate], [true, 4, 60_000]);
  const rich = wantedEncodings({ ...wish, figures: FIGURES.rich }, 3);
  assert.deepEqual(rich.map((e) => [e.maxBitrate, e.maxFramerate]), [[200_000, undefined], [500_000, undefined], [1_500_000, undefined]]);
});

test('the offer says how to speak, alike in all lines', () => {
  const voice = FIGURES.voice.voice;
  const parts = sectionsOf(buildOffer({ session, lines, version: 1, rids: false, voice })).filter((part) => part.startsWith('m=audio'));
  assert.equal(parts.length, 2);
  for (const part of parts) {
    assert.match(part, /a=fmtp:111 .*useinbandfec=1;.*ptime=60;maxptime=120;stereo=0;maxplaybackrate=16000;maxaveragebitrate=20000;usedtx=1\r\n/);
    assert.match(part, /\r\na=ptime:60\r\na=maxptime:120\r\n/);
  }
  assert.doesNotMatch(buildOffer({ session, lines, version: 1, rids: false }), /ptime:/);
});
