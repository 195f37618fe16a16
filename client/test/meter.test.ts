import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataMeter, expected, Keep, MEGABYTE, Step, stepOf } from '../src/classroom/meter';
import { counted, fetchedBytes, MediaCounter, OPENING } from '../src/media/traffic';
import { allowProfile, below, chooseProfile, limitProfile, profile } from '../src/media/profile';
import type { Socket } from '../src/signalling/stream';

class Kept implements Keep {
  readonly all = new Map<string, string>();
  getItem = (key: string): string | null => this.all.get(key) ?? null;
  setItem = (key: string, value: string): void => void this.all.set(key, value);
  removeItem = (key: string): void => void this.all.delete(key);
}

const local = (more: object): [string, object] => ['l', { type: 'local-candidate', address: '192.0.2.1', protocol: 'udp', ...more }];
const pair = (more: object): [string, object] => ['p', { type: 'candidate-pair', localCandidateId: 'l', nominated: true, ...more }];

test('media is counted with the headers below it, and only what is new', () => {
  const counter = new MediaCounter();
  const first = counter.take([local({}), pair({ bytesReceived: 1_000, packetsReceived: 10, bytesSent: 500, packetsSent: 5 })]);
  assert.deepEqual(first, { down: 1_000 + 10 * 28, up: 500 + 5 * 28 });
  const same = counter.take([local({}), pair({ bytesReceived: 1_000, packetsReceived: 10, bytesSent: 500, packetsSent: 5 })]);
  assert.deepEqual(same, { down: 0, up: 0 });
  const next = counter.take([local({}), pair({ bytesReceived: 1_100, packetsReceived: 11, bytesSent: 500, packetsSent: 5 })]);
  assert.deepEqual(next, { down: 128, up: 0 });
});

test('IPv6, streams and relays cost more', () => {
  const take = (more: object): { down: number; up: number } =>
    new MediaCounter().take([local(more), pair({ bytesReceived: 0, packetsReceived: 0, bytesSent: 100, packetsSent: 1 })]);
  assert.deepEqual(take({ address: '2001:db8::1' }), { down: 0, up: 148 });
  assert.deepEqual(take({ protocol: 'tcp' }), { down: 26, up: 154 });
  assert.deepEqual(take({ relayProtocol: 'udp' }), { down: 0, up: 132 });
  assert.deepEqual(take({ relayProtocol: 'tls' }), { down: 26, up: 178 });
});

test('checks of the path count, which browsers leave out', () => {
  const bytes = new MediaCounter().take([local({}), pair({ packetsSent: 0, requestsSent: 2, consentRequestsSent: 1, responsesReceived: 3 })]);
  assert.deepEqual(bytes, { down: 3 * (64 + 28), up: 3 * (104 + 28) });
});

test('where a path has no count of packets, the streams give it', () => {
  const bytes = new MediaCounter().take([
    local({}), pair({ bytesReceived: 1_000, bytesSent: 200 }), ['i', { type: 'inbound-rtp', packetsReceived: 10 }], ['o', { type: 'outbound-rtp', packetsSent: 2 }],
  ]);
  assert.deepEqual(bytes, { down: 1_280, up: 256 });
});

test('where several paths are called the chosen one, each packet is counted once, on that which carries', () => {
  const counter = new MediaCounter();
  const at = (first: number, second: number, packets: number): [string, object][] => [
    local({}), ['l6', { type: 'local-candidate', address: '2001:db8::1', protocol: 'udp' }], pair({ bytesReceived: first, bytesSent: 0 }),
    ['q', { type: 'candidate-pair', localCandidateId: 'l6', nominated: true, bytesReceived: second, bytesSent: 0 }],
    ['i', { type: 'inbound-rtp', packetsReceived: packets }],
  ];
  assert.deepEqual(counter.take(at(1_000, 10, 10)), { down: 1_010 + 10 * 28, up: 0 });
  assert.deepEqual(counter.take(at(1_000, 10, 10)), { down: 0, up: 0 });
  assert.deepEqual(counter.take(at(1_000, 510, 15)), { down: 500 + 5 * 48, up: 0 });
});

test('sockets count what passes, and pass it', () => {
  const sent: string[] = [];
  const inner: Socket = {
    onopen: null, onmessage: null, onclose: null, onerror: null, send: (data) => void sent.push(data), close: () => undefined,
  };
  let down = 0;
  let up = 0;
  const socket = counted(() => inner, (bytes) => {
    down += bytes.down;
    up += bytes.up;
  })('wss://d', []);
  assert.deepEqual([down, up], [OPENING.down, OPENING.up]);
  const heard: unknown[] = [];
  socket.onmessage = (event) => heard.push(event.data);
  inner.onmessage?.({ data: 'x'.repeat(100) });
  assert.deepEqual(heard, ['x'.repeat(100)]);
  assert.ok(down - OPENING.down > 100 && down - OPENING.down < 250);
  socket.send('y'.repeat(10_000));
  assert.equal(sent.length, 1);
  assert.ok(up - OPENING.up < 5_000, 'long texts travel compressed');
});

test('what comes out of the cache costs nothing', () => {
  assert.deepEqual(fetchedBytes([0, 0]), { down: 0, up: 0 });
  const { down, up } = fetchedBytes([10_000]);
  assert.ok(down > 10_000 && down < 11_000 && up > 0 && up < 1_000);
});

test('the limit has two steps and can be lifted', () => {
  assert.equal(stepOf(7.9 * MEGABYTE, 10, false), 'free');
  assert.equal(stepOf(8 * MEGABYTE, 10, false), 'near');
  assert.equal(stepOf(10 * MEGABYTE, 10, false), 'reached');
  assert.equal(stepOf(90 * MEGABYTE, 10, true), 'free');
  assert.equal(stepOf(90 * MEGABYTE, null, false), 'free');
});

test('the sum goes on over a reload, on the same day and in the same lesson', () => {
  const session = new Kept();
  const device = new Kept();
  let now = new Date(2026, 4, 4, 9).getTime();
  const open = (lesson: string): { meter: DataMeter; steps: Step[] } => {
    const steps: Step[] = [];
    const meter = new DataMeter({ session, device, now: () => now, onStep: (step) => steps.push(step) });
    meter.begin(lesson);
    return { meter, steps };
  };
  const first = open('a');
  first.meter.setCap(1);
  first.meter.add({ down: 800_000, up: 50_000 });
  first.meter.tick();
  assert.deepEqual(first.steps, ['near']);
  const again = open('a');
  assert.deepEqual([again.meter.use.value.down, again.meter.use.value.up, again.meter.use.value.cap], [800_000, 50_000, 1]);
  again.meter.add({ down: 200_000, up: 0 });
  again.meter.tick();
  assert.deepEqual(again.steps, ['reached']);
  again.meter.lift();
  assert.deepEqual(again.steps, ['reached', 'free']);
  const lifted = open('a');
  lifted.meter.tick();
  assert.deepEqual(lifted.steps, [], 'stays lifted in this lesson');
  assert.equal(open('b').meter.use.value.down, 0);
  now += 86_400_000;
  assert.equal(open('a').meter.use.value.down, 0);
  assert.equal(open('a').meter.use.value.cap, 1, 'the limit is the device\'s');
});

test('rate over the last minute, and what the lesson will take', () => {
  let now = 1_000_000;
  const meter = new DataMeter({ session: null, device: null, now: () => now, onStep: () => undefined });
  for (let i = 0; i <= 60; i++) {
    meter.tick();
    meter.add({ down: i < 30 ? 50_000 : 5_000, up: 0 });
    now += 5_000;
  }
  const { rate } = meter.use.value;
  assert.ok(Math.abs(rate - 8_000) < 200, `${rate}`);
  const use = { down: 1_000_000, up: 0, rate: 8_000 };
  assert.equal(expected(use, 0, 1_000_000), 2_000_000);
  assert.equal(expected(use, 0, null), null);
  assert.equal(expected(use, 5, 4), null);
});

test('a limit on data lowers the profile for now and is no choice', () => {
  chooseProfile('normal');
  limitProfile('light');
  assert.equal(profile.value, 'light');
  limitProfile('rich');
  assert.equal(profile.value, 'normal', 'never above what somebody chose');
  allowProfile('voice');
  limitProfile(null);
  assert.equal(profile.value, 'voice', 'nor above the class');
  allowProfile(null);
  chooseProfile(null);
  assert.equal(profile.value, 'rich');
  assert.deepEqual([below('rich'), below('light'), below('voice')], ['normal', 'voice', 'voice']);
});
