/* Measures the way to the class: one end sends a picture of our own making to the bridge, the other gets it back, as two people
 * in a class would. What the two see of it is what a class would see. */
import type { Join } from '../api';
import { num, type Report } from '../media/reports';
import { Bytes, MediaCounter, sum } from '../media/traffic';
import { downloadRate } from './download';
import { End } from './end';
import { testPicture } from './picture';
import { WHOLE, type Measurement, type Way, type WayKind } from './verdict';

export type Stage = 'joining' | 'connecting' | 'measuring';

export interface Progress {
  stage: Stage;
  /** From 0 to 1. */
  part: number;
}

/** The picture's rate in steps, so that a narrow way is seen before it is flooded; each lasts as long. */
const STEPS = [110_000, 260_000, 460_000];
const STEP_MS = 2_700;
/** The last step goes on for so long where it nearly came: an encoder on a slow computer takes its time. */
const MORE_MS = 4_000;
const NEAR = 0.5;
/** Those who save data learn no more than whether small pictures go. */
const SPARING_STEPS = 2;
/** Bytes after which it ends early, whatever was learnt: a second more is under way then. */
const BUDGET = 1_350_000;
const SPARING_BUDGET = 450_000;
/** Over the slowest line, or until a relay was tried. The server gives the whole three quarters of a minute. */
const CONNECT_MS = 25_000;
const SAMPLE_MS = 500;
/** A rate counts that was kept up for so many samples: a burst that a queue took is none. */
const WINDOW = 3;
/** Answers that come later by this waited in a queue. */
const QUEUE_MS = 50;
/** As much as another rate, within what such measurements are worth. */
const FULL = 0.75;

export interface Sample {
  at: number;
  way: Way | null;
  rttMs: number;
  jitterMs: number;
  bytesDown: number;
  bytesUp: number;
  received: number;
  lostDown: number;
  sent: number;
  lostUp: number;
}

function kindOf(local: Report): WayKind {
  const relay = local['relayProtocol'];
  if (local['candidateType'] === 'relay') return relay === 'tls' ? 'relay-tls' : relay === 'tcp' ? 'relay-tcp' : 'relay-udp';
  return local['protocol'] === 'tcp' ? 'tcp' : 'udp';
}

/** The pair that carried most: browsers nominate more than one. */
export function wayOf(reports: ReadonlyMap<string, Report>): { way: Way; pair: Report } | null {
  let best: Report | null = null;
  for (const pair of reports.values()) {
    if (pair['type'] === 'candidate-pair' && pair['nominated'] === true && num(pair['bytesSent']) > num(best?.['bytesSent'])) best = pair;
  }
  if (!best) return null;
  const local = reports.get(String(best['localCandidateId'])) ?? {};
  const remote = reports.get(String(best['remoteCandidateId'])) ?? {};
  return { way: { kind: kindOf(local), address: String(remote['address'] ?? ''), port: num(remote['port']) }, pair: best };
}

/** Over all pairs of candidates: the path may change meanwhile. */
function carried(reports: ReadonlyMap<string, Report>): Bytes {
  const bytes = { down: 0, up: 0 };
  for (const report of reports.values()) {
    if (report['type'] !== 'candidate-pair') continue;
    bytes.down += num(report['bytesReceived']);
    bytes.up += num(report['bytesSent']);
  }
  return bytes;
}

/** `out` of the end that sends, `back` of the one that gets it back. */
export function sampleOf(at: number, out: ReadonlyMap<string, Report>, back: ReadonlyMap<string, Report>): Sample {
  const found = wayOf(out);
  const sample: Sample = {
    at, way: found?.way ?? null, rttMs: num(found?.pair['currentRoundTripTime']) * 1_000, jitterMs: 0,
    bytesUp: carried(out).up, bytesDown: carried(back).down,
    received: 0, lostDown: 0, sent: 0, lostUp: 0,
  };
  for (const report of out.values()) {
    if (report['type'] === 'outbound-rtp') sample.sent += num(report['packetsSent']);
    if (report['type'] !== 'remote-inbound-rtp') continue;
    sample.lostUp += num(report['packetsLost']);
    // Known anew every second; that of the path after each of its rare checks.
    if (num(report['roundTripTime']) > 0) sample.rttMs = num(report['roundTripTime']) * 1_000;
  }
  for (const report of back.values()) {
    if (report['type'] !== 'inbound-rtp') continue;
    sample.received += num(report['packetsReceived']);
    sample.lostDown += num(report['packetsLost']);
    sample.jitterMs = Math.max(sample.jitterMs, num(report['jitter']) * 1_000);
  }
  return sample;
}

const FEW_PACKETS = 20;
const part = (lost: number, whole: number): number => (whole < FEW_PACKETS || lost <= 0 ? 0 : Math.min(1, lost / whole));

/** The best rate kept up, in bits a second, where `bytes` says how much went from one sample to the other. */
function best(samples: readonly Sample[], bytes: (from: Sample, to: Sample) => number): number {
  let most = 0;
  for (let i = WINDOW; i < samples.length; i++) {
    const from = samples[i - WINDOW];
    const to = samples[i];
    if (from && to && to.at > from.at) most = Math.max(most, (bytes(from, to) * 8_000) / (to.at - from.at));
  }
  return most;
}

/** Of bytes sent, those that arrived: as many as of the packets. */
function arrived(from: Sample, to: Sample): number {
  const sent = to.sent - from.sent;
  return (to.bytesUp - from.bytesUp) * (sent > 0 ? 1 - Math.min(1, Math.max(0, (to.lostUp - from.lostUp) / sent)) : 1);
}

/** A way that is filled beyond what it carries loses packets too, but they wait in its queue before: only what is lost while
 * answers come soon tells of the way itself. */
function losses(samples: readonly Sample[]): { lossDown: number; lossUp: number } {
  const least = Math.min(...samples.map((one) => one.rttMs).filter((ms) => ms > 0));
  const calm = (one: Sample | undefined): one is Sample => one !== undefined && one.rttMs > 0 && one.rttMs <= least * 1.5 + QUEUE_MS;
  const sums = { received: 0, lostDown: 0, sent: 0, lostUp: 0 };
  samples.forEach((to, i) => {
    const from = samples[i - 1];
    if (!calm(from) || !calm(to)) return;
    for (const key of ['received', 'lostDown', 'sent', 'lostUp'] as const) sums[key] += to[key] - from[key];
  });
  return { lossDown: part(sums.lostDown, sums.received + sums.lostDown), lossUp: part(sums.lostUp, sums.sent) };
}

export function summarise(samples: readonly Sample[]): Pick<Measurement, 'rttMs' | 'jitterMs' | 'lossDown' | 'lossUp' | 'down' | 'up'> {
  const rtts = samples.map((one) => one.rttMs).filter((ms) => ms > 0).sort((a, b) => a - b);
  const down = best(samples, (from, to) => to.bytesDown - from.bytesDown);
  const up = best(samples, arrived);
  return {
    rttMs: rtts[Math.floor(rtts.length / 2)] ?? 0,
    jitterMs: samples[samples.length - 1]?.jitterMs ?? 0,
    ...losses(samples),
    down,
    up,
  };
}

/** Whether a moment more may show that all of it goes. */
function nearly(samples: readonly Sample[], tried: number): boolean {
  const { down, up } = summarise(samples);
  const kept = Math.min(down, up);
  return kept >= tried * NEAR && kept < tried * WHOLE;
}

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

interface Run {
  out: End;
  back: End;
  /** What it has cost so far. */
  sockets: Bytes;
  media: Bytes;
  counters: MediaCounter[];
}

async function take(run: Run): Promise<Sample | null> {
  const reports = await Promise.all([run.out, run.back].map((end) => end.peer?.pc.getStats() ?? Promise.resolve(null)));
  const maps = reports.map((report, i) => {
    const map = new Map(report ? (report as unknown as Iterable<[string, Report]>) : []);
    const counter = run.counters[i];
    if (counter) run.media = sum(run.media, counter.take(map));
    return map;
  });
  return maps[0] && maps[1] ? sampleOf(performance.now(), maps[0], maps[1]) : null;
}

const total = (run: Run): number => run.sockets.down + run.sockets.up + run.media.down + run.media.up;

/** That of the address the world sees, where the bridge tells more than one. */
function portOf(end: End, protocol: string): number {
  const all = end.session?.transport.candidates.filter((one) => one.protocol.toLowerCase() === protocol) ?? [];
  return Number((all.find((one) => one.type === 'srflx') ?? all[0])?.port ?? 0);
}

function nothing(run: Run, tried: number): Measurement {
  return {
    online: run.out.session !== null, way: null, host: location.hostname, udpPort: portOf(run.out, 'udp'), tcpPort: portOf(run.out, 'tcp'),
    rttMs: 0, jitterMs: 0, lossDown: 0, lossUp: 0, down: 0, up: 0, tried, spent: sum(run.sockets, run.media), fetched: 0,
  };
}

async function connect(run: Run, signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<boolean> {
  const end = performance.now() + CONNECT_MS;
  const ends = [run.out, run.back];
  while (!signal.aborted && performance.now() < end) {
    if (ends.every((one) => one.connected)) return true;
    const refused = ends.find((one) => one.refused);
    // Who was let in before was not stopped by the network.
    if (refused?.online) throw new Error(refused.refused);
    if (refused) return false;
    onProgress({ stage: ends.every((one) => one.session) ? 'connecting' : 'joining', part: 0 });
    await wait(100);
  }
  return false;
}

/** Takes about ten seconds, over a slow line up to half a minute. Rejects when the measurement itself is refused; aborted, it resolves with what is known. */
export async function measure(
  ask: () => Promise<Join>, saving: boolean, signal: AbortSignal, onProgress: (progress: Progress) => void,
): Promise<Measurement> {
  onProgress({ stage: 'joining', part: 0 });
  const join = await ask();
  const picture = testPicture();
  const steps = STEPS.slice(0, saving ? SPARING_STEPS : STEPS.length);
  const tried = Math.max(...steps);
  const budget = saving ? SPARING_BUDGET : BUDGET;
  const sockets: Bytes = { down: 0, up: 0 };
  const count = (bytes: Bytes): void => {
    sockets.down += bytes.down;
    sockets.up += bytes.up;
  };
  const run: Run = {
    out: new End(join, count, picture.track),
    back: new End(join, count, null),
    sockets,
    media: { down: 0, up: 0 },
    counters: [new MediaCounter(), new MediaCounter()],
  };
  try {
    if (!(await connect(run, signal, onProgress))) return nothing(run, tried);
    const samples: Sample[] = [];
    const whole = STEP_MS * steps.length;
    const began = performance.now();
    const goesOn = (past: number): boolean => past < whole || (past < whole + MORE_MS && nearly(samples, tried));
    for (let past = 0; !signal.aborted && goesOn(past) && total(run) < budget; past = performance.now() - began) {
      run.out.setRate(steps[Math.floor(past / STEP_MS)] ?? tried);
      const sample = await take(run);
      if (sample) samples.push(sample);
      onProgress({ stage: 'measuring', part: Math.min(1, past / whole) });
      await wait(SAMPLE_MS);
    }
    const last = await take(run);
    if (last) samples.push(last);
    const summary = summarise(samples);
    const way = samples[samples.length - 1]?.way ?? null;
    let fetched = 0;
    // All that went up came back, and it was little: the way down may carry more.
    if (way && !saving && summary.up < tried * FULL && summary.down >= summary.up * FULL) {
      run.out.close();
      run.back.close();
      const alone = await downloadRate(signal);
      summary.down = Math.max(summary.down, alone.bps);
      fetched = alone.bytes;
    }
    return { ...nothing(run, tried), way, ...summary, fetched };
  } finally {
    run.out.close();
    run.back.close();
    picture.stop();
  }
}
