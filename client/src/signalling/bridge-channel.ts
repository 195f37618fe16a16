/* The channel to the bridge: JSON objects with `colibriClass` over a WebSocket that is opened again for
 * as long as the session lives. What the bridge must know is kept and said again on every opening. */
import type { OpenSocket, Socket } from './stream';

export interface VideoConstraint {
  maxHeight: number;
  maxFrameRate?: number;
}

export interface ReceiverConstraints {
  lastN: number;
  selectedSources: string[];
  onStageSources: string[];
  defaultConstraints: VideoConstraint;
  constraints: Record<string, VideoConstraint>;
}

/** What an SSRC carries from now on. */
export interface Mapping {
  source: string;
  owner: string;
  ssrc: number;
  /** 0: none. */
  rtx: number;
  videoType: 'camera' | 'desktop';
  /** Slots for sound and picture that the bridge keeps for one person; null: it does not say. */
  pair: number | null;
  /** The RTP timestamp after which pictures are this source's; null: the SSRC carried nothing before. */
  after: number | null;
}

/** An SSRC that will carry something later. */
export interface Spare {
  ssrc: number;
  rtx: number;
  pair: number;
}

export type SentVideoType = 'camera' | 'desktop' | 'none';

export interface BridgeEvents {
  onOpen(): void;
  onDown(): void;
  onAudioMap(map: Mapping[], spares: Spare[]): void;
  onVideoMap(map: Mapping[], spares: Spare[]): void;
  onForwarded(sources: string[]): void;
  onDominantSpeaker(endpoint: string, previous: string[]): void;
  onSenderConstraint(source: string, maxHeight: number): void;
  onMessage(from: string, payload: Record<string, unknown>): void;
  onEndpointStats(from: string, stats: Record<string, unknown>): void;
  onConnectivity(endpoint: string, active: boolean): void;
  /** What the way to us carries; `shortage`: what our own bridge says is lacking. */
  onDownlink(bps: number, shortage: unknown): void;
}

const RETRY_MS = [300, 1_000, 2_000, 4_000, 8_000, 15_000];
/** Messages to others that wait for a channel that is just being opened again. */
const WAITING_MAX = 50;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : [];

const isSsrc = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 0xffffffff;
const countOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffffffff ? value : null;
const rtxOf = (entry: Record<string, unknown>): number => Math.max(0, Number(entry['rtx'] ?? 0) || 0);

export function parseSpares(value: unknown): Spare[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry) => {
    const pair = isObject(entry) ? countOf(entry['pair']) : null;
    return isObject(entry) && pair !== null && isSsrc(entry['ssrc']) ? [{ ssrc: entry['ssrc'], rtx: rtxOf(entry), pair }] : [];
  });
}

export function parseMappings(value: unknown): Mapping[] {
  if (!Array.isArray(value)) return [];
  const out: Mapping[] = [];
  for (const entry of value) {
    if (!isObject(entry)) continue;
    const { source, owner, ssrc } = entry;
    if (typeof source !== 'string' || typeof owner !== 'string') continue;
    if (!isSsrc(ssrc)) continue;
    const desktop = String(entry['videoType'] ?? '').toLowerCase().startsWith('desktop');
    out.push({
      source, owner, ssrc, rtx: rtxOf(entry), videoType: desktop ? 'desktop' : 'camera', pair: countOf(entry['pair']), after: countOf(entry['after']),
    });
  }
  return out;
}

type Message = Record<string, unknown>;

const HANDLERS: Record<string, (events: BridgeEvents, message: Message) => void> = {
  AudioSourcesMap: (events, m) => events.onAudioMap(parseMappings(m['mappedSources']), parseSpares(m['spareSlots'])),
  VideoSourcesMap: (events, m) => events.onVideoMap(parseMappings(m['mappedSources']), parseSpares(m['spareSlots'])),
  ForwardedSources: (events, m) => events.onForwarded(strings(m['forwardedSources'])),
  DominantSpeakerEndpointChangeEvent: (events, m) =>
    events.onDominantSpeaker(String(m['dominantSpeakerEndpoint'] ?? ''), strings(m['previousSpeakers'])),
  SenderSourceConstraints: (events, m) => {
    const height = Number(m['maxHeight']);
    if (typeof m['sourceName'] === 'string' && Number.isFinite(height)) events.onSenderConstraint(m['sourceName'], height);
  },
  EndpointMessage: (events, m) => {
    if (isObject(m['msgPayload']) && typeof m['from'] === 'string') events.onMessage(m['from'], m['msgPayload']);
  },
  EndpointStats: (events, m) => {
    if (typeof m['from'] === 'string') events.onEndpointStats(m['from'], m);
  },
  EndpointConnectivityStatusChangeEvent: (events, m) =>
    events.onConnectivity(String(m['endpoint'] ?? ''), String(m['active']) === 'true'),
  ConnectionStats: (events, m) => events.onDownlink(Number(m['estimatedDownlinkBandwidth']) || 0, m['shortage']),
};

export class BridgeChannel {
  private socket: Socket | null = null;
  private open = false;
  private tries = 0;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private constraints: ReceiverConstraints | null = null;
  private readonly videoTypes = new Map<string, SentVideoType>();
  private waiting: string[] = [];

  constructor(
    private readonly url: string,
    private readonly events: BridgeEvents,
    private readonly openSocket: OpenSocket = (to) => new WebSocket(to) as unknown as Socket,
  ) {
    this.connect();
  }

  get isOpen(): boolean {
    return this.open;
  }

  setConstraints(constraints: ReceiverConstraints): void {
    if (JSON.stringify(constraints) === JSON.stringify(this.constraints)) return;
    this.constraints = constraints;
    if (this.open) this.write({ colibriClass: 'ReceiverVideoConstraints', ...constraints });
  }

  setVideoType(source: string, videoType: SentVideoType): void {
    if (this.videoTypes.get(source) === videoType) return;
    this.videoTypes.set(source, videoType);
    if (this.open) this.write({ colibriClass: 'SourceVideoTypeMessage', sourceName: source, videoType });
  }

  /** A message to one endpoint, or to all with ''. */
  sendMessage(to: string, payload: Record<string, unknown>): void {
    const message = { colibriClass: 'EndpointMessage', to, msgPayload: payload };
    if (this.open) this.write(message);
    else if (this.waiting.length < WAITING_MAX) this.waiting.push(JSON.stringify(message));
  }

  /** Statistics grow old at once: without a channel they are dropped. */
  sendStats(stats: Record<string, unknown>): void {
    if (this.open) this.write({ colibriClass: 'EndpointStats', ...stats });
  }

  /** What came by signalling because the channel was not open yet; once it is, it knows better. */
  hear(data: string): void {
    if (!this.open) this.received(data);
  }

  /** Reconnects at once if it is down. */
  hurry(): void {
    if (this.retry === null) return;
    clearTimeout(this.retry);
    this.retry = null;
    this.connect();
  }

  /** The network is another one: the socket leads nowhere. */
  renew(): void {
    this.tries = 0;
    this.dropped();
    this.hurry();
  }

  close(): void {
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
    this.release(1000);
    this.open = false;
  }

  private release(code?: number): void {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    try {
      socket.close(code);
    } catch {
      // Already closed.
    }
  }

  private connect(): void {
    let socket: Socket;
    try {
      socket = this.openSocket(this.url, []);
    } catch {
      this.again();
      return;
    }
    this.socket = socket;
    socket.onopen = () => {
      this.open = true;
      this.tries = 0;
      this.greet();
      this.events.onOpen();
    };
    socket.onmessage = (event) => {
      if (typeof event.data === 'string') this.received(event.data);
    };
    socket.onclose = () => this.dropped();
    socket.onerror = () => undefined;
  }

  private dropped(): void {
    if (!this.socket) return;
    const was = this.open;
    this.open = false;
    this.release();
    if (was) this.events.onDown();
    this.again();
  }

  private again(): void {
    const base = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)] ?? 15_000;
    this.retry = setTimeout(() => {
      this.retry = null;
      this.connect();
    }, base + Math.random() * base);
  }

  private greet(): void {
    if (this.constraints) this.write({ colibriClass: 'ReceiverVideoConstraints', ...this.constraints });
    for (const [sourceName, videoType] of this.videoTypes) {
      this.write({ colibriClass: 'SourceVideoTypeMessage', sourceName, videoType });
    }
    const waiting = this.waiting;
    this.waiting = [];
    for (const data of waiting) this.socket?.send(data);
  }

  private write(message: Message): void {
    try {
      this.socket?.send(JSON.stringify(message));
    } catch {
      // A socket in the wrong state is about to report its close.
    }
  }

  private received(data: string): void {
    let message: unknown;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (!isObject(message)) return;
    const name = String(message['colibriClass'] ?? '');
    if (Object.prototype.hasOwnProperty.call(HANDLERS, name)) HANDLERS[name]?.(this.events, message);
  }
}
