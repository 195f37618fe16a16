/* What travels for this page as an operator counts it: bytes of IP packets, both ways. Browsers tell payloads; what the
 * layers below add to them is reckoned here. */
import type { OpenSocket, Socket } from '../signalling/stream';
import { num, type Report } from './reports';

export interface Bytes {
  down: number;
  up: number;
}

export const sum = (a: Bytes, b: Bytes): Bytes => ({ down: a.down + b.down, up: a.up + b.up });

const IP4 = 20;
const IP6 = 40;
const UDP = 8;
/** With timestamps, as all systems send it. */
const TCP = 32;
/** Of a record: header, type and tag. */
const TLS = 22;
/** A TCP packet is acknowledged by an empty one, every second at the latest. */
const ACKS = 0.5;
/** ChannelData (RFC 8656). */
const TURN = 4;
/** Length before a datagram in a stream (RFC 4571). */
const FRAME = 2;
/** Checks of a path: with user name, priority, role, integrity and fingerprint; the answer without the first three. */
const STUN_REQUEST = 104;
const STUN_RESPONSE = 64;

/** What a datagram costs on a path beside itself, in its own direction and, by acknowledgements, in the other. */
interface Cost {
  own: number;
  other: number;
}

function costOf(local: Report | undefined): Cost {
  const ip = String(local?.['address'] ?? '').includes(':') ? IP6 : IP4;
  const relay = local?.['relayProtocol'];
  const extra = relay ? TURN : 0;
  if (relay === 'tls') return { own: ip + TCP + TLS + extra, other: (ip + TCP) * ACKS };
  if (relay === 'tcp') return { own: ip + TCP + extra, other: (ip + TCP) * ACKS };
  if (!relay && local?.['protocol'] === 'tcp') return { own: ip + TCP + FRAME, other: (ip + TCP) * ACKS };
  return { own: ip + UDP + extra, other: 0 };
}

interface PairTotals {
  payload: Bytes;
  packets: Bytes;
}

/** Packets of all streams, for browsers that do not count those of a path. */
function streamPackets(reports: readonly Report[]): Bytes {
  const packets = { down: 0, up: 0 };
  for (const report of reports) {
    if (report['type'] === 'inbound-rtp') packets.down += num(report['packetsReceived']);
    if (report['type'] === 'outbound-rtp') packets.up += num(report['packetsSent']);
  }
  return packets;
}

/** Checks are not among the bytes that browsers count for a path. */
function totals(pair: Report): PairTotals {
  const requests = { down: num(pair['requestsReceived']), up: num(pair['requestsSent']) + num(pair['consentRequestsSent']) };
  const responses = { down: num(pair['responsesReceived']), up: num(pair['responsesSent']) };
  return {
    payload: {
      down: num(pair['bytesReceived']) + requests.down * STUN_REQUEST + responses.down * STUN_RESPONSE,
      up: num(pair['bytesSent']) + requests.up * STUN_REQUEST + responses.up * STUN_RESPONSE,
    },
    packets: {
      down: num(pair['packetsReceived']) + requests.down + responses.down,
      up: num(pair['packetsSent']) + requests.up + responses.up,
    },
  };
}

const grown = (now: number, before: number | undefined): number => Math.max(0, now - (before ?? 0));
const growth = (now: Bytes, before: Bytes | undefined): Bytes => ({ down: grown(now.down, before?.down), up: grown(now.up, before?.up) });
const headersOf = (packets: Bytes, cost: Cost): Bytes => ({
  down: packets.down * cost.own + packets.up * cost.other,
  up: packets.up * cost.own + packets.down * cost.other,
});

/** Media of one peer connection. */
export class MediaCounter {
  /** By pair of candidates: browsers forget pairs. */
  private readonly seen = new Map<string, PairTotals>();
  private streams: Bytes = { down: 0, up: 0 };

  /** What came and went since the report before. */
  take(report: Iterable<readonly [string, unknown]>): Bytes {
    const byId = new Map<string, Report>();
    for (const [id, value] of report) byId.set(id, value as Report);
    let bytes: Bytes = { down: 0, up: 0 };
    let carrier: Cost | null = null;
    let most = 0;
    for (const [id, pair] of byId) {
      if (pair['type'] !== 'candidate-pair') continue;
      const now = totals(pair);
      const before = this.seen.get(id);
      this.seen.set(id, now);
      const cost = costOf(byId.get(String(pair['localCandidateId'])));
      const payload = growth(now.payload, before?.payload);
      bytes = sum(bytes, sum(payload, headersOf(growth(now.packets, before?.packets), cost)));
      if (typeof pair['packetsSent'] === 'number' || payload.down + payload.up <= most) continue;
      most = payload.down + payload.up;
      carrier = cost;
    }
    if (!carrier) return bytes;
    // Such browsers call more than one path the chosen one.
    const streams = streamPackets([...byId.values()]);
    bytes = sum(bytes, headersOf(growth(streams, this.streams), carrier));
    this.streams = streams;
    return bytes;
  }
}

/** A connection of its own: TCP and TLS handshakes, certificates, the upgrade and its answer. */
export const OPENING: Bytes = { down: 3_500, up: 2_500 };
const MESSAGE = IP4 + TCP + TLS + 6;

/** A text as permessage-deflate leaves it, about: short ones hardly shrink, long ones repeat themselves. */
const deflated = (length: number): number => (length < 150 ? length : 100 + length * 0.35);

const message = (data: unknown): number => MESSAGE + deflated(typeof data === 'string' ? data.length : 0);

class CountedSocket implements Socket {
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;

  constructor(
    private readonly inner: Socket,
    private readonly count: (bytes: Bytes) => void,
  ) {
    count(OPENING);
    inner.onopen = (event) => this.onopen?.(event);
    inner.onmessage = (event) => {
      count({ down: message(event.data), up: (IP4 + TCP) * ACKS });
      this.onmessage?.(event);
    };
    inner.onclose = (event) => this.onclose?.(event);
    inner.onerror = (event) => this.onerror?.(event);
  }

  send(data: string): void {
    this.inner.send(data);
    this.count({ down: (IP4 + TCP) * ACKS, up: message(data) });
  }

  close(code?: number, reason?: string): void {
    this.inner.close(code, reason);
  }
}

/** Sockets whose messages are counted. */
export const counted =
  (open: OpenSocket, count: (bytes: Bytes) => void): OpenSocket =>
  (url, protocols) =>
    new CountedSocket(open(url, protocols), count);

/** A request's headers; browsers count those of the answer. */
const REQUEST = 250;
/** What IP, TCP and TLS add to what is fetched, and acknowledgements back. */
const FETCHED = 1.05;
const FETCHED_BACK = 0.025;

/** What was fetched of pages, code and answers. `transferSize` 0 is what came out of the browser's cache. */
export function fetchedBytes(sizes: readonly number[]): Bytes {
  const bytes = { down: 0, up: 0 };
  for (const size of sizes) {
    if (size <= 0) continue;
    bytes.down += size * FETCHED;
    bytes.up += REQUEST + size * FETCHED_BACK;
  }
  return bytes;
}

let fetched: number[] = [];
let observing = false;

/** What this page fetched since the last call, the first time since it was asked for. */
export function takeFetched(): Bytes {
  if (!observing && typeof PerformanceObserver === 'function') {
    observing = true;
    fetched.push(OPENING.down / FETCHED);
    const note = (entries: PerformanceEntryList): void => {
      for (const entry of entries) fetched.push((entry as PerformanceResourceTiming).transferSize || 0);
    };
    for (const type of ['navigation', 'resource']) {
      note(performance.getEntriesByType(type));
      new PerformanceObserver((list) => note(list.getEntries())).observe({ type, buffered: false });
    }
  }
  const bytes = fetchedBytes(fetched);
  fetched = [];
  return bytes;
}
