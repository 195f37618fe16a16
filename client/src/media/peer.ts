/* One RTCPeerConnection to the bridge. We always answer: an offer is written from the Jingle session, first
 * for what we send, then with a line for each receive slot as the bridge announces them. Only the first
 * answer is told to the focus; all later ones stay in the browser. */
import type { Mapping, Spare } from '../signalling/bridge-channel';
import type { Answer, IceRestart, Session, Source, Transport } from '../signalling/jingle';
import { addSimulcast, buildOffer, candidateLine, Line, needsDependency, readAnswer, SentSsrcs, sentSsrcs } from './sdp';
import { ReceiveSlot, settle, Slots } from './slots';
import type { Codec } from './codecs';
import { applyEncodings, Purpose } from './encodings';
import { Figures, FIGURES } from './profile';

export interface PeerEvents {
  /** A slot got another source, or its track appeared. */
  onSlots(): void;
  /** Of ICE and DTLS together. */
  onConnection(state: RTCPeerConnectionState): void;
}

export interface PeerOptions {
  session: Session;
  endpoint: string;
  iceServers: RTCIceServer[];
  events: PeerEvents;
}

/** What browsers cannot be asked: Firefox takes RIDs from the offer, all others SSRCs in the answer. */
export const isFirefox = (): boolean => /\bFirefox\//.test(navigator.userAgent);

interface SendLine {
  line: Line;
  transceiver: RTCRtpTransceiver | null;
  wanted: boolean;
  kept: SentSsrcs | null;
  maxHeight: number;
  track: MediaStreamTrack | null;
}

const SOURCE_SUFFIX: Record<Purpose, string> = { microphone: 'a0', camera: 'v0', desktop: 'v1' };

/** Maps of audio and video come one after the other: wait this long and take both in one go. */
const GATHER_MS = 15;
/** How often to look whether the first picture of a slot's new owner is here. */
const SETTLE_MS = 50;

export class Peer {
  readonly pc: RTCPeerConnection;
  private readonly lines: Line[] = [];
  private readonly sends = new Map<Purpose, SendLine>();
  private readonly slots = new Slots();
  private chain: Promise<unknown> = Promise.resolve();
  private version = 1;
  private nextMid = 0;
  private codec: Codec = 'vp8';
  private figures: Figures = FIGURES.rich;
  private updateTimer: ReturnType<typeof setTimeout> | null = null;
  private settleTimer: ReturnType<typeof setTimeout> | null = null;
  private closed = false;
  private started = false;

  constructor(private readonly options: PeerOptions) {
    this.pc = new RTCPeerConnection({
      bundlePolicy: 'max-bundle',
      rtcpMuxPolicy: 'require',
      iceServers: options.iceServers,
    });
    this.pc.onconnectionstatechange = () => options.events.onConnection(this.pc.connectionState);
    this.addSendLine('microphone');
    this.addSendLine('camera');
  }

  /** Answers the offer; `send` says for which purposes SSRCs are announced at once. */
  start(send: ReadonlySet<Purpose>): Promise<Answer> {
    for (const purpose of send) this.sendLine(purpose).wanted = true;
    return this.enqueue(async () => {
      const sdp = await this.negotiate();
      this.started = true;
      if (this.slots.all.length > 0) this.updateSoon();
      return { ...readAnswer(sdp, this.options.session), sources: [...send].map((purpose) => this.source(purpose)) };
    });
  }

  /** Whether this purpose has SSRCs that the focus was told or is about to be told. */
  has(purpose: Purpose): boolean {
    return this.sends.get(purpose)?.wanted ?? false;
  }

  /** Begins to send for a purpose that was not in the answer; the result goes into a source-add. */
  add(purpose: Purpose): Promise<Source> {
    const send = this.sendLine(purpose);
    send.wanted = true;
    return this.enqueue(async () => {
      await this.negotiate();
      return this.source(purpose);
    });
  }

  sourceName(purpose: Purpose): string {
    return `${this.options.endpoint}-${SOURCE_SUFFIX[purpose]}`;
  }

  /** Sends this track, or nothing with null; the SSRCs stay. */
  setTrack(purpose: Purpose, track: MediaStreamTrack | null): Promise<void> {
    const send = this.sendLine(purpose);
    send.track = track;
    return this.enqueue(() => this.applyTrack(purpose, send));
  }

  /** Sends video in this codec from now on. */
  setCodec(codec: Codec): void {
    if (codec === this.codec) return;
    this.codec = codec;
    void this.enqueue(async () => {
      // What tells of layers is there before the first picture that needs it, and goes after the last.
      if (!needsDependency(codec)) await this.applyLimits();
      if (this.started) await this.negotiate();
      await this.applyLimits();
    }).catch(() => undefined);
  }

  /** Sends within these figures from now on. */
  setFigures(figures: Figures): void {
    if (figures === this.figures) return;
    const speaksAnew = figures.voice !== this.figures.voice;
    this.figures = figures;
    void this.enqueue(async () => {
      this.applyPatience();
      await this.applyLimits();
      if (this.started && speaksAnew) await this.negotiate();
    }).catch(() => undefined);
  }

  /** The bridge's wish for what we send: no more than this height, 0 for nothing, -1 for no limit. */
  setSenderLimit(source: string, maxHeight: number): void {
    for (const [purpose, send] of this.sends) {
      if (this.sourceName(purpose) !== source) continue;
      send.maxHeight = maxHeight;
      void this.enqueue(() => this.applyLimit(purpose, send));
    }
  }

  setMap(kind: 'audio' | 'video', map: Mapping[], spares: Spare[] = []): void {
    const changed = this.slots.apply(kind, map, kind === 'audio' || this.figures.spares ? spares : []);
    if (changed.length === 0) return;
    this.options.events.onSlots();
    this.settleSoon();
    this.updateSoon();
  }

  /** Pictures of the one before are still on their way, or wait in the browser, when a slot changes hands: it is
   * shown again when one came out that is later than all of those. */
  private settleSoon(): void {
    if (this.settleTimer || this.closed || this.slots.waiting().length === 0) return;
    this.settleTimer = setTimeout(() => {
      this.settleTimer = null;
      if (this.closed) return;
      const receivers = this.receivers();
      const settled = this.slots.waiting().filter((slot) => {
        const out = receivers.get(slot.mid)?.getSynchronizationSources().find((from) => from.source === slot.ssrc);
        return out !== undefined && settle(slot, out.rtpTimestamp);
      });
      if (settled.length > 0) this.options.events.onSlots();
      this.settleSoon();
    }, SETTLE_MS);
  }

  private receivers(): Map<string | null, RTCRtpReceiver> {
    return new Map(this.pc.getTransceivers().map((t) => [t.mid, t.receiver]));
  }

  release(match: (slot: ReceiveSlot) => boolean): void {
    if (this.slots.release(match).length > 0) this.options.events.onSlots();
  }

  /** Receivers in use: whose, what, and the track. */
  received(): { slot: ReceiveSlot; track: MediaStreamTrack; receiver: RTCRtpReceiver }[] {
    const receivers = this.receivers();
    return this.slots.all.flatMap((slot) => {
      const receiver = slot.mid ? receivers.get(slot.mid) : undefined;
      return slot.owner && slot.signalled && receiver && slot.after === null ? [{ slot, track: receiver.track, receiver }] : [];
    });
  }

  /** Other ways with other credentials; DTLS and what runs stay. Candidates come after the description: with them
   * Chromium would give up the path in use at once. */
  restartIce(restart: IceRestart, iceServers: RTCIceServer[]): Promise<Transport> {
    const { session } = this.options;
    return this.enqueue(async () => {
      const { ufrag, pwd, candidates } = restart;
      this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
      session.transport = { ...session.transport, ufrag, pwd, candidates: [] };
      const sdp = await this.negotiate();
      for (const candidate of candidates) {
        await this.pc.addIceCandidate({ candidate: candidateLine(candidate).slice(2), sdpMid: this.lines[0]?.mid ?? '0' });
      }
      session.transport = { ...session.transport, candidates };
      return readAnswer(sdp, session).transport;
    });
  }

  /** Bytes that came in over all paths so far. */
  async bytesIn(): Promise<number> {
    let bytes = 0;
    for (const stat of (await this.pc.getStats()).values()) {
      if (stat.type === 'candidate-pair') bytes += stat.bytesReceived ?? 0;
    }
    return bytes;
  }

  sender(purpose: Purpose): RTCRtpSender | null {
    return this.sends.get(purpose)?.transceiver?.sender ?? null;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.updateTimer) clearTimeout(this.updateTimer);
    if (this.settleTimer) clearTimeout(this.settleTimer);
    this.pc.onconnectionstatechange = this.pc.oniceconnectionstatechange = null;
    this.pc.close();
  }

  private addSendLine(purpose: Purpose): SendLine {
    const kind = purpose === 'microphone' ? 'audio' : 'video';
    const line: Line = { mid: String(this.nextMid++), kind, role: 'send', simulcast: kind === 'video', slot: null };
    this.lines.push(line);
    const send: SendLine = { line, transceiver: null, wanted: false, kept: null, maxHeight: -1, track: null };
    this.sends.set(purpose, send);
    return send;
  }

  private sendLine(purpose: Purpose): SendLine {
    return this.sends.get(purpose) ?? this.addSendLine(purpose);
  }

  /** Negotiations must not overlap; a failed one does not stop the next. */
  private enqueue<T>(work: () => Promise<T>): Promise<T> {
    const next = this.chain.then(() => {
      if (this.closed) throw new Error('closed');
      return work();
    });
    this.chain = next.catch(() => undefined);
    return next;
  }

  private async negotiate(): Promise<string> {
    const { pc } = this;
    const rids = isFirefox();
    const sdp = buildOffer({
      session: this.options.session,
      lines: this.lines,
      version: this.version++,
      rids,
      codec: this.codec,
      voice: this.figures.voice,
    });
    await pc.setRemoteDescription({ type: 'offer', sdp });
    const byMid = new Map(pc.getTransceivers().map((t) => [t.mid, t]));
    for (const send of this.sends.values()) {
      send.transceiver ??= byMid.get(send.line.mid) ?? null;
      if (send.transceiver) send.transceiver.direction = send.wanted ? 'sendrecv' : 'recvonly';
    }
    const answer = await pc.createAnswer();
    let local = answer.sdp ?? '';
    for (const send of this.sends.values()) {
      if (!send.wanted) continue;
      if (!rids && send.line.simulcast) local = addSimulcast(local, send.line.mid, send.kept, Math.random);
    }
    await pc.setLocalDescription({ type: 'answer', sdp: local });
    for (const [purpose, send] of this.sends) {
      if (!send.wanted) continue;
      const first = send.kept === null;
      send.kept = sentSsrcs(pc.localDescription?.sdp ?? local, send.line.mid);
      if (first) await this.applyTrack(purpose, send);
    }
    return pc.localDescription?.sdp ?? local;
  }

  private source(purpose: Purpose): Source {
    const send = this.sendLine(purpose);
    const { ssrcs, rtx } = send.kept ?? { ssrcs: [], rtx: [] };
    const { sid } = this.options.session;
    const name = this.sourceName(purpose);
    return {
      name,
      kind: send.line.kind,
      videoType: purpose === 'desktop' ? 'desktop' : 'camera',
      // Sound and camera under one stream id: other clients may then play them in step. Another one in each session: clients
      // keep the old one's lines, and browsers refuse a description with the same id twice.
      msid: `${this.options.endpoint}-${purpose === 'desktop' ? 'desktop' : 'person'}-${sid} ${name}-${sid}`,
      ssrcs,
      rtx,
    };
  }

  private async applyTrack(purpose: Purpose, send: SendLine): Promise<void> {
    const sender = send.transceiver?.sender;
    if (!sender || !send.wanted) return;
    if (sender.track !== send.track) await sender.replaceTrack(send.track);
    await this.applyLimit(purpose, send);
  }

  private async applyLimit(purpose: Purpose, send: SendLine): Promise<void> {
    const sender = send.transceiver?.sender;
    if (!sender || !send.wanted || purpose === 'microphone') return;
    const { codec, figures } = this;
    await applyEncodings(sender, { purpose, maxHeight: send.maxHeight, codec, figures, selects: !isFirefox() });
  }

  private async applyLimits(): Promise<void> {
    for (const [purpose, send] of this.sends) await this.applyLimit(purpose, send);
  }

  private applyPatience(): void {
    const receivers = this.receivers();
    for (const { kind, mid } of this.slots.all) {
      const receiver = kind === 'audio' && mid ? receivers.get(mid) : undefined;
      if (receiver && 'jitterBufferTarget' in receiver) receiver.jitterBufferTarget = this.figures.patience;
    }
  }

  private updateSoon(): void {
    if (!this.started || this.updateTimer) return;
    this.updateTimer = setTimeout(() => {
      this.updateTimer = null;
      this.enqueue(() => this.update()).catch(() => undefined);
    }, GATHER_MS);
  }

  private async update(): Promise<void> {
    const fresh = this.slots.fresh();
    if (fresh.length === 0) return;
    for (const slot of fresh) this.addReceiveLine(slot);
    await this.negotiate();
    for (const slot of fresh) slot.signalled = true;
    this.applyPatience();
    this.options.events.onSlots();
  }

  private addReceiveLine(slot: ReceiveSlot): void {
    if (slot.mid) return;
    const { kind, ssrc, rtx, streamId } = slot;
    slot.mid = String(this.nextMid++);
    this.lines.push({
      mid: slot.mid, kind, role: 'receive', simulcast: false, slot: { ssrc, rtx, streamId, trackId: `${kind}-${ssrc}` },
    });
  }
}
