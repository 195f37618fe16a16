/* Jingle as the focus speaks it (XEP-0166, 0167, 0176, 0320, 0338, 0339 with Jitsi's additions), to and from
 * a neutral description that knows neither XML nor SDP. */
import { NS } from './namespaces';
import { elements, Element, first, text, xml } from './xml';

export type Kind = 'audio' | 'video';
export type VideoType = 'camera' | 'desktop';

export interface Payload {
  id: number;
  name: string;
  clockrate: number;
  channels: number;
  /** A parameter without a name is a bare fmtp value. */
  parameters: { name: string; value: string }[];
  feedback: { type: string; subtype: string }[];
}

export interface Extension {
  id: number;
  uri: string;
}

export interface Candidate {
  component: string;
  foundation: string;
  generation: string;
  ip: string;
  port: string;
  priority: string;
  protocol: string;
  type: string;
  relatedAddress?: string;
  relatedPort?: string;
  tcpType?: string;
}

/** One stream as signalled: SSRCs from the lowest layer to the highest, each with its RTX or 0. */
export interface Source {
  name: string;
  kind: Kind;
  videoType: VideoType;
  msid: string;
  ssrcs: number[];
  rtx: number[];
}

/** One SSRC of somebody else, as a session-initiate or source-add has it. */
export interface RemoteSource {
  name: string;
  owner: string;
  kind: Kind;
  videoType: VideoType;
  msid: string;
  ssrc: number;
  rtx: number;
}

export interface Media {
  payloads: Payload[];
  extensions: Extension[];
}

export interface Transport {
  ufrag: string;
  pwd: string;
  fingerprint: { hash: string; setup: string; value: string };
  candidates: Candidate[];
}

export interface Session {
  sid: string;
  initiator: string;
  bridgeSession: string | null;
  webSockets: string[];
  transport: Transport;
  media: Record<Kind, Media>;
  extmapAllowMixed: boolean;
  sources: RemoteSource[];
}

export class JingleError extends Error {}

/** Owner of the bridge's own SSRCs, used for RTCP only. */
export const BRIDGE_OWNER = 'jvb';

const resourceOf = (owner: string): string => owner.slice(owner.lastIndexOf('/') + 1);

const number = (value: string | undefined, fallback = NaN): number => {
  const parsed = Number(value ?? NaN);
  return Number.isInteger(parsed) && parsed >= 0 && parsed <= 0xffffffff ? parsed : fallback;
};

/** Whatever becomes part of an SDP line must not be able to end it. */
const clean = (value: string | undefined): string => (value ?? '').replace(/[\r\n]+/g, ' ').trim();

function parsePayload(element: Element): Payload {
  return {
    id: number(element.attrs['id']),
    name: clean(element.attrs['name']),
    clockrate: number(element.attrs['clockrate'], 0),
    channels: number(element.attrs['channels'], 1),
    parameters: elements(element, 'parameter').map((p) => ({
      name: clean(p.attrs['name']),
      value: clean(p.attrs['value']),
    })),
    feedback: elements(element, 'rtcp-fb').map((f) => ({
      type: clean(f.attrs['type']),
      subtype: clean(f.attrs['subtype']),
    })),
  };
}

function parseMedia(description: Element): Media {
  return {
    payloads: elements(description, 'payload-type')
      .map(parsePayload)
      .filter((p) => p.id <= 127 && p.name !== ''),
    extensions: elements(description, 'rtp-hdrext')
      .map((e) => ({ id: number(e.attrs['id']), uri: clean(e.attrs['uri']) }))
      .filter((e) => e.id >= 1 && e.id <= 255 && e.uri !== ''),
  };
}

function parseCandidate(c: Element): Candidate {
  const a = c.attrs;
  return {
    component: clean(a['component']) || '1',
    foundation: clean(a['foundation']) || '1',
    generation: clean(a['generation']) || '0',
    ip: clean(a['ip']),
    port: clean(a['port']),
    priority: clean(a['priority']),
    protocol: clean(a['protocol']) || 'udp',
    type: clean(a['type']) || 'host',
    relatedAddress: a['rel-addr'] === undefined ? undefined : clean(a['rel-addr']),
    relatedPort: a['rel-port'] === undefined ? undefined : clean(a['rel-port']),
    tcpType: a['tcptype'] === undefined ? undefined : clean(a['tcptype']),
  };
}

function parseTransport(transport: Element): Transport {
  const prints = elements(transport, 'fingerprint', NS.jingleDtls);
  const print = prints.find((p) => p.attrs['hash'] === 'sha-256') ?? prints[0];
  if (!print || !transport.attrs['ufrag'] || !transport.attrs['pwd']) throw new JingleError('transport without keys');
  return {
    ufrag: clean(transport.attrs['ufrag']),
    pwd: clean(transport.attrs['pwd']),
    fingerprint: {
      hash: clean(print.attrs['hash']),
      setup: clean(print.attrs['setup']) || 'actpass',
      value: clean(text(print)),
    },
    candidates: elements(transport, 'candidate').map(parseCandidate),
  };
}

interface Group {
  semantics: string;
  ssrcs: number[];
}

interface Line {
  ssrc: number;
  name: string;
  owner: string;
  msid: string;
  videoType: VideoType;
}

/** Lines of SSRCs and their groups become sources: the first of a SIM group or the primary of an FID. */
function toSources(kind: Kind, lines: Line[], groups: Group[]): RemoteSource[] {
  const rtxOf = new Map<number, number>();
  const secondary = new Set<number>();
  for (const group of groups) {
    const [main, other] = group.ssrcs;
    if (main === undefined || other === undefined) continue;
    if (group.semantics === 'FID') {
      rtxOf.set(main, other);
      secondary.add(other);
    } else if (group.semantics === 'SIM') {
      for (const ssrc of group.ssrcs.slice(1)) secondary.add(ssrc);
    }
  }
  return lines
    .filter((line) => !secondary.has(line.ssrc) && !Number.isNaN(line.ssrc))
    .map((line) => ({ ...line, kind, rtx: rtxOf.get(line.ssrc) ?? 0 }));
}

function xmlSources(kind: Kind, description: Element): RemoteSource[] {
  const lines = elements(description, 'source', NS.jingleSource).map((source): Line => {
    const msid = elements(source, 'parameter').find((p) => p.attrs['name'] === 'msid');
    return {
      ssrc: number(source.attrs['ssrc']),
      name: clean(source.attrs['name']),
      owner: resourceOf(clean(first(source, 'ssrc-info')?.attrs['owner'])),
      msid: clean(msid?.attrs['value']),
      videoType: source.attrs['videoType'] === 'desktop' ? 'desktop' : 'camera',
    };
  });
  const groups = elements(description, 'ssrc-group', NS.jingleSource).map((group) => ({
    semantics: group.attrs['semantics'] ?? '',
    ssrcs: elements(group, 'source').map((source) => number(source.attrs['ssrc'])),
  }));
  return toSources(kind, lines, groups);
}

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const GROUPS: Record<string, string> = { f: 'FID', s: 'SIM' };

function jsonHalf(kind: Kind, owner: string, sources: unknown, groups: unknown): RemoteSource[] {
  const lines = list(sources).map((entry): Line => {
    const source = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
    return {
      ssrc: number(String(source['s'])),
      name: clean(String(source['n'] ?? '')),
      owner,
      msid: clean(String(source['m'] ?? '')),
      videoType: source['v'] === 'd' ? 'desktop' : 'camera',
    };
  });
  const parsed = list(groups).map((entry) => {
    const [semantics, ...ssrcs] = list(entry).map(String);
    return { semantics: GROUPS[semantics ?? ''] ?? '', ssrcs: ssrcs.map((s) => number(s)) };
  });
  return toSources(kind, lines, parsed);
}

function jsonSources(jingle: Element): RemoteSource[] {
  const message = first(jingle, 'json-message', NS.jitmeet);
  if (!message) return [];
  let body: unknown;
  try {
    body = JSON.parse(text(message));
  } catch {
    return [];
  }
  const owners = (body as { sources?: unknown } | null)?.sources;
  if (typeof owners !== 'object' || owners === null) return [];
  return Object.entries(owners).flatMap(([owner, halves]) => {
    const [video, videoGroups, audio, audioGroups] = list(halves);
    const name = resourceOf(owner);
    return [...jsonHalf('video', name, video, videoGroups), ...jsonHalf('audio', name, audio, audioGroups)];
  });
}

function descriptionOf(content: Element): { kind: Kind; description: Element } | null {
  const description = first(content, 'description', NS.jingleRtp);
  const kind = description?.attrs['media'] ?? content.attrs['name'];
  return description && (kind === 'audio' || kind === 'video') ? { kind, description } : null;
}

/** Sources named in a session-initiate, source-add or source-remove, in XML or JSON. */
export function parseSources(jingle: Element): RemoteSource[] {
  const inXml = elements(jingle, 'content').flatMap((content) => {
    const found = descriptionOf(content);
    return found ? xmlSources(found.kind, found.description) : [];
  });
  return [...inXml, ...jsonSources(jingle)];
}

/** Reads a session-initiate; throws JingleError when it cannot be answered. */
export function parseInitiate(jingle: Element): Session {
  const media: Partial<Record<Kind, Media>> = {};
  let transport: Transport | null = null;
  const webSockets: string[] = [];
  let mixed = false;
  for (const content of elements(jingle, 'content')) {
    const found = descriptionOf(content);
    const element = first(content, 'transport', NS.jingleIce);
    for (const socket of element ? elements(element, 'web-socket') : []) {
      const url = socket.attrs['url'];
      if (url && !webSockets.includes(url)) webSockets.push(url);
    }
    if (!found || !element) continue;
    media[found.kind] = parseMedia(found.description);
    mixed ||= first(found.description, 'extmap-allow-mixed') !== undefined;
    transport ??= parseTransport(element);
  }
  const { audio, video } = media;
  if (!transport || !audio || !video) throw new JingleError('audio, video or transport is missing');
  return {
    sid: jingle.attrs['sid'] ?? '',
    initiator: jingle.attrs['initiator'] ?? '',
    bridgeSession: first(jingle, 'bridge-session')?.attrs['id'] ?? null,
    webSockets,
    transport,
    media: { audio, video },
    extmapAllowMixed: mixed,
    sources: parseSources(jingle),
  };
}

/** The focus' part of an ICE restart within the session: other credentials, DTLS stays. */
export interface IceRestart {
  generation: number;
  ufrag: string;
  pwd: string;
  candidates: Candidate[];
}

/** Reads a transport-info; null when it is none of a restart. */
export function parseIceRestart(jingle: Element): IceRestart | null {
  const content = first(jingle, 'content');
  const transport = content && first(content, 'transport', NS.jingleIce);
  const generation = number(transport?.attrs['ice-generation'], 0);
  const ufrag = clean(transport?.attrs['ufrag']);
  const pwd = clean(transport?.attrs['pwd']);
  if (!transport || generation === 0 || !ufrag || !pwd) return null;
  return { generation, ufrag, pwd, candidates: elements(transport, 'candidate').map(parseCandidate) };
}

function sourceElements(source: Source): Element[] {
  const line = (ssrc: number): Element =>
    xml(
      'source',
      {
        xmlns: NS.jingleSource,
        ssrc,
        name: source.name,
        videoType: source.kind === 'video' ? source.videoType : undefined,
      },
      xml('parameter', { xmlns: NS.jingleRtp, name: 'msid', value: source.msid }),
    );
  const group = (semantics: string, ssrcs: number[]): Element =>
    xml(
      'ssrc-group',
      { xmlns: NS.jingleSource, semantics },
      ...ssrcs.map((ssrc) => xml('source', { xmlns: NS.jingleSource, ssrc })),
    );
  const out = [...source.ssrcs, ...source.rtx.filter((ssrc) => ssrc !== 0)].map(line);
  if (source.ssrcs.length > 1) out.push(group('SIM', source.ssrcs));
  source.ssrcs.forEach((ssrc, i) => {
    const rtx = source.rtx[i];
    if (rtx) out.push(group('FID', [ssrc, rtx]));
  });
  return out;
}

function payloadElement(payload: Payload): Element {
  return xml(
    'payload-type',
    {
      id: payload.id,
      name: payload.name,
      clockrate: payload.clockrate,
      channels: payload.channels > 1 ? payload.channels : undefined,
    },
    ...payload.parameters.map((p) => xml('parameter', { name: p.name || undefined, value: p.value })),
    ...payload.feedback.map((f) =>
      xml('rtcp-fb', { xmlns: NS.jingleFeedback, type: f.type, subtype: f.subtype || undefined }),
    ),
  );
}

/** What our side says to an offer. */
export interface Answer {
  transport: Transport;
  media: Record<Kind, Media>;
  sources: Source[];
}

function answerContent(kind: Kind, answer: Answer): Element {
  const { transport } = answer;
  return xml(
    'content',
    { creator: 'responder', name: kind, senders: 'both' },
    xml(
      'description',
      { xmlns: NS.jingleRtp, media: kind },
      ...answer.media[kind].payloads.map(payloadElement),
      ...answer.media[kind].extensions.map((e) =>
        xml('rtp-hdrext', { xmlns: NS.jingleExtension, id: e.id, uri: e.uri }),
      ),
      xml('rtcp-mux'),
      ...answer.sources.filter((source) => source.kind === kind).flatMap(sourceElements),
    ),
    xml(
      'transport',
      { xmlns: NS.jingleIce, ufrag: transport.ufrag, pwd: transport.pwd },
      xml(
        'fingerprint',
        { xmlns: NS.jingleDtls, hash: transport.fingerprint.hash, setup: transport.fingerprint.setup },
        transport.fingerprint.value,
      ),
    ),
  );
}

export function buildAccept(session: Pick<Session, 'sid' | 'initiator'>, responder: string, answer: Answer): Element {
  return xml(
    'jingle',
    { xmlns: NS.jingle, action: 'session-accept', sid: session.sid, initiator: session.initiator, responder },
    xml(
      'group',
      { xmlns: NS.jingleGroup, semantics: 'BUNDLE' },
      xml('content', { name: 'audio' }),
      xml('content', { name: 'video' }),
    ),
    answerContent('audio', answer),
    answerContent('video', answer),
  );
}

export function buildSourceChange(
  action: 'source-add' | 'source-remove',
  session: Pick<Session, 'sid' | 'initiator'>,
  sources: Source[],
): Element {
  const kinds: Kind[] = ['audio', 'video'];
  return xml(
    'jingle',
    { xmlns: NS.jingle, action, sid: session.sid, initiator: session.initiator },
    ...kinds
      .filter((kind) => sources.some((source) => source.kind === kind))
      .map((kind) =>
        xml(
          'content',
          { creator: 'responder', name: kind },
          xml(
            'description',
            { xmlns: NS.jingleRtp, media: kind },
            ...sources.filter((source) => source.kind === kind).flatMap(sourceElements),
          ),
        ),
      ),
  );
}

/** Asks the focus for an ICE restart. */
export function buildIceRestart(session: Pick<Session, 'sid' | 'initiator' | 'bridgeSession'>): Element {
  return xml(
    'jingle',
    { xmlns: NS.jingle, action: 'session-info', sid: session.sid, initiator: session.initiator },
    xml('bridge-session', { xmlns: NS.focus, id: session.bridgeSession ?? '', 'ice-restart': true }),
  );
}

/** Our part of it. */
export function buildIceAnswer(
  session: Pick<Session, 'sid' | 'initiator'>,
  generation: number,
  transport: Pick<Transport, 'ufrag' | 'pwd'>,
): Element {
  const { ufrag, pwd } = transport;
  return xml(
    'jingle',
    { xmlns: NS.jingle, action: 'transport-info', sid: session.sid, initiator: session.initiator },
    xml(
      'content',
      { creator: 'initiator', name: 'audio' },
      xml('transport', { xmlns: NS.jingleIce, ufrag, pwd, 'ice-generation': generation }),
    ),
  );
}

/** Ends the session; with `restart` the focus is asked for a new one. */
export function buildTerminate(
  session: Pick<Session, 'sid' | 'initiator' | 'bridgeSession'>,
  reason: 'success' | 'connectivity-error' | 'decline',
  restart: boolean,
): Element {
  return xml(
    'jingle',
    { xmlns: NS.jingle, action: 'session-terminate', sid: session.sid, initiator: session.initiator },
    xml('reason', null, xml(reason), restart ? xml('text', null, 'ICE FAILED') : null),
    session.bridgeSession
      ? xml('bridge-session', { xmlns: NS.focus, id: session.bridgeSession, restart: restart || undefined })
      : null,
  );
}
