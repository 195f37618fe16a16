/* The class as a multi-user chat (XEP-0045, Jitsi's dialect): who is in, what they publish, chat, and what
 * staff may ask of the focus. */
import { capsElement, discoInfo } from './caps';
import { NS } from './namespaces';
import { StanzaError, XmppStream } from './stream';
import { elements, Element, first, text, xml } from './xml';

export const FOCUS_NICK = 'focus';

export interface SourceState {
  muted: boolean;
  videoType: 'camera' | 'desktop';
}

export interface Participant {
  /** Endpoint id, which is the nick in the room. */
  readonly id: string;
  name: string;
  jid: string;
  moderator: boolean;
  /** The school's own id of this person, as the server vouches for it. */
  userId: string;
  raisedHandAt: number;
  sources: Record<string, SourceState>;
  /** Video that this member can show. */
  codecs: string[];
  /** Of ourselves: what the server lets us do now, by Jitsi's names of features. */
  may?: Record<string, boolean>;
}

export interface ChatMessage {
  id: string;
  /** Endpoint id of the sender. */
  from: string;
  name: string;
  text: string;
  at: number;
  private: boolean;
  /** For private messages of our own: to whom. */
  to: string | null;
  own: boolean;
  failed?: boolean;
}

export interface RecordingStatus {
  on: boolean;
  pending: boolean;
  initiator: string;
  error: boolean;
  // Nothing can be written on the server at the moment.
  diskFull: boolean;
}

export type MuteMedia = 'audio' | 'video' | 'desktop';

export type LeaveReason = 'ended' | 'kicked' | 'focus-left';

export interface RoomEvents {
  onParticipant(participant: Participant, isNew: boolean): void;
  onGone(participant: Participant): void;
  onSelf(participant: Participant): void;
  onChat(message: ChatMessage): void;
  onRecording(status: RecordingStatus): void;
  onMutedBy(media: MuteMedia, actor: string): void;
  /** What the school allows or somebody can show may have changed. */
  onCodecs(): void;
  /** What holds in this class, as the server or whoever teaches says; whole each time. */
  onMetadata(metadata: Record<string, unknown>): void;
  onJingle(iq: Element, jingle: Element): 'ok' | 'unknown-session' | 'bad-request';
  onEnded(reason: LeaveReason, detail: string): void;
}

export interface RoomOptions {
  room: string;
  muc: string;
  focus: string;
  /** Where metadata comes from. */
  metadata: string;
  name: string;
  /** Video that we can show. */
  codecs: readonly string[];
}

/** What our presence says besides name and capabilities. */
export interface Published {
  sources: Record<string, { muted: boolean; videoType?: string }>;
  raisedHandAt: number;
}

const CHAT_LENGTH_MAX = 4_000;
const SEEN_MAX = 200;
const JOIN_TRIES = 5;

const isMuteNs: Record<string, MuteMedia> = {
  [NS.muteAudio]: 'audio',
  [NS.muteVideo]: 'video',
  [NS.muteDesktop]: 'desktop',
};

export function parseSourceInfo(json: string): Record<string, SourceState> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return {};
  }
  const out: Record<string, SourceState> = {};
  if (typeof value !== 'object' || value === null) return out;
  for (const [name, entry] of Object.entries(value as Record<string, unknown>).slice(0, 16)) {
    const state = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
    out[name] = {
      muted: state['muted'] === true,
      videoType: String(state['videoType'] ?? '').toLowerCase() === 'desktop' ? 'desktop' : 'camera',
    };
  }
  return out;
}

/** Clients of before 2022's end do not name their sources: they have one microphone and one camera or screen. */
function sourcesOf(nick: string, presence: Element): Record<string, SourceState> {
  const info = first(presence, 'SourceInfo');
  if (info) return parseSourceInfo(text(info) || '{}');
  const out: Record<string, SourceState> = {};
  const audio = first(presence, 'audiomuted');
  const video = first(presence, 'videomuted');
  const videoType = text(first(presence, 'videoType')) === 'desktop' ? 'desktop' : 'camera';
  if (audio) out[`${nick}-a0`] = { muted: text(audio) === 'true', videoType: 'camera' };
  if (video) out[`${nick}-v0`] = { muted: text(video) === 'true', videoType };
  return out;
}

const resourceOf = (jid: string): string => jid.slice(jid.indexOf('/') + 1);

/** The endpoint id a bound JID gives: the first eight hex digits of its node, else random ones. */
export function endpointId(jid: string, random: () => number = Math.random): string {
  const prefix = jid.slice(0, 8).toLowerCase();
  if (/^[0-9a-f]{8}$/.test(prefix) && jid.indexOf('@') >= 8) return prefix;
  let id = '';
  while (id.length < 8) id += Math.floor(random() * 16).toString(16);
  return id;
}

function permissionsOf(presence: Element): Record<string, boolean> | undefined {
  const permissions = first(presence, 'permissions');
  if (!permissions) return undefined;
  return Object.fromEntries(elements(permissions, 'p').map((p) => [p.attrs['name'] ?? '', p.attrs['val'] === 'true']));
}

export class Room {
  readonly participants = new Map<string, Participant>();
  readonly jid: string;
  readonly focusJid: string;
  /** Our endpoint id: known as soon as the stream is bound. */
  readonly id: string;
  self: Participant | null = null;
  /** Video codecs that the school allows, most preferred first. */
  allowedCodecs: string[] = ['vp8'];
  private joined: { resolve: () => void; reject: (error: Error) => void } | null = null;
  private left: (() => void) | null = null;
  private published: Published = { sources: {}, raisedHandAt: 0 };
  private recording = 'off';
  private seen: string[] = [];
  private messageCount = 0;
  private ended = false;

  constructor(
    private readonly stream: XmppStream,
    private readonly options: RoomOptions,
    private readonly events: RoomEvents,
  ) {
    this.id = endpointId(stream.jid);
    this.jid = `${options.room}@${options.muc}`;
    this.focusJid = `${this.jid}/${FOCUS_NICK}`;
  }

  get ownJid(): string {
    return `${this.jid}/${this.id}`;
  }

  /** Asks the focus for the conference and enters; rejects with StanzaError when refused. */
  async join(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const allocation = this.allocate();
      // Sent in one go: the server handles them in order, and a round trip is saved.
      const entered = this.enter();
      entered.catch(() => undefined);
      try {
        if (!(await allocation)) throw new Error('not ready');
        await entered;
        return;
      } catch (error) {
        this.joined = null;
        const again = error instanceof StanzaError ? error.condition === 'not-allowed' && attempt < 2 : attempt < JOIN_TRIES;
        if (!again || this.ended) throw error;
        await new Promise((done) => setTimeout(done, 500 * attempt));
      }
    }
  }

  private async allocate(): Promise<boolean> {
    const answer = await this.stream.request(
      xml(
        'iq',
        { type: 'set', to: this.options.focus },
        xml(
          'conference',
          { xmlns: NS.focus, room: this.jid, 'machine-uid': this.id },
          xml('property', { name: 'rtcstatsEnabled', value: 'false' }),
        ),
      ),
    );
    return first(answer, 'conference')?.attrs['ready'] === 'true';
  }

  private enter(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer')), 15_000);
      this.joined = {
        resolve: () => {
          clearTimeout(timer);
          this.joined = null;
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          this.joined = null;
          reject(error);
        },
      };
      this.sendPresence(xml('x', { xmlns: NS.muc }));
    });
  }

  /** Leaves; resolves when the server has confirmed or after a short while. */
  leave(): Promise<void> {
    if (this.ended || !this.self) return Promise.resolve();
    this.ended = true;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 1_000);
      this.left = () => {
        clearTimeout(timer);
        resolve();
      };
      this.stream.send(xml('presence', { xmlns: NS.client, to: this.ownJid, type: 'unavailable' }));
    });
  }

  publish(change: Partial<Published>): void {
    const next = { ...this.published, ...change };
    if (JSON.stringify(next) === JSON.stringify(this.published)) return;
    this.published = next;
    if (this.self && !this.ended) this.sendPresence(null);
  }

  /** Returns the message as it will stand in the list; its echo is not reported again. */
  sendChat(body: string, to: string | null): ChatMessage {
    const id = `${this.id}-${Date.now().toString(36)}-${(this.messageCount++).toString(36)}`;
    const trimmed = body.slice(0, CHAT_LENGTH_MAX);
    this.remember(id);
    this.stream.send(
      xml(
        'message',
        { xmlns: NS.client, to: to ? `${this.jid}/${to}` : this.jid, type: to ? 'chat' : 'groupchat', id },
        xml('body', null, trimmed),
      ),
    );
    const name = this.options.name;
    return { id, from: this.id, name, text: trimmed, at: Date.now(), private: to !== null, to, own: true };
  }

  mute(endpoint: string, media: MuteMedia): Promise<Element> {
    const ns = { audio: NS.muteAudio, video: NS.muteVideo, desktop: NS.muteDesktop }[media];
    return this.stream.request(
      xml('iq', { type: 'set', to: this.focusJid }, xml('mute', { xmlns: ns, jid: `${this.jid}/${endpoint}` }, 'true')),
    );
  }

  kick(endpoint: string): Promise<Element> {
    return this.admin({ nick: endpoint, role: 'none' });
  }

  grantModerator(participant: Participant): Promise<Element> {
    const slash = participant.jid.indexOf('/');
    const bare = slash < 0 ? participant.jid : participant.jid.slice(0, slash);
    return this.admin({ affiliation: 'owner', jid: bare });
  }

  private admin(item: Record<string, string>): Promise<Element> {
    return this.stream.request(
      xml('iq', { type: 'set', to: this.jid }, xml('query', { xmlns: NS.mucAdmin }, xml('item', item))),
    );
  }

  record(action: 'start' | 'stop'): Promise<Element> {
    return this.stream.request(
      xml(
        'iq',
        { type: 'set', to: this.focusJid },
        xml('jibri', { xmlns: NS.jibri, action, recording_mode: action === 'start' ? 'file' : undefined }),
      ),
    );
  }

  jingle(jingle: Element): Promise<Element> {
    return this.stream.request(xml('iq', { type: 'set', to: this.focusJid }, jingle), 10_000);
  }

  private sendPresence(join: Element | null): void {
    const { sources, raisedHandAt } = this.published;
    this.stream.send(
      xml(
        'presence',
        { xmlns: NS.client, to: this.ownJid },
        join,
        capsElement(),
        xml('jitsi_participant_codecList', null, this.options.codecs.join(',')),
        xml('nick', { xmlns: NS.nick }, this.options.name),
        raisedHandAt ? xml('jitsi_participant_raisedHand', null, String(raisedHandAt)) : null,
        xml('SourceInfo', null, JSON.stringify(sources)),
      ),
    );
  }

  /** Everything the stream receives comes through here. */
  handle(stanza: Element): void {
    const from = stanza.attrs['from'] ?? '';
    if (stanza.name === 'iq') this.iq(stanza, from);
    else if (stanza.name === 'message' && from === this.options.metadata) this.metadata(stanza);
    else if (from !== this.jid && !from.startsWith(`${this.jid}/`)) return;
    else if (stanza.name === 'presence') this.presence(stanza, from);
    else if (stanza.name === 'message') this.message(stanza, from);
  }

  private metadata(message: Element): void {
    try {
      const said = JSON.parse(text(first(message, 'json-message', NS.jitmeet))) as { metadata?: Record<string, unknown> };
      if (said.metadata !== null && typeof said.metadata === 'object') this.events.onMetadata(said.metadata);
    } catch {
      // Of a server that says it otherwise we take no notice.
    }
  }

  private iq(iq: Element, from: string): void {
    const type = iq.attrs['type'];
    if (type !== 'get' && type !== 'set') return;
    const query = first(iq, 'query', NS.discoInfo);
    const jingle = first(iq, 'jingle', NS.jingle);
    const mute = first(iq, 'mute');
    if (type === 'get' && query) this.reply(iq, discoInfo(query.attrs['node']));
    else if (type === 'set' && jingle) this.jingleIq(iq, jingle, from);
    else if (type === 'set' && mute && isMuteNs[mute.ns] && from === this.focusJid) {
      this.reply(iq, null);
      const media = isMuteNs[mute.ns];
      if (media && text(mute).trim() === 'true') this.events.onMutedBy(media, resourceOf(mute.attrs['actor'] ?? ''));
    } else this.replyError(iq, 'cancel', 'service-unavailable');
  }

  private jingleIq(iq: Element, jingle: Element, from: string): void {
    // Only the focus is answered: between pupils there are no direct calls.
    if (from !== this.focusJid) {
      this.replyError(iq, 'cancel', 'service-unavailable');
      return;
    }
    const outcome = this.events.onJingle(iq, jingle);
    if (outcome === 'ok') this.reply(iq, null);
    else if (outcome === 'unknown-session') this.replyError(iq, 'cancel', 'item-not-found');
    else this.replyError(iq, 'modify', 'bad-request');
  }

  private reply(iq: Element, payload: Element | null): void {
    const { id, from } = iq.attrs;
    this.stream.send(xml('iq', { xmlns: NS.client, type: 'result', id, to: from }, payload));
  }

  private replyError(iq: Element, type: string, condition: string): void {
    const { id, from } = iq.attrs;
    this.stream.send(
      xml(
        'iq',
        { xmlns: NS.client, type: 'error', id, to: from },
        xml('error', { type }, xml(condition, { xmlns: NS.stanzas })),
      ),
    );
  }

  private presence(presence: Element, from: string): void {
    const nick = resourceOf(from);
    const type = presence.attrs['type'];
    const user = first(presence, 'x', NS.mucUser);
    if (type === 'error') this.presenceError(presence, from);
    else if (type === 'unavailable') this.unavailable(nick, user);
    else if (nick === FOCUS_NICK) this.focusPresence(presence);
    else if (user) this.available(nick, presence, user);
  }

  private presenceError(presence: Element, from: string): void {
    if (from !== this.ownJid && from !== this.jid) return;
    const error = first(presence, 'error');
    const condition = (error ? elements(error) : []).find((child) => child.name !== 'text')?.name ?? 'undefined-condition';
    this.joined?.reject(new StanzaError(condition, text(first(error, 'text')), presence));
  }

  private unavailable(nick: string, user: Element | undefined): void {
    if (nick === FOCUS_NICK) {
      this.end('focus-left', '');
      return;
    }
    if (nick === this.id) {
      this.left?.();
      const destroy = first(user, 'destroy');
      const kicked = user ? elements(user, 'status').some((s) => s.attrs['code'] === '307') : false;
      const item = first(user, 'item');
      const detail = text(first(destroy, 'reason')) || (first(item, 'actor')?.attrs['nick'] ?? '');
      this.end(kicked ? 'kicked' : 'ended', detail);
      return;
    }
    const participant = this.participants.get(nick);
    if (!participant) return;
    this.participants.delete(nick);
    this.events.onGone(participant);
    this.events.onCodecs();
  }

  private end(reason: LeaveReason, detail: string): void {
    if (this.ended) return;
    this.ended = true;
    this.events.onEnded(reason, detail);
  }

  private available(nick: string, presence: Element, user: Element): void {
    const item = first(user, 'item');
    const identity = first(first(presence, 'identity'), 'user');
    const hand = Number(text(first(presence, 'jitsi_participant_raisedHand')));
    const isSelf = nick === this.id;
    const known = isSelf ? this.self : this.participants.get(nick);
    const participant: Participant = known ?? {
      id: nick,
      name: '',
      jid: '',
      moderator: false,
      userId: '',
      raisedHandAt: 0,
      sources: {},
      codecs: [],
    };
    participant.name = (text(first(presence, 'nick', NS.nick)) || text(first(identity, 'name')) || nick).slice(0, 200);
    participant.jid = item?.attrs['jid'] ?? participant.jid;
    participant.moderator = item?.attrs['role'] === 'moderator';
    participant.userId = text(first(identity, 'id'));
    participant.raisedHandAt = hand > 0 ? hand : 0;
    participant.sources = sourcesOf(nick, presence);
    const list = first(presence, 'jitsi_participant_codecList') ?? first(presence, 'jitsi_participant_codecType');
    participant.codecs = (text(list) || 'vp8').split(',');
    if (!isSelf) {
      this.participants.set(nick, participant);
      this.events.onCodecs();
      this.events.onParticipant(participant, !known);
      return;
    }
    participant.may = permissionsOf(presence);
    this.self = participant;
    this.events.onSelf(participant);
    this.joined?.resolve();
  }

  private focusPresence(presence: Element): void {
    const properties = first(presence, 'conference-properties', NS.focus);
    const allowed = (properties ? elements(properties, 'property') : []).find((p) => p.attrs['key'] === 'visitor-codecs');
    if (allowed) {
      this.allowedCodecs = (allowed.attrs['value'] ?? '').split(',');
      this.events.onCodecs();
    }
    const status = first(presence, 'jibri-recording-status', NS.jibri);
    if (!status || (status.attrs['recording_mode'] ?? 'file') !== 'file') return;
    const state = status.attrs['status'] ?? 'off';
    const key = `${status.attrs['session_id']} ${state} ${status.attrs['trouble'] ?? ''}`;
    if (key === this.recording) return;
    this.recording = key;
    this.events.onRecording({
      on: state === 'on',
      pending: state === 'pending',
      initiator: resourceOf(status.attrs['initiator'] ?? ''),
      error: status.attrs['failure_reason'] !== undefined,
      diskFull: status.attrs['trouble'] === 'disk',
    });
  }

  private remember(id: string): boolean {
    if (this.seen.includes(id)) return false;
    this.seen.push(id);
    if (this.seen.length > SEEN_MAX) this.seen.shift();
    return true;
  }

  private message(message: Element, from: string): void {
    const type = message.attrs['type'];
    const id = message.attrs['id'] ?? '';
    const body = text(first(message, 'body'));
    const nick = from === this.jid ? '' : resourceOf(from);
    if (type === 'error') {
      this.events.onChat({
        id, from: this.id, name: '', text: '', at: Date.now(), private: false, to: null, own: true, failed: true,
      });
      return;
    }
    if (!body || !nick || (type !== 'groupchat' && type !== 'chat')) return;
    if (id && !this.remember(id)) return;
    const stamp = Date.parse(first(message, 'delay', NS.delay)?.attrs['stamp'] ?? '');
    const own = nick === this.id;
    const sender = own ? this.self : this.participants.get(nick);
    const name = sender?.name ?? (text(first(message, 'nick', NS.nick)) || nick);
    this.events.onChat({
      id: id || `${nick}-${Date.now()}-${this.messageCount++}`,
      from: nick,
      name,
      text: body.slice(0, CHAT_LENGTH_MAX),
      at: Number.isNaN(stamp) ? Date.now() : stamp,
      private: type === 'chat',
      to: null,
      own,
    });
  }
}
