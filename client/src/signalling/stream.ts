/* The XMPP stream over a WebSocket (RFC 7395): SASL ANONYMOUS with the token in the address, bind, stream
 * management with resume, ping. The handshake is sent in one go without waiting for the answers, which
 * saves four round trips; a server that does not take it so is met step by step on the next try. */
import { StreamManagement } from './management';
import { NS } from './namespaces';
import { elements, Element, first, parse, serialize, text, xml } from './xml';

export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export type OpenSocket = (url: string, protocols: string[]) => Socket;

export type StreamState =
  | 'connecting'
  | 'online'
  /** The socket is gone; the session waits on the server and is being resumed. */
  | 'interrupted'
  /** The session is gone for good: join again from the beginning. */
  | 'lost'
  | 'refused'
  | 'closed';

export interface StreamOptions {
  /** Address for the next socket; asked again before every try, as tokens grow old. */
  url: () => Promise<string>;
  domain: string;
  onState: (state: StreamState, reason: string) => void;
  onStanza: (stanza: Element) => void;
  /** How many others lose their sockets when we do: they must not all come back in the same moment. */
  crowd?: () => number;
  openSocket?: OpenSocket;
}

export class StanzaError extends Error {
  constructor(
    readonly condition: string,
    readonly detail: string,
    readonly stanza: Element,
  ) {
    super(detail || condition);
  }
}

const IQ_TIMEOUT_MS = 15_000;
const HANDSHAKE_TIMEOUT_MS = 20_000;
/** Silence after which the server is asked whether it is there, and the time it has to answer. */
const PING_AFTER_MS = 10_000;
const TICK_MS = 1_000;
const PING_TIMEOUT_MS = 10_000;
/** The same when something says that the network is another one. */
const HURRIED_PING_MS = 1_000;
const ACK_AFTER_MS = 3_000;
/** The server keeps a session for 60 s after its socket died; a little is lost until we notice. */
const RESUME_FOR_MS = 75_000;
/** A program that died is there again within a tenth of a second. */
const RETRY_MS = [100, 300, 1_000, 2_000, 4_000, 6_000, 8_000];
/** For each of the others: a handshake costs the server about this long. */
const CROWD_MS = 2;

const isStanza = (name: string): boolean => name === 'iq' || name === 'presence' || name === 'message';

interface Pending {
  resolve: (stanza: Element) => void;
  reject: (error: Error) => void;
  timer: ReturnType<typeof setTimeout>;
}

type Step = 'opening' | 'authenticating' | 'binding' | 'ready';

export class XmppStream {
  /** The full JID, once bound. */
  jid = '';
  private socket: Socket | null = null;
  private readonly management = new StreamManagement();
  private state: StreamState = 'connecting';
  private step: Step = 'opening';
  private pipelined = true;
  private everOnline = false;
  private pending = new Map<string, Pending>();
  private nextId = 1;
  private readonly idPrefix = Math.random().toString(36).slice(2, 8);
  private tries = 0;
  private interruptedAt = 0;
  private lastHeard = 0;
  /** When the answer to a ping is due; 0: nothing was asked. */
  private pingDue = 0;
  private ackAskedAt = 0;
  private watch: ReturnType<typeof setInterval> | null = null;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private handshakeTimer: ReturnType<typeof setTimeout> | null = null;
  private heldBack: string[] = [];

  constructor(private readonly options: StreamOptions) {}

  connect(): void {
    this.watch ??= setInterval(() => this.tick(), TICK_MS);
    void this.attempt();
  }

  get online(): boolean {
    return this.state === 'online';
  }

  /** Something says that the network may be another one: tries at once instead of waiting, or asks whether the server is
   * still there, with little patience. */
  hurry(): void {
    const now = performance.now();
    if (this.retry !== null) {
      clearTimeout(this.retry);
      this.retry = null;
      void this.attempt();
    } else if (this.state === 'online' && now - this.lastHeard > HURRIED_PING_MS && (!this.pingDue || this.pingDue > now + HURRIED_PING_MS)) {
      this.ping(HURRIED_PING_MS);
    }
  }

  /** The network is another one: the socket, whole or half open, leads nowhere. */
  renew(): void {
    this.tries = 0;
    this.drop('another network');
    this.hurry();
  }

  send(stanza: Element): void {
    const data = serialize(stanza);
    if (!this.everOnline) {
      this.heldBack.push(data);
      return;
    }
    this.transmit(data);
  }

  /** Sends an IQ and waits for its answer; rejects with StanzaError, or Error after a timeout. */
  request(iq: Element, timeoutMs = IQ_TIMEOUT_MS): Promise<Element> {
    const id = `${this.idPrefix}-${this.nextId++}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(new Error('no answer'));
      }, timeoutMs);
      this.pending.set(id, { resolve, reject, timer });
      this.send(xml('iq', { ...iq.attrs, xmlns: NS.client, id }, ...iq.children));
    });
  }

  /** Says good-bye: the session ends on the server too. */
  close(): void {
    if (this.state === 'closed') return;
    if (this.socket && this.step === 'ready') {
      this.write(serialize(xml('presence', { xmlns: NS.client, type: 'unavailable' })));
      this.write(`<close xmlns="${NS.framing}"/>`);
    }
    this.finish('closed', 'closed');
  }

  private async attempt(): Promise<void> {
    let url: string;
    try {
      url = await this.options.url();
    } catch (error) {
      this.disconnected(error instanceof Error ? error.message : 'no address');
      return;
    }
    if (this.state === 'closed' || this.socket) return;
    const resuming = this.management.resumeId;
    if (resuming) url += `${url.includes('?') ? '&' : '?'}previd=${encodeURIComponent(resuming)}`;
    const open = this.options.openSocket ?? ((to, protocols) => new WebSocket(to, protocols) as unknown as Socket);
    let socket: Socket;
    try {
      socket = open(url, ['xmpp']);
    } catch (error) {
      this.disconnected(error instanceof Error ? error.message : 'no socket');
      return;
    }
    this.socket = socket;
    this.step = 'opening';
    this.handshakeTimer = setTimeout(() => this.drop('handshake timed out'), HANDSHAKE_TIMEOUT_MS);
    socket.onopen = () => this.opened(socket);
    socket.onmessage = (event) => {
      if (this.socket === socket && typeof event.data === 'string') this.received(event.data);
    };
    socket.onclose = (event) => {
      if (this.socket === socket) this.gone(`socket closed (${event.code})`);
    };
    socket.onerror = () => undefined;
  }

  private opened(socket: Socket): void {
    if (this.socket !== socket) return;
    this.lastHeard = performance.now();
    this.writeOpen();
    if (!this.pipelined) return;
    this.writeAuth();
    this.writeOpen();
    this.writeBindOrResume();
  }

  private writeOpen(): void {
    this.write(`<open xmlns="${NS.framing}" to="${this.options.domain}" version="1.0"/>`);
  }

  private writeAuth(): void {
    this.write(`<auth xmlns="${NS.sasl}" mechanism="ANONYMOUS"/>`);
  }

  private writeBindOrResume(): void {
    const previous = this.management.resumeId;
    if (previous) {
      this.write(`<resume xmlns="${NS.sm}" h="${this.management.handled}" previd="${previous}"/>`);
      return;
    }
    this.write(`<iq xmlns="${NS.client}" type="set" id="bind"><bind xmlns="${NS.bind}"/></iq>`);
    if (this.pipelined) this.writeEnable();
  }

  private writeEnable(): void {
    this.write(`<enable xmlns="${NS.sm}" resume="true"/>`);
    this.management.enableSent();
  }

  private write(data: string): void {
    try {
      this.socket?.send(data);
    } catch {
      // A socket in the wrong state is about to report its close.
    }
  }

  private transmit(data: string): void {
    const { request, overflow } = this.management.sent(data);
    if (overflow) {
      this.finish('lost', 'nothing acknowledged');
      return;
    }
    if (this.state !== 'online') return;
    this.write(data);
    if (request) this.askForAck();
  }

  private askForAck(): void {
    this.ackAskedAt = performance.now();
    this.write(`<r xmlns="${NS.sm}"/>`);
  }

  private received(data: string): void {
    this.lastHeard = performance.now();
    this.pingDue = 0;
    let element: Element;
    try {
      element = parse(data);
    } catch {
      this.drop('unreadable frame');
      return;
    }
    if (isStanza(element.name)) this.stanza(element);
    else this.nonza(element);
  }

  private nonza(element: Element): void {
    switch (element.name) {
      case 'open':
        if (this.step === 'opening') this.step = 'authenticating';
        break;
      case 'features':
        this.features(element);
        break;
      case 'success':
        this.step = 'binding';
        if (!this.pipelined) this.writeOpen();
        break;
      case 'failure':
        if (element.ns === NS.sasl) this.finish('refused', text(first(element, 'text')) || 'not allowed');
        break;
      case 'enabled':
        this.management.enabled(element.attrs['resume'] === 'true' ? (element.attrs['id'] ?? null) : null);
        this.ready();
        break;
      case 'resumed':
        this.resumed(Number(element.attrs['h']));
        break;
      case 'failed':
        if (this.management.resumeId) this.finish('lost', 'the session could not be resumed');
        else {
          this.management.refused();
          this.ready();
        }
        break;
      case 'r':
        this.write(`<a xmlns="${NS.sm}" h="${this.management.handled}"/>`);
        break;
      case 'a':
        this.ackAskedAt = 0;
        if (!this.management.acknowledge(Number(element.attrs['h']))) this.finish('lost', 'wrong count');
        break;
      case 'close':
        this.drop('closed by the server');
        break;
      case 'error':
        this.drop(`stream error ${first(element)?.name ?? ''}`);
        break;
      default:
        break;
    }
  }

  private features(features: Element): void {
    if (this.pipelined) return;
    if (first(features, 'mechanisms')) this.writeAuth();
    else this.writeBindOrResume();
  }

  private stanza(stanza: Element): void {
    this.management.stanzaReceived();
    if (stanza.name === 'iq') {
      const type = stanza.attrs['type'];
      const id = stanza.attrs['id'] ?? '';
      if (type === 'result' || type === 'error') {
        if (id === 'bind' && this.step !== 'ready') this.bound(stanza);
        else this.answered(id, stanza);
        return;
      }
      if (first(stanza, 'ping', NS.ping)) {
        this.send(xml('iq', { xmlns: NS.client, type: 'result', id, to: stanza.attrs['from'] }));
        return;
      }
    }
    this.options.onStanza(stanza);
  }

  private bound(stanza: Element): void {
    const jid = text(first(first(stanza, 'bind'), 'jid'));
    if (stanza.attrs['type'] !== 'result' || !jid) {
      this.drop('not bound');
      return;
    }
    this.jid = jid;
    if (!this.pipelined) this.writeEnable();
  }

  private answered(id: string, stanza: Element): void {
    const pending = this.pending.get(id);
    if (!pending) return;
    this.pending.delete(id);
    clearTimeout(pending.timer);
    if (stanza.attrs['type'] === 'result') {
      pending.resolve(stanza);
      return;
    }
    const error = first(stanza, 'error');
    const condition = (error ? elements(error) : []).find((child) => child.name !== 'text')?.name ?? 'undefined-condition';
    pending.reject(new StanzaError(condition, text(first(error, 'text')), stanza));
  }

  private ready(): void {
    this.handshakeDone();
    const held = this.heldBack;
    this.heldBack = [];
    for (const data of held) this.transmit(data);
    this.setState('online', '');
  }

  private resumed(h: number): void {
    const again = this.management.resumed(h);
    if (!again) {
      this.finish('lost', 'wrong count');
      return;
    }
    this.handshakeDone();
    for (const data of again) this.write(data);
    if (again.length > 0) this.askForAck();
    this.setState('online', '');
  }

  /** What was said earlier goes out before anybody hears that we are online: they may have more to say. */
  private handshakeDone(): void {
    if (this.handshakeTimer) clearTimeout(this.handshakeTimer);
    this.handshakeTimer = null;
    this.step = 'ready';
    this.everOnline = true;
    this.tries = 0;
    this.state = 'online';
  }

  private ping(patience: number): void {
    const due = performance.now() + patience;
    this.pingDue = this.pingDue ? Math.min(this.pingDue, due) : due;
    this.request(xml('iq', { type: 'get', to: this.options.domain }, xml('ping', { xmlns: NS.ping }))).catch(() => undefined);
  }

  private tick(): void {
    if (this.state !== 'online') return;
    const now = performance.now();
    if (this.pingDue && now > this.pingDue) this.drop('no answer to ping');
    else if (!this.pingDue && now - this.lastHeard > PING_AFTER_MS) this.ping(PING_TIMEOUT_MS);
    else if (this.management.unacknowledged > 0 && now - this.ackAskedAt > ACK_AFTER_MS) this.askForAck();
  }

  /** Gives the socket up; a resumable session goes on to the next one. */
  private drop(reason: string): void {
    const socket = this.socket;
    if (!socket) return;
    this.detach();
    try {
      socket.close();
    } catch {
      // Already closed.
    }
    this.disconnected(reason);
  }

  private gone(reason: string): void {
    this.detach();
    this.disconnected(reason);
  }

  private detach(): void {
    if (this.handshakeTimer) clearTimeout(this.handshakeTimer);
    this.handshakeTimer = null;
    const socket = this.socket;
    this.socket = null;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
  }

  private disconnected(reason: string): void {
    if (this.state === 'closed' || this.state === 'lost' || this.state === 'refused') return;
    const now = performance.now();
    this.pingDue = 0;
    // A half-done handshake that failed without a word may mean: one step at a time, please.
    if (this.step !== 'ready' && this.step !== 'opening') this.pipelined = false;
    if (this.everOnline && !this.management.resumeId) {
      this.finish('lost', reason);
      return;
    }
    if (this.state !== 'interrupted') this.interruptedAt = now;
    if (this.everOnline && now - this.interruptedAt > RESUME_FOR_MS) {
      this.finish('lost', reason);
      return;
    }
    this.setState(this.everOnline ? 'interrupted' : 'connecting', reason);
    const base = RETRY_MS[Math.min(this.tries, RETRY_MS.length - 1)] ?? 8_000;
    this.tries++;
    const spread = base + CROWD_MS * (this.options.crowd?.() ?? 0);
    this.retry = setTimeout(() => {
      this.retry = null;
      void this.attempt();
    }, base + Math.random() * spread);
  }

  private finish(state: 'lost' | 'refused' | 'closed', reason: string): void {
    if (this.watch) clearInterval(this.watch);
    if (this.retry) clearTimeout(this.retry);
    this.watch = this.retry = null;
    const socket = this.socket;
    this.detach();
    try {
      socket?.close(1000);
    } catch {
      // Already closed.
    }
    for (const pending of this.pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(new Error(reason));
    }
    this.pending.clear();
    this.setState(state, reason);
  }

  private setState(state: StreamState, reason: string): void {
    if (this.state === state && state !== 'online') return;
    this.state = state;
    this.options.onState(state, reason);
  }
}
