/* The live class in this browser: joins signalling and media and gives the pages one state to draw. */
import { Join, socketUrl } from '../api';
import { capabilities, chooseCodec, parseCodecs, sendable } from '../media/codecs';
import type { Purpose } from '../media/encodings';
import { canUseDevices } from '../media/devices';
import { keepAwake } from '../media/awake';
import { chime } from '../media/level';
import { isFirefox, Peer } from '../media/peer';
import { allowProfile, below, Drawn, FIGURES, least, limitProfile, portions, Profile, profile } from '../media/profile';
import { QualityProbe } from '../media/quality';
import { Sinks } from '../media/sinks';
import { counted, MediaCounter, takeFetched } from '../media/traffic';
import { lookAt, Uplink } from '../media/uplink';
import { BridgeChannel, ReceiverConstraints, SentVideoType } from '../signalling/bridge-channel';
import { takeSocket } from '../signalling/early-socket';
import { iceServers } from '../signalling/external-services';
import {
  buildAccept, buildIceAnswer, buildIceRestart, buildSourceChange, buildTerminate, IceRestart, JingleError, parseIceRestart,
  parseInitiate, parseSources, RemoteSource, Session,
} from '../signalling/jingle';
import { ChatMessage, LeaveReason, MuteMedia, Participant, RecordingStatus, Room } from '../signalling/room';
import { Socket, StanzaError, StreamState, XmppStream } from '../signalling/stream';
import { NS } from '../signalling/namespaces';
import { Element, first, text } from '../signalling/xml';
import { Store } from '../store';
import { DataMeter, Step, storage } from './meter';
import { isShortage, Line, LineWords, Shortage } from './line';
import { Publisher } from './publisher';
import { CHAT_MAX, ChatEntry, ClassState, NOBODY, Notice, Person, personOf, Reaction, rightsOf } from './state';
import { tokenExpiry } from './token';

const LEVEL_EVERY_MS = 200;
const LINE_EVERY_MS = 500;
const STATS_EVERY_MS = 5_000;
const UPLINK_EVERY_MS = 1_000;
/** A voice counts as speaking above this level, and for a moment after. */
const SPEAKING_LEVEL = 0.015;
const SPEAKING_HOLD_MS = 600;
/** ICE may come back by itself from a short break. */
const ICE_PATIENCE_MS = 2_000;
/** A handshake over the slowest line is through by then, with every packet lost twice. */
const CONNECT_PATIENCE_MS = 15_000;
/** On another network: what was under way has arrived after the one, media that still comes would have come within the other. */
const LEFTOVERS_MS = 300;
const SILENCE_MS = 1_000;
const RESTART_APART_MS = 6_000;
const RESTART_ANSWER_MS = 12_000;
/** A new path within the session stands by then even over a slow relay, or a new session is needed. */
const NEW_PATH_MS = 4_000;
const NEW_PATH_LOOK_MS = 100;
/** How long a lost socket waits for a fresh ticket. */
const TICKET_PATIENCE_MS = 3_000;
const REACTION_MS = 4_500;
const REACTIONS_MAX = 12;
const REQUEST_TYPE = 'darasa-request';
const PURPOSES: readonly Purpose[] = ['microphone', 'camera', 'desktop'];

/** What the page shows, to be translated into wishes to the bridge. */
export interface View {
  /** Sources by name with the height at which they are drawn, in device pixels. */
  heights: Record<string, number>;
  stage: string[];
  /** No picture at all: page in the background, or data saver. */
  audioOnly: boolean;
}

export interface SourceTrack {
  source: string;
  owner: string;
  videoType: 'camera' | 'desktop';
  track: MediaStreamTrack;
}

/** Bridges send layers of 180, 360 and 720 lines: ask for the one that fits. */
export function layerFor(height: number): number {
  if (height <= 0) return 0;
  if (height <= 220) return 180;
  return height <= 460 ? 360 : 720;
}

const nextFrame = (): Promise<void> =>
  new Promise((done) => {
    const timer = setTimeout(done, 150);
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        clearTimeout(timer);
        done();
      }),
    );
  });

export class Classroom {
  readonly state: Store<ClassState>;
  readonly chat = new Store<readonly ChatEntry[]>([]);
  readonly tracks = new Store<ReadonlyMap<string, SourceTrack>>(new Map());
  readonly speaking = new Store<ReadonlySet<string>>(new Set());
  /** The profile of what is sent. */
  readonly sending = new Store<Profile>(profile.value);
  /** Names of sources the bridge sends now; null before it has said so. */
  readonly forwarded = new Store<ReadonlySet<string> | null>(null);
  /** What a slow line takes away just now. */
  readonly line = new Store<Line>('whole');
  readonly reactions = new Store<readonly Reaction[]>([]);
  readonly publisher: Publisher;
  readonly meter: DataMeter;
  private join: Join | null = null;
  private stream: XmppStream | null = null;
  private room: Room | null = null;
  private session: Session | null = null;
  private peer: Peer | null = null;
  private channel: BridgeChannel | null = null;
  private turn: RTCIceServer[] = [];
  private readonly sinks: Sinks;
  private probe = new QualityProbe();
  private readonly uplink = new Uplink();
  private traffic = new MediaCounter();
  private wanted = false;
  private listenOnly = false;
  private shortage: Shortage | null = null;
  private readonly words = new LineWords();
  private view: View = { heights: {}, stage: [], audioOnly: false };
  private viewTimer: ReturnType<typeof setTimeout> | null = null;
  private peopleDirty = false;
  private readonly disconnected = new Set<string>();
  private readonly loudAt = new Map<string, number>();
  /** RTP time of the last packet looked at, by SSRC. */
  private readonly heardAt = new Map<number, number>();
  private timers: ReturnType<typeof setInterval>[] = [];
  private iceTimer: ReturnType<typeof setTimeout> | null = null;
  private answerTimer: ReturnType<typeof setTimeout> | null = null;
  private lastRestart = -Infinity;
  private generation = 0;
  /** Whose silence is being looked for. */
  private probed: Peer | null = null;
  private statsTurn = 0;
  private counter = 1;
  private releases: (() => void)[] = [];
  private accepted = false;
  private startedAt = 0;

  constructor(private readonly fetchJoin: () => Promise<Join>) {
    this.state = new Store<ClassState>({
      phase: 'idle',
      title: '',
      classId: '',
      rights: rightsOf({ pupils: { microphone: false, camera: false, screen: false, chat: false, private: false }, record: false }, false),
      me: NOBODY,
      people: [],
      speakers: [],
      microphone: 'off',
      camera: 'off',
      screen: 'off',
      recording: { on: false, pending: false, since: 0 },
      signalling: 'online',
      media: 'none',
      quality: 'good',
      soundBlocked: false,
      notices: [],
    });
    this.sinks = new Sinks((soundBlocked) => this.state.update({ soundBlocked }));
    this.publisher = new Publisher({
      onChange: () => this.publisherChanged(),
      onProblem: (purpose, problem) => this.notify(`device-${purpose}-${problem}`, {}, 'warning'),
      send: (purpose, track) => this.sendTrack(purpose, track),
    });
    this.sinks.setSpeaker(this.publisher.choice.speaker);
    this.meter = new DataMeter({
      session: storage('sessionStorage'),
      device: storage('localStorage'),
      now: () => Date.now(),
      onStep: (step, cap) => this.dataStep(step, cap),
    });
  }

  /** Fetches the ticket and opens the stream while the person still looks at the device check. */
  async prepare(): Promise<Join> {
    const join = this.join ?? (await this.fetchJoin());
    if (!this.join) this.takeJoin(join);
    if (!this.stream && !this.isOver()) this.openStream();
    return join;
  }

  /** Goes in. Before this nobody sees us. */
  async enter(listenOnly: boolean): Promise<void> {
    if (this.wanted) return;
    this.wanted = true;
    this.listenOnly = listenOnly;
    this.startedAt = performance.now();
    this.state.update({ phase: 'joining' });
    this.watchSurroundings();
    await this.prepare();
    if (this.stream?.online) this.startRoom();
  }

  async leave(): Promise<void> {
    this.finish('left');
  }

  setMicrophone(on: boolean): void {
    void (on ? this.publisher.turnOn('microphone') : this.publisher.turnOff('microphone'));
  }

  setCamera(on: boolean): void {
    void (on ? this.publisher.turnOn('camera') : this.publisher.turnOff('camera'));
  }

  setScreen(on: boolean): void {
    void (on ? this.publisher.turnOn('desktop') : this.publisher.turnOff('desktop'));
  }

  setSpeaker(id: string): void {
    this.sinks.setSpeaker(id);
  }

  unblockSound(): void {
    this.sinks.unblock();
  }

  setHand(up: boolean): void {
    const handAt = up ? Date.now() : 0;
    this.room?.publish({ raisedHandAt: handAt });
    this.state.update({ me: { ...this.state.value.me, handAt } });
  }

  react(what: string): void {
    const { me } = this.state.value;
    this.channel?.sendMessage('', { name: 'endpoint-reaction', reactions: [what], timestamp: Date.now() });
    this.showReaction(me.id, me.name, what);
  }

  say(text: string, to: string | null): void {
    const body = text.trim();
    if (!body || !this.room) return;
    this.addChat(this.room.sendChat(body, to));
  }

  /** Asks somebody to switch something on; only they can. */
  request(endpoint: string, media: 'microphone' | 'camera'): void {
    this.channel?.sendMessage(endpoint, { type: REQUEST_TYPE, media });
  }

  mute(endpoint: string, media: MuteMedia): void {
    this.attempt(this.room?.mute(endpoint, media));
  }

  muteAll(): void {
    for (const person of this.state.value.people) {
      if (person.microphoneOn && !person.moderator) this.mute(person.id, 'audio');
    }
  }

  kick(endpoint: string): void {
    this.attempt(this.room?.kick(endpoint));
  }

  grantModerator(endpoint: string): void {
    const participant = this.room?.participants.get(endpoint);
    if (participant) this.attempt(this.room?.grantModerator(participant));
  }

  setRecording(on: boolean): void {
    const { recording } = this.state.value;
    if (on) this.state.update({ recording: { ...recording, pending: true } });
    this.room?.record(on ? 'start' : 'stop').catch((error: unknown) => {
      this.state.update({ recording: { ...this.state.value.recording, pending: false } });
      const word = error instanceof StanzaError ? error.condition : 'timeout';
      this.notify(word === 'resource-constraint' ? 'recording-busy' : 'recording-refused', {}, 'warning');
    });
  }

  dismiss(id: number): void {
    this.state.update({ notices: this.state.value.notices.filter((notice) => notice.id !== id) });
  }

  setView(view: View): void {
    this.view = view;
    this.viewTimer ??= setTimeout(() => {
      this.viewTimer = null;
      this.sendView();
    }, 100);
  }

  // --- stream and room -------------------------------------------------------------------------

  private isOver(): boolean {
    return ['left', 'ended', 'kicked', 'refused'].includes(this.state.value.phase);
  }

  private takeJoin(join: Join): void {
    this.join = join;
    const { moderator } = join.me;
    this.meter.begin(join.class || join.room);
    this.state.update({
      title: join.title,
      classId: join.class,
      rights: rightsOf(join.policy, moderator),
      me: { ...this.state.value.me, name: join.me.name, moderator },
    });
  }

  private openStream(): void {
    const join = this.join;
    if (!join) return;
    const stream = new XmppStream({
      domain: join.domain,
      openSocket: counted(takeSocket, (bytes) => this.meter.add(bytes)),
      url: () => this.streamUrl(),
      onState: (state, reason) => {
        if (this.stream === stream) this.streamState(state, reason);
      },
      onStanza: (stanza) => {
        if (this.stream === stream) this.room?.handle(stanza);
      },
      crowd: () => this.room?.participants.size ?? 0,
    });
    this.stream = stream;
    stream.connect();
    void iceServers(stream, join.domain).then((servers) => {
      if (this.stream === stream) this.turn = servers;
    });
  }

  /** Tokens live shorter than classes: a new one is fetched before the old one is refused. For coming back to a
   * session that waits, an old one serves as well: nobody leaves a class because pages cannot be had. */
  private async streamUrl(): Promise<string> {
    let join = this.join;
    const expiry = join ? tokenExpiry(join.token) : 0;
    if (!join || (expiry > 0 && expiry - Date.now() / 1_000 < 30)) {
      const fresh = this.fetchJoin();
      if (this.room && join) {
        const old = join;
        join = await Promise.race([fresh.catch(() => old), new Promise<Join>((done) => setTimeout(done, TICKET_PATIENCE_MS, old))]);
      } else {
        join = await fresh;
      }
      if (join !== this.join) this.takeJoin(join);
    }
    return socketUrl(join);
  }

  private streamState(state: StreamState, reason: string): void {
    switch (state) {
      case 'online':
        this.state.update({ signalling: 'online' });
        if (this.wanted && !this.room) this.startRoom();
        // Both paths were dead and one is back: the network is another one, no use in waiting for the old one.
        if (this.state.value.media === 'interrupted') this.restartSoon(0);
        break;
      case 'connecting':
      case 'interrupted':
        if (this.wanted) this.state.update({ signalling: 'interrupted' });
        break;
      case 'lost':
        this.rejoin();
        break;
      case 'refused':
        this.refuse(reason);
        break;
      default:
        break;
    }
  }

  /** A refused token may only be an old one: one fresh ticket, then it is final. */
  private refuse(reason: string): void {
    if (this.join && performance.now() - this.startedAt > 30_000) {
      this.rejoin();
      return;
    }
    this.notify('refused', { reason }, 'warning');
    this.finish('refused');
  }

  private startRoom(): void {
    const { stream, join } = this;
    if (!stream || !join || this.room) return;
    const codecs = capabilities(RTCRtpReceiver);
    const room = new Room(stream, { room: join.room, muc: join.muc, focus: join.focus, metadata: `metadata.${join.domain}`, name: join.me.name, codecs }, {
      onParticipant: (participant, isNew) => this.participant(participant, isNew),
      onGone: (participant) => this.gone(participant),
      onSelf: (participant) => this.self(participant),
      onChat: (message) => this.received(message),
      onRecording: (status) => this.recordingChanged(status),
      onMutedBy: (media, actor) => this.mutedBy(media, actor),
      onCodecs: () => this.codecsChanged(),
      onMetadata: (metadata) => allowProfile(metadata['profile']),
      onJingle: (_, jingle) => this.jingle(jingle),
      onEnded: (reason, detail) => this.roomEnded(reason, detail),
    });
    this.room = room;
    this.publishSources();
    room.join().then(
      () => {
        if (this.room === room) this.state.update({ phase: 'joined' });
      },
      (error: unknown) => {
        if (this.room !== room || this.isOver()) return;
        if (error instanceof StanzaError) this.refuse(error.detail || error.condition);
        else this.rejoin();
      },
    );
  }

  private roomEnded(reason: LeaveReason, detail: string): void {
    if (reason === 'focus-left') {
      this.rejoin();
      return;
    }
    if (reason === 'kicked') this.finish('kicked');
    else this.finish('ended', detail);
  }

  /** Begins again from nothing, in the same page: new stream, new endpoint, same devices. */
  private rejoin(): void {
    if (this.isOver()) return;
    const first = this.state.value.phase !== 'rejoining';
    this.dropMedia();
    this.room = null;
    const old = this.stream;
    this.stream = null;
    old?.close();
    this.disconnected.clear();
    this.state.update({ phase: this.wanted ? 'rejoining' : 'idle', people: [], signalling: 'interrupted' });
    const wait = first ? 200 + Math.random() * 800 : 2_000 + Math.random() * 3_000;
    setTimeout(() => void this.again(), wait);
  }

  private async again(): Promise<void> {
    if (this.isOver() || this.stream) return;
    try {
      this.takeJoin(await this.fetchJoin());
    } catch (error) {
      const status = (error as { status?: number }).status ?? 0;
      if (status >= 400 && status < 500 && status !== 429) {
        this.finish(status === 409 ? 'ended' : 'refused');
        return;
      }
      setTimeout(() => void this.again(), 3_000 + Math.random() * 3_000);
      return;
    }
    if (!this.isOver() && !this.stream) this.openStream();
  }

  private finish(phase: 'left' | 'ended' | 'kicked' | 'refused', detail = ''): void {
    if (this.isOver()) return;
    this.state.update({ phase });
    if (detail) this.notify('ended-detail', { detail }, 'info');
    this.dropMedia();
    this.publisher.close();
    this.sinks.close();
    for (const release of this.releases) release();
    for (const timer of this.timers) clearInterval(timer);
    this.meter.save();
    limitProfile(null);
    if (this.viewTimer) clearTimeout(this.viewTimer);
    this.releases = [];
    this.timers = [];
    const { room, stream } = this;
    this.room = null;
    this.stream = null;
    if (phase === 'left' && room) void room.leave().then(() => stream?.close());
    else stream?.close();
  }

  private watchSurroundings(): void {
    const renew = (): void => this.networkChanged();
    const goodbye = (): void => {
      this.meter.save();
      this.stream?.close();
    };
    const network = (navigator as { connection?: EventTarget & { type?: string } }).connection;
    let type = network?.type;
    // Changes of its speed are told too.
    const change = (): void => {
      if (network?.type !== type) {
        this.networkChanged();
      } else {
        this.stream?.hurry();
        this.channel?.hurry();
      }
      type = network?.type;
    };
    addEventListener('online', renew);
    addEventListener('pagehide', goodbye);
    network?.addEventListener('change', change);
    const awake = keepAwake();
    this.releases.push(profile.watch(() => this.profileChanged()));
    this.releases.push(() => {
      removeEventListener('online', renew);
      removeEventListener('pagehide', goodbye);
      network?.removeEventListener('change', change);
      awake();
    });
    this.timers.push(
      setInterval(() => this.measureLevels(), LEVEL_EVERY_MS),
      setInterval(() => this.measureLine(), LINE_EVERY_MS),
      setInterval(() => void this.measureUplink(), UPLINK_EVERY_MS),
      setInterval(() => {
        this.meter.add(takeFetched());
        void this.measureQuality().then(() => this.meter.tick());
      }, STATS_EVERY_MS),
    );
  }

  /** From Wi-Fi to mobile, say. Browsers notice late that sockets and media of the old network lead nowhere. */
  private networkChanged(): void {
    this.stream?.renew();
    this.channel?.renew();
    void this.probeMedia();
  }

  /** A new session if nothing comes in any more. */
  private async probeMedia(): Promise<void> {
    const { peer } = this;
    if (!peer || this.probed === peer) return;
    this.probed = peer;
    const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
    await wait(LEFTOVERS_MS);
    const before = await peer.bytesIn();
    await wait(SILENCE_MS);
    const silent = (await peer.bytesIn()) === before;
    if (this.probed === peer) this.probed = null;
    if (!silent || this.peer !== peer) return;
    this.state.update({ media: 'interrupted' });
    this.restartSoon(0);
  }

  // --- people ----------------------------------------------------------------------------------

  private participant(participant: Participant, isNew: boolean): void {
    if (isNew) this.disconnected.delete(participant.id);
    const before = this.state.value.people.find((person) => person.id === participant.id);
    if (participant.raisedHandAt && !before?.handAt && !isNew && this.state.value.rights.moderate) {
      this.notify('hand-raised', { name: participant.name }, 'info');
    }
    this.peopleSoon();
  }

  private gone(participant: Participant): void {
    this.peer?.release((slot) => slot.owner === participant.id);
    this.disconnected.delete(participant.id);
    this.state.update({ speakers: this.state.value.speakers.filter((id) => id !== participant.id) });
    this.peopleSoon();
  }

  private self(participant: Participant): void {
    const { me, rights } = this.state.value;
    const policy = this.join?.policy;
    const change: Partial<ClassState> = {
      // Our own switches are known here first; the server's echo of them comes late.
      me: { ...me, id: participant.id, name: participant.name, moderator: participant.moderator, handAt: participant.raisedHandAt },
    };
    if (policy) {
      change.rights = rightsOf(policy, participant.moderator, participant.may);
      if (participant.moderator && !rights.moderate && me.id) this.notify('made-moderator', {}, 'info');
    }
    this.state.update(change);
  }

  /** A class that enters all at once is drawn once. */
  private peopleSoon(): void {
    if (this.peopleDirty) return;
    this.peopleDirty = true;
    setTimeout(() => {
      this.peopleDirty = false;
      const people: Person[] = [];
      for (const participant of this.room?.participants.values() ?? []) {
        people.push(personOf(participant, !this.disconnected.has(participant.id)));
      }
      this.state.update({ people });
      // Where not everybody's picture is asked for, who is shown depends on whose camera is on.
      this.sendView();
    }, 30);
  }

  private mutedBy(media: MuteMedia, actor: string): void {
    const purpose = ({ audio: 'microphone', video: 'camera', desktop: 'desktop' } as const)[media];
    if (this.publisher.state(purpose) === 'off') return;
    void this.publisher.turnOff(purpose);
    const name = this.room?.participants.get(actor)?.name ?? '';
    this.notify(`muted-${purpose}`, { name }, 'info');
  }

  private received(message: ChatMessage): void {
    if (message.failed) {
      const list = this.chat.value.map((entry) => (entry.id === message.id ? { ...entry, failed: true } : entry));
      this.chat.set(list);
      return;
    }
    this.addChat(message);
  }

  private addChat(message: ChatMessage): void {
    if (this.chat.value.some((entry) => entry.id === message.id && entry.from === message.from)) return;
    this.chat.set([...this.chat.value, message].slice(-CHAT_MAX));
  }

  private recordingChanged(status: RecordingStatus): void {
    const { recording } = this.state.value;
    // Who comes late does not know since when.
    const late = this.state.value.phase !== 'joined';
    const since = !status.on || (late && !recording.since) ? 0 : recording.since || Date.now();
    this.state.update({ recording: { on: status.on, pending: status.pending, since } });
    if (status.diskFull && this.state.value.me.moderator) this.notify('recording-disk-full', {}, 'warning');
    else if (status.error) this.notify('recording-failed', {}, 'warning');
    if (status.on === recording.on) return;
    if (status.on && late) this.notify('recording-running', {}, 'info');
    else this.notify(status.on ? 'recording-started' : 'recording-stopped', {}, 'info');
    if (status.on) chime();
  }

  private notify(key: string, values: Record<string, string>, tone: Notice['tone'], action: Notice['action'] = null): void {
    const notice: Notice = { id: this.counter++, key, values, tone, action };
    const others = this.state.value.notices.filter((other) => other.key !== key || key === 'hand-raised');
    this.state.update({ notices: [...others, notice].slice(-4) });
  }

  /** What is left of the limit on data decides how much is asked for; the class itself goes on. */
  private dataStep(step: Step, cap: number): void {
    limitProfile(null);
    if (step === 'near') limitProfile(least('light', below(profile.value)));
    else if (step === 'reached') limitProfile('voice');
    this.sendView();
    this.state.update({ notices: this.state.value.notices.filter((notice) => !notice.key.startsWith('data-')) });
    if (step !== 'free') this.notify(`data-${step}`, { cap: String(cap) }, 'warning', 'lift');
  }

  private attempt(work: Promise<unknown> | undefined): void {
    work?.catch(() => this.notify('not-allowed', {}, 'warning'));
  }

  private showReaction(from: string, name: string, what: string): void {
    const id = this.counter++;
    this.reactions.set([...this.reactions.value, { id, from, name, what }].slice(-REACTIONS_MAX));
    setTimeout(() => this.reactions.set(this.reactions.value.filter((r) => r.id !== id)), REACTION_MS);
  }

  // --- media -----------------------------------------------------------------------------------

  private jingle(jingle: Element): 'ok' | 'unknown-session' | 'bad-request' {
    const action = jingle.attrs['action'];
    if (action === 'session-initiate') {
      let session: Session;
      try {
        session = parseInitiate(jingle);
      } catch (error) {
        if (error instanceof JingleError) return 'bad-request';
        throw error;
      }
      void this.startSession(session);
      return 'ok';
    }
    if (!this.session || jingle.attrs['sid'] !== this.session.sid) return 'unknown-session';
    if (action === 'session-terminate') this.dropMedia();
    else if (action === 'source-add') this.classicSources(parseSources(jingle));
    else if (action === 'source-remove') {
      const names = new Set(parseSources(jingle).map((source) => source.name));
      this.peer?.release((slot) => slot.source !== null && names.has(slot.source));
    } else if (action === 'session-info') this.channel?.hear(text(first(jingle, 'json-message', NS.jitmeet)));
    else if (action === 'transport-info') void this.takePath(this.session, parseIceRestart(jingle));
    else return 'bad-request';
    return 'ok';
  }

  /** Sources signalled the classic way become slots like any other. */
  private classicSources(sources: RemoteSource[]): void {
    for (const kind of ['audio', 'video'] as const) {
      const map = sources
        .filter((source) => source.kind === kind && source.name && this.room?.participants.has(source.owner))
        .map(({ name, owner, ssrc, rtx, videoType }) => ({ source: name, owner, ssrc, rtx, videoType, pair: null, after: null }));
      if (map.length > 0) this.peer?.setMap(kind, map);
    }
  }

  private async startSession(session: Session): Promise<void> {
    this.dropMedia();
    const room = this.room;
    if (!room) return;
    this.session = session;
    this.state.update({ media: 'connecting' });
    const peer = this.openPeer(session, room);
    // Who comes late sees that the class is recorded before anything of theirs is attached.
    if (this.state.value.recording.on) await nextFrame();
    if (this.peer !== peer) return;
    try {
      const answer = await peer.start(this.announced());
      if (this.peer !== peer) return;
      const accepted = room.jingle(buildAccept(session, this.stream?.jid ?? '', answer));
      this.publishSources();
      this.classicSources(session.sources);
      await accepted;
      this.accepted = true;
      for (const purpose of PURPOSES) await this.resend(purpose);
    } catch {
      if (this.peer === peer && !this.isOver()) this.restartSoon(RESTART_APART_MS);
    }
  }

  /** What gets SSRCs in the answer: everything we may switch on, so that switching needs no signalling. */
  private announced(): Set<Purpose> {
    const { rights } = this.state.value;
    const out = new Set<Purpose>();
    if (this.listenOnly || !canUseDevices()) return out;
    if (rights.microphone) out.add('microphone');
    if (rights.camera) out.add('camera');
    return out;
  }

  private openPeer(session: Session, room: Room): Peer {
    const peer = new Peer({
      session,
      endpoint: room.id,
      iceServers: this.turn,
      events: {
        onSlots: () => {
          if (this.peer === peer) this.slotsChanged();
        },
        onConnection: (state) => {
          if (this.peer === peer) this.connectionChanged(state);
        },
      },
    });
    this.peer = peer;
    this.settleSending();
    this.codecsChanged();
    this.probe = new QualityProbe();
    this.traffic = new MediaCounter();
    for (const purpose of PURPOSES) {
      const track = this.publisher.sending(purpose);
      if (track && this.announced().has(purpose)) void peer.setTrack(purpose, track).catch(() => undefined);
    }
    const url = session.webSockets[0];
    if (url) this.channel = this.openChannel(url, peer);
    return peer;
  }

  /** What we send follows whoever can show least. */
  private codecsChanged(): void {
    const { room, peer } = this;
    if (!room || !peer) return;
    const others = [...room.participants.values()].map((participant) => parseCodecs(participant.codecs.join(',')));
    peer.setCodec(chooseCodec(parseCodecs(room.allowedCodecs.join(',')), sendable(capabilities(RTCRtpSender), isFirefox()), others));
  }

  private openChannel(url: string, peer: Peer): BridgeChannel {
    const channel = new BridgeChannel(url, {
      onOpen: () => undefined,
      onDown: () => undefined,
      onAudioMap: (map, spares) => peer.setMap('audio', map, spares),
      onVideoMap: (map, spares) => peer.setMap('video', map, spares),
      onForwarded: (sources) => this.forwarded.set(new Set(sources)),
      onDominantSpeaker: (endpoint) => this.dominant(endpoint),
      onSenderConstraint: (source, maxHeight) => peer.setSenderLimit(source, maxHeight),
      onMessage: (from, payload) => this.endpointMessage(from, payload),
      onEndpointStats: () => undefined,
      onConnectivity: (endpoint, active) => this.connectivity(endpoint, active),
      onDownlink: (_, shortage) => {
        this.shortage = isShortage(shortage) ? shortage : null;
      },
    }, counted((to) => new WebSocket(to) as unknown as Socket, (bytes) => this.meter.add(bytes)));
    for (const purpose of ['camera', 'desktop'] as const) {
      if (peer.has(purpose) || this.publisher.state(purpose) === 'on') this.tellVideoType(purpose, channel, peer);
    }
    channel.setConstraints(this.constraints(this.view));
    return channel;
  }

  private dropMedia(): void {
    if (this.iceTimer) clearTimeout(this.iceTimer);
    if (this.answerTimer) clearTimeout(this.answerTimer);
    this.iceTimer = this.answerTimer = null;
    this.channel?.close();
    this.peer?.close();
    this.channel = null;
    this.peer = null;
    this.session = null;
    this.generation = 0;
    this.accepted = false;
    this.forwarded.set(null);
    this.shortage = null;
    this.tracks.set(new Map());
    this.speaking.set(new Set());
    this.heardAt.clear();
    if (this.state.value.media !== 'none') this.state.update({ media: 'connecting' });
  }

  private slotsChanged(): void {
    const tracks = new Map<string, SourceTrack>();
    const voices: { key: string; track: MediaStreamTrack }[] = [];
    for (const { slot, track } of this.peer?.received() ?? []) {
      if (!slot.owner || !slot.source) continue;
      if (slot.kind === 'audio') voices.push({ key: String(slot.ssrc), track });
      else tracks.set(slot.source, { source: slot.source, owner: slot.owner, videoType: slot.videoType, track });
    }
    this.sinks.set(voices);
    this.tracks.set(tracks);
  }

  private connectionChanged(state: RTCPeerConnectionState): void {
    if (state === 'connecting' && !this.iceTimer) {
      this.restartSoon(CONNECT_PATIENCE_MS);
    } else if (state === 'connected') {
      if (this.iceTimer) clearTimeout(this.iceTimer);
      this.iceTimer = null;
      this.state.update({ media: 'connected' });
      this.words.begin(performance.now());
    } else if (state === 'disconnected') {
      void this.doubtMedia();
    } else if (state === 'failed') {
      this.state.update({ media: 'interrupted' });
      this.stream?.hurry();
      this.restartSoon(0);
    }
  }

  /** Checks of the path got lost. On one that is full they do, and another one would be as full: only where nothing comes in any
   * more the path is gone. */
  private async doubtMedia(): Promise<void> {
    const { peer } = this;
    let before = (await peer?.bytesIn()) ?? 0;
    for (;;) {
      await new Promise((done) => setTimeout(done, SILENCE_MS));
      if (!peer || this.peer !== peer || peer.pc.connectionState !== 'disconnected') return;
      const now = await peer.bytesIn();
      if (now === before) break;
      before = now;
    }
    this.state.update({ media: 'interrupted' });
    // Signalling may be on the same dead path: it has to know before it is needed.
    this.stream?.hurry();
    this.restartSoon(ICE_PATIENCE_MS - SILENCE_MS);
  }

  private restartSoon(delay: number): void {
    const apart = this.lastRestart + RESTART_APART_MS - performance.now();
    if (this.iceTimer) clearTimeout(this.iceTimer);
    this.iceTimer = setTimeout(() => {
      this.iceTimer = null;
      void this.restart();
    }, Math.max(delay, apart));
  }

  /** Asks the focus for another path of the same session, and waits for what comes by it. */
  private async newPath(session: Session, room: Room): Promise<boolean> {
    const { peer } = this;
    if (!peer || !this.accepted || !session.bridgeSession) return false;
    const before = await peer.bytesIn();
    try {
      await room.jingle(buildIceRestart(session));
    } catch {
      return false;
    }
    for (const end = performance.now() + NEW_PATH_MS; performance.now() < end; ) {
      await new Promise((done) => setTimeout(done, NEW_PATH_LOOK_MS));
      if (this.peer !== peer || this.isOver() || this.state.value.media === 'connected') return true;
      // Where the browser has not noticed anything yet, no change of its state is to be waited for.
      if (peer.pc.connectionState === 'connected' && (await peer.bytesIn()) > before) {
        this.connectionChanged('connected');
        return true;
      }
    }
    return false;
  }

  /** The focus' part of that; also unasked, when the bridge hears nothing from us any more. */
  private async takePath(session: Session, restart: IceRestart | null): Promise<void> {
    const { peer, room } = this;
    if (!peer || !room || !restart || restart.generation <= this.generation) return;
    this.generation = restart.generation;
    try {
      const transport = await peer.restartIce(restart, this.turn);
      if (this.peer === peer) await room.jingle(buildIceAnswer(session, restart.generation, transport));
    } catch {
      // A new session follows when nothing comes by the old one.
    }
  }

  /** Asks the focus for a path that works, and if there is none for a new session. */
  private async restart(): Promise<void> {
    const { session, room, stream } = this;
    if (!session || !room || !stream || this.state.value.media === 'connected') return;
    // Without signalling nobody can be asked; its return brings us back here.
    if (!stream.online) {
      this.restartSoon(1_000);
      return;
    }
    this.lastRestart = performance.now();
    if (await this.newPath(session, room)) return;
    if (this.session !== session || this.isOver()) return;
    this.lastRestart = performance.now();
    try {
      await room.jingle(buildTerminate(session, 'connectivity-error', true));
      if (this.session !== session) return;
      this.dropMedia();
      this.answerTimer = setTimeout(() => {
        if (!this.session) this.rejoin();
      }, RESTART_ANSWER_MS);
    } catch (error) {
      if (this.session !== session) return;
      if (error instanceof StanzaError && error.condition !== 'resource-constraint') this.rejoin();
      else this.restartSoon(RESTART_APART_MS);
    }
  }

  // --- what we send ----------------------------------------------------------------------------

  private publisherChanged(): void {
    this.state.update({
      microphone: this.publisher.state('microphone'),
      camera: this.publisher.state('camera'),
      screen: this.publisher.state('desktop'),
    });
    this.publishSources();
  }

  private publishSources(): void {
    const { room, peer } = this;
    if (!room) return;
    const announced = this.announced();
    const sources: Record<string, { muted: boolean; videoType?: string }> = {};
    const suffix = { microphone: 'a0', camera: 'v0', desktop: 'v1' } as const;
    for (const purpose of PURPOSES) {
      if (!(peer ? peer.has(purpose) : announced.has(purpose))) continue;
      const muted = this.publisher.state(purpose) !== 'on';
      const name = `${room.id}-${suffix[purpose]}`;
      sources[name] = purpose === 'desktop' ? { muted, videoType: 'desktop' } : { muted };
      if (purpose !== 'microphone' && this.channel && peer) this.tellVideoType(purpose, this.channel, peer);
    }
    room.publish({ sources });
    const { me } = this.state.value;
    const on = (purpose: Purpose): boolean => this.publisher.state(purpose) === 'on';
    this.state.update({ me: { ...me, microphoneOn: on('microphone'), cameraOn: on('camera'), screenOn: on('desktop') } });
  }

  private tellVideoType(purpose: 'camera' | 'desktop', channel: BridgeChannel, peer: Peer): void {
    const type: SentVideoType = this.publisher.state(purpose) === 'on' ? purpose : 'none';
    channel.setVideoType(peer.sourceName(purpose), type);
  }

  /** Called by the publisher when a switch moves. */
  private async sendTrack(purpose: Purpose, track: MediaStreamTrack | null): Promise<void> {
    const { peer, session, room } = this;
    if (!peer || !session || !room || !this.accepted) return;
    if (track && !peer.has(purpose)) {
      await peer.setTrack(purpose, track);
      const source = await peer.add(purpose);
      await room.jingle(buildSourceChange('source-add', session, [source]));
      return;
    }
    await peer.setTrack(purpose, track);
  }

  /** Brings a new session to where the switches stand. */
  private async resend(purpose: Purpose): Promise<void> {
    const track = this.publisher.sending(purpose);
    if (!track && !this.peer?.has(purpose)) return;
    await this.sendTrack(purpose, track).catch(() => this.publisher.turnOff(purpose));
    this.publishSources();
  }

  // --- bridge ----------------------------------------------------------------------------------

  private dominant(endpoint: string): void {
    if (!endpoint || endpoint === this.room?.id) return;
    const { speakers } = this.state.value;
    if (speakers[0] === endpoint) return;
    this.state.update({ speakers: [endpoint, ...speakers.filter((id) => id !== endpoint)].slice(0, 50) });
  }

  private connectivity(endpoint: string, active: boolean): void {
    if (active) this.disconnected.delete(endpoint);
    else this.disconnected.add(endpoint);
    this.peopleSoon();
  }

  private endpointMessage(from: string, payload: Record<string, unknown>): void {
    const sender = this.room?.participants.get(from);
    if (!sender) return;
    if (payload['name'] === 'endpoint-reaction' && Array.isArray(payload['reactions'])) {
      for (const what of payload['reactions'].slice(0, 3)) {
        if (typeof what === 'string') this.showReaction(from, sender.name, what);
      }
    } else if (payload['type'] === REQUEST_TYPE && sender.moderator) {
      const media = payload['media'];
      const { rights } = this.state.value;
      if ((media !== 'microphone' && media !== 'camera') || !rights[media]) return;
      if (this.publisher.state(media) === 'off') this.notify(`asked-${media}`, { name: sender.name }, 'info', media);
    }
  }

  private drawn({ heights, stage }: View): Drawn[] {
    return Object.entries(heights).map(([source, height]) => {
      const state = this.room?.participants.get(source.slice(0, source.indexOf('-')))?.sources[source];
      const kind = source.endsWith('-v1') ? 'desktop' : 'camera';
      const on = state !== undefined && !state.muted;
      return { source, height: layerFor(height), kind, onStage: stage.includes(source), on };
    });
  }

  /** Whose pictures are asked for where that view is drawn: data, the class or this device may allow less than all. */
  asked(view: View): ReadonlySet<string> {
    const { constraints } = this.constraints(view);
    return new Set(Object.keys(constraints).filter((source) => (constraints[source]?.maxHeight ?? 0) > 0));
  }

  private constraints(view: View): ReceiverConstraints {
    const { stage } = view;
    const audioOnly = view.audioOnly || this.meter.use.value.step === 'reached';
    return {
      lastN: audioOnly ? 0 : -1,
      selectedSources: [],
      onStageSources: audioOnly ? [] : stage,
      // Whoever is not drawn costs nothing.
      defaultConstraints: { maxHeight: 0 },
      constraints: audioOnly ? {} : portions(this.drawn(view), FIGURES[profile.value]),
    };
  }

  /** What is asked for of those who show something. */
  private measureLine(): void {
    if (this.state.value.media !== 'connected') return;
    const asked = this.asked(this.view);
    const wanted = this.drawn(this.view).filter((one) => one.on && asked.has(one.source)).map((one) => one.source);
    this.line.set(this.words.take({ shortage: this.shortage, wanted, forwarded: this.forwarded.value }, performance.now()));
  }

  private profileChanged(): void {
    this.settleSending();
    this.sendView();
  }

  private sendView(): void {
    this.channel?.setConstraints(this.constraints(this.view));
  }

  // --- measuring -------------------------------------------------------------------------------

  private measureLevels(): void {
    const now = performance.now();
    for (const { slot, receiver } of this.peer?.received() ?? []) {
      if (slot.kind !== 'audio' || !slot.owner) continue;
      const heard = receiver.getSynchronizationSources()[0];
      // Browsers keep the last packet in this list for 10 s: only a new one counts.
      if (!heard || this.heardAt.get(slot.ssrc) === heard.rtpTimestamp) continue;
      this.heardAt.set(slot.ssrc, heard.rtpTimestamp);
      if ((heard.audioLevel ?? 0) > SPEAKING_LEVEL) this.loudAt.set(slot.owner, now);
    }
    const own = this.room?.id;
    if (own && this.publisher.level() > 0.35) this.loudAt.set(own, now);
    const loud = new Set<string>();
    for (const [id, at] of this.loudAt) {
      if (now - at < SPEAKING_HOLD_MS) loud.add(id);
      else this.loudAt.delete(id);
    }
    const before = this.speaking.value;
    if (loud.size !== before.size || [...loud].some((id) => !before.has(id))) this.speaking.set(loud);
  }

  /** What is sent follows the profile, and below it what one's own way carries. */
  private settleSending(): void {
    this.sending.set(this.uplink.narrow ? 'voice' : profile.value);
    this.peer?.setFigures(FIGURES[this.sending.value]);
  }

  private async measureUplink(): Promise<void> {
    const { peer } = this;
    const reports = await peer?.sender('microphone')?.getStats().catch(() => null);
    if (!reports || this.peer !== peer) return;
    if (this.uplink.take(lookAt(performance.now(), reports as unknown as Iterable<[string, unknown]>))) this.settleSending();
  }

  private async measureQuality(): Promise<void> {
    const { peer } = this;
    if (!peer || this.state.value.media !== 'connected') return;
    const report = await peer.pc.getStats().catch(() => null);
    if (!report || this.peer !== peer) return;
    this.meter.add(this.traffic.take(report as unknown as Iterable<[string, unknown]>));
    const sample = this.probe.sample(report);
    if (!sample) return;
    if (sample.quality !== this.state.value.quality) this.state.update({ quality: sample.quality });
    if (this.statsTurn++ % FIGURES[profile.value].statsTurns !== 0) return;
    const percent = (part: number): number => Math.round(part * 100);
    this.channel?.sendStats({
      bitrate: { upload: Math.round(sample.bitsUp / 1_000), download: Math.round(sample.bitsDown / 1_000) },
      packetLoss: {
        upload: percent(sample.lossUp), download: percent(sample.lossDown),
        total: percent(Math.max(sample.lossUp, sample.lossDown)),
      },
      connectionQuality: { good: 100, fair: 60, poor: 20 }[sample.quality],
      jvbRTT: sample.rttMs,
    });
  }
}
