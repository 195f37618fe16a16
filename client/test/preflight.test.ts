import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adopted } from '../src/preflight/adopt';
import { largestScript } from '../src/preflight/download';
import { Sample, sampleOf, summarise, wayOf } from '../src/preflight/measure';
import { judgeLine, Measurement } from '../src/preflight/verdict';

const line = (change: Partial<Measurement>): Measurement => ({
  online: true, way: { kind: 'udp', address: '192.0.2.1', port: 10000 }, host: 'class.test', udpPort: 10000, tcpPort: 10000,
  rttMs: 40, jitterMs: 10, lossDown: 0, lossUp: 0, down: 450_000, up: 450_000, tried: 460_000, spent: { down: 300_000, up: 300_000 }, fetched: 0, ...change,
});
const judged = (change: Partial<Measurement>, saving = false): unknown[] => {
  const { finding, profile } = judgeLine(line(change), saving);
  return [finding, profile];
};

test('thresholds: pieces below 16 kb/s, voices to 120, small pictures to 350, all above', () => {
  assert.deepEqual(judged({ down: 15_000 }), ['barely', 'voice']);
  assert.deepEqual(judged({ down: 17_000 }), ['voice', 'voice']);
  assert.deepEqual(judged({ down: 119_000 }), ['voice', 'voice']);
  assert.deepEqual(judged({ down: 121_000 }), ['small', 'light']);
  assert.deepEqual(judged({ down: 349_000 }), ['small', 'light']);
  assert.deepEqual(judged({ down: 360_000 }), ['all', 'normal']);
  assert.deepEqual(judged({}), ['all', null], 'all that was tried came: nothing is held back');
});

test('what one sends counts as well', () => {
  assert.deepEqual(judged({ up: 99_000 }), ['small', 'light']);
  assert.deepEqual(judged({ up: 130_000, down: 2_000_000 }), ['all', 'normal']);
  assert.deepEqual(judgeLine(line({ up: 20_000 }), false).remarks, ['upload']);
});

test('loss and delay are said, much loss costs pictures', () => {
  assert.deepEqual(judgeLine(line({ lossDown: 0.05, rttMs: 600 }), false).remarks, ['loss', 'slow']);
  assert.deepEqual(judged({ lossDown: 0.05 }), ['all', 'normal']);
  assert.deepEqual(judged({ lossUp: 0.15 }), ['small', 'light']);
  assert.deepEqual(judged({ lossUp: 0.3 }), ['voice', 'voice']);
});

test('what is shut is named, and nothing is chosen where nothing was measured', () => {
  assert.deepEqual(judged({ way: null }), ['blocked', undefined]);
  assert.deepEqual(judged({ way: null, online: false }), ['unreachable', undefined]);
  assert.deepEqual(judgeLine(line({ way: { kind: 'tcp', address: '', port: 1 } }), false).remarks, ['detour']);
  assert.deepEqual(judgeLine(line({ way: { kind: 'relay-tls', address: '', port: 1 } }), false).remarks, ['relay']);
});

test('who saves data gets small pictures at most', () => {
  assert.deepEqual(judged({ down: 250_000, up: 250_000, tried: 260_000 }, true), ['small', 'light']);
  assert.deepEqual(judgeLine(line({}), true).remarks, ['saving']);
});

test('a measurement changes what one before chose, and never raises what was chosen by hand', () => {
  assert.equal(adopted('light', null, null), 'light');
  assert.equal(adopted(null, 'light', 'light'), null);
  assert.equal(adopted('normal', 'voice', 'voice'), 'normal');
  assert.equal(adopted('normal', 'voice', null), 'voice');
  assert.equal(adopted('voice', 'normal', null), 'voice');
  assert.equal(adopted(null, 'voice', 'light'), 'voice');
});

const sample = (at: number, change: Partial<Sample>): Sample => ({
  at, way: null, rttMs: 40, jitterMs: 5, bytesDown: 0, bytesUp: 0, received: 0, lostDown: 0, sent: 0, lostUp: 0, ...change,
});
/** Samples every half second; `kbps` of each way by time. */
function course(down: (i: number) => number, up: (i: number) => number, rtt: (i: number) => number, loss: number): Sample[] {
  const out: Sample[] = [];
  let now = sample(0, { rttMs: rtt(0) });
  for (let i = 0; i < 16; i++) {
    out.push(now);
    const packets = down(i) / 20;
    now = sample(now.at + 500, {
      rttMs: rtt(i + 1), bytesDown: now.bytesDown + (down(i) * 500) / 8, bytesUp: now.bytesUp + (up(i) * 500) / 8,
      received: now.received + packets * (1 - loss), lostDown: now.lostDown + packets * loss, sent: now.sent + up(i) / 20, lostUp: now.lostUp,
    });
  }
  return out;
}

test('the rate is the best that was kept up, not that of a burst', () => {
  const steady = summarise(course(() => 200, () => 210, () => 40, 0));
  assert.deepEqual([Math.round(steady.down), Math.round(steady.up)], [200_000, 210_000]);
  const burst = summarise(course((i) => (i === 5 ? 600 : 90), () => 90, () => 40, 0));
  assert.ok(burst.down < 300_000, `${burst.down}`);
  const gone = summarise(course((i) => (i < 6 ? 90 : 0), () => 250, () => 40, 0));
  assert.equal(Math.round(gone.down), 90_000, 'a picture that the bridge gave up later still tells');
});

test('loss of the way is told from loss by filling it', () => {
  assert.ok(Math.abs(summarise(course(() => 400, () => 400, () => 40, 0.08)).lossDown - 0.08) < 0.001);
  const narrow = summarise(course(() => 400, () => 400, (i) => (i < 5 ? 40 : 340), 0.08));
  assert.ok(narrow.lossDown > 0.07, 'of the calm beginning');
  const filled = course(() => 400, () => 400, (i) => (i < 5 ? 40 : 340), 0).map((one, i) => ({ ...one, lostDown: i < 5 ? 0 : i * 10 }));
  assert.equal(summarise(filled).lossDown, 0);
  assert.equal(summarise([]).lossDown, 0);
});

test('the way is that of the pair that carries; sums are over all pairs', () => {
  const reports = new Map<string, Record<string, unknown>>([
    ['l', { type: 'local-candidate', protocol: 'udp', candidateType: 'relay', relayProtocol: 'tls' }],
    ['r', { type: 'remote-candidate', address: '192.0.2.7', port: 10000 }],
    ['idle', { type: 'candidate-pair', nominated: true, bytesSent: 0, bytesReceived: 7 }],
    ['used', { type: 'candidate-pair', nominated: true, bytesSent: 90, bytesReceived: 5, localCandidateId: 'l', remoteCandidateId: 'r', currentRoundTripTime: 0.2 }],
    ['sent', { type: 'outbound-rtp', packetsSent: 9 }],
    ['told', { type: 'remote-inbound-rtp', packetsLost: 2, roundTripTime: 0.3 }],
    ['heard', { type: 'inbound-rtp', packetsReceived: 8, packetsLost: 1, jitter: 0.01 }],
  ]);
  assert.deepEqual(wayOf(reports)?.way, { kind: 'relay-tls', address: '192.0.2.7', port: 10000 });
  assert.deepEqual(sampleOf(1, reports, reports), {
    at: 1, way: { kind: 'relay-tls', address: '192.0.2.7', port: 10000 }, rttMs: 300, jitterMs: 10, bytesUp: 90, bytesDown: 12,
    received: 8, lostDown: 1, sent: 9, lostUp: 2,
  });
  assert.equal(wayOf(new Map()), null);
});

test('what is fetched anew is the largest script of our own server', () => {
  const entry = (name: string, encodedBodySize: number, decodedBodySize: number) => ({ name, encodedBodySize, decodedBodySize });
  const all = [
    entry('https://d/assets/a.js', 30_000, 90_000), entry('https://d/assets/b.js', 10_000, 20_000), entry('https://d/assets/c.css', 90_000, 90_000),
    entry('https://d.example/x.js', 99_000, 99_000), entry('https://d/assets/empty.js', 0, 0),
  ];
  assert.deepEqual(largestScript(all, 'https://d'), { url: 'https://d/assets/a.js', ratio: 1 / 3 });
  assert.equal(largestScript([], 'https://d'), null);
});
