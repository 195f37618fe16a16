/* SDP on the way to and from RTCPeerConnection. The remote offer is written anew from the Jingle session and
 * the list of lines; the answer is read for what Jingle has to say. Lines are only ever appended. */
import type { Answer, Candidate, Extension, Kind, Media, Payload, Session } from '../signalling/jingle';
import { BRIDGE_OWNER } from '../signalling/jingle';
import type { VoiceParameters } from './profile';

export interface Slot {
  ssrc: number;
  rtx: number;
  /** Streams with one id are played in step by the browser: the person's id. */
  streamId: string;
  trackId: string;
}

export interface Line {
  mid: string;
  kind: Kind;
  /** `send`: we send on it; `receive`: the bridge does, on the slot's SSRC, or null while it is empty. */
  role: 'send' | 'receive';
  simulcast: boolean;
  slot: Slot | null;
}

export const candidateLine = (c: Candidate): string => {
  let line =
    `a=candidate:${c.foundation} ${c.component} ${c.protocol.toLowerCase()} ${c.priority} ${c.ip} ${c.port} typ ${c.type}`;
  if (c.relatedAddress) line += ` raddr ${c.relatedAddress} rport ${c.relatedPort ?? '0'}`;
  if (c.protocol.toLowerCase() === 'tcp') line += ` tcptype ${c.tcpType ?? 'passive'}`;
  return `${line} generation ${c.generation}`;
};

function payloadLines(payload: Payload): string[] {
  const channels = payload.channels > 1 ? `/${payload.channels}` : '';
  const lines = [`a=rtpmap:${payload.id} ${payload.name}/${payload.clockrate}${channels}`];
  if (payload.parameters.length > 0) {
    const values = payload.parameters.map((p) => (p.name ? `${p.name}=${p.value}` : p.value));
    lines.push(`a=fmtp:${payload.id} ${values.join(';')}`);
  }
  for (const f of payload.feedback) lines.push(`a=rtcp-fb:${payload.id} ${f.type}${f.subtype ? ` ${f.subtype}` : ''}`);
  return lines;
}

/** Those of RFC 4566 stand in lines of their own; browsers read one or the other. */
function packetTimes(payloads: readonly Payload[]): string[] {
  const said = payloads.flatMap((p) => p.parameters).filter((p) => p.name === 'ptime' || p.name === 'maxptime');
  return said.map((p) => `a=${p.name}:${p.value}`);
}

function sourceLines(slot: Slot): string[] {
  const lines = [`a=msid:${slot.streamId} ${slot.trackId}`];
  if (slot.rtx) lines.push(`a=ssrc-group:FID ${slot.ssrc} ${slot.rtx}`);
  lines.push(`a=ssrc:${slot.ssrc} cname:${slot.streamId}`, `a=ssrc:${slot.ssrc} msid:${slot.streamId} ${slot.trackId}`);
  if (slot.rtx) {
    lines.push(`a=ssrc:${slot.rtx} cname:${slot.streamId}`, `a=ssrc:${slot.rtx} msid:${slot.streamId} ${slot.trackId}`);
  }
  return lines;
}

export interface OfferOptions {
  session: Session;
  lines: readonly Line[];
  version: number;
  /** Ask for simulcast by RIDs (Firefox); Chromium's is written into the answer instead. */
  rids: boolean;
  /** Video to be sent by us: put first. */
  codec?: string;
  /** How we are to speak, in place of what the session says. */
  voice?: VoiceParameters | null;
}

const RIDS = ['1', '2', '3'];

/** The bridge's own SSRC of a kind, from which it sends RTCP. */
function bridgeSlot(session: Session, kind: Kind): Slot | null {
  const source = session.sources.find((s) => s.kind === kind && s.owner === BRIDGE_OWNER);
  if (!source) return null;
  const [streamId, trackId] = source.msid.split(' ');
  return { ssrc: source.ssrc, rtx: source.rtx, streamId: streamId || 'mixedmslabel', trackId: trackId || `mixed-${kind}` };
}

/** In all lines alike: lines of one bundle must not say different things of a payload type. */
function spoken(payload: Payload, voice: VoiceParameters): Payload {
  if (payload.name.toLowerCase() !== 'opus') return payload;
  const rest = payload.parameters.filter((p) => !(p.name in voice));
  return { ...payload, parameters: [...rest, ...Object.entries(voice).map(([name, value]) => ({ name, value }))] };
}

/** Payload types of a line: what we send goes by the first of them. */
function payloadsOf(options: OfferOptions, line: Line): Payload[] {
  const all = options.session.media[line.kind].payloads;
  const payloads = line.kind === 'audio' && options.voice ? all.map((p) => spoken(p, options.voice ?? {})) : all;
  const first = payloads.filter((p) => p.name.toLowerCase() === options.codec);
  if (line.kind !== 'video' || line.role !== 'send' || first.length === 0) return payloads;
  return [...first, ...payloads.filter((p) => !first.includes(p))];
}

const DEPENDENCY = 'dependency-descriptor-rtp-header-extension';

/** Layers of AV1 and H.264 are told by an extension; VP8 with it tells less in its own descriptor, which recordings read. */
export const needsDependency = (codec: string | undefined): boolean => codec === 'av1' || codec === 'h264';

function extensionsOf(options: OfferOptions, line: Line): Extension[] {
  const { extensions } = options.session.media[line.kind];
  if (line.role === 'receive' || needsDependency(options.codec)) return extensions;
  return extensions.filter((e) => !e.uri.endsWith(DEPENDENCY));
}

function mediaSection(options: OfferOptions, line: Line, index: number): string[] {
  const { session } = options;
  const payloads = payloadsOf(options, line);
  const { transport } = session;
  const own = index < 2 && line.role === 'send' ? bridgeSlot(session, line.kind) : null;
  const slot = line.role === 'receive' ? line.slot : own;
  let direction = 'inactive';
  if (line.role === 'send') direction = own ? 'sendrecv' : 'recvonly';
  else if (slot) direction = 'sendonly';
  const out = [
    `m=${line.kind} 9 UDP/TLS/RTP/SAVPF ${payloads.map((p) => p.id).join(' ')}`,
    'c=IN IP4 0.0.0.0',
    'a=rtcp:9 IN IP4 0.0.0.0',
    `a=ice-ufrag:${transport.ufrag}`,
    `a=ice-pwd:${transport.pwd}`,
    `a=fingerprint:${transport.fingerprint.hash} ${transport.fingerprint.value}`,
    `a=setup:${transport.fingerprint.setup}`,
    `a=mid:${line.mid}`,
    `a=${direction}`,
    'a=rtcp-mux',
    ...extensionsOf(options, line).map((e) => `a=extmap:${e.id} ${e.uri}`),
    ...payloads.flatMap(payloadLines),
    ...packetTimes(payloads),
  ];
  if (line.role === 'send' && line.simulcast && options.rids) {
    out.push(...RIDS.map((rid) => `a=rid:${rid} recv`), `a=simulcast:recv ${RIDS.join(';')}`);
  }
  if (slot) out.push(...sourceLines(slot));
  if (index === 0 && transport.candidates.length > 0) {
    out.push(...transport.candidates.map(candidateLine), 'a=end-of-candidates');
  }
  return out;
}

export function buildOffer(options: OfferOptions): string {
  const { session, lines } = options;
  const head = [
    'v=0',
    `o=- 1 ${options.version} IN IP4 0.0.0.0`,
    's=-',
    't=0 0',
    `a=group:BUNDLE ${lines.map((line) => line.mid).join(' ')}`,
    'a=msid-semantic: WMS *',
    ...(session.extmapAllowMixed ? ['a=extmap-allow-mixed'] : []),
  ];
  return [...head, ...lines.flatMap((line, index) => mediaSection(options, line, index)), ''].join('\r\n');
}

/** The lines of an SDP, cut into the session part and one part per m-line. */
function sections(sdp: string): string[][] {
  const out: string[][] = [[]];
  for (const line of sdp.split(/\r?\n/)) {
    if (!line) continue;
    if (line.startsWith('m=')) out.push([]);
    out[out.length - 1]?.push(line);
  }
  return out;
}

const value = (lines: string[] | undefined, prefix: string): string | null =>
  lines?.find((line) => line.startsWith(prefix))?.slice(prefix.length) ?? null;

function sectionOf(sdp: string, mid: string): string[] | undefined {
  return sections(sdp).find((lines, index) => index > 0 && lines.includes(`a=mid:${mid}`));
}

export interface SentSsrcs {
  ssrcs: number[];
  rtx: number[];
}

function ssrcGroups(lines: string[], semantics: string): number[][] {
  const prefix = `a=ssrc-group:${semantics} `;
  return lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length).trim().split(/\s+/).map(Number));
}

/** The SSRCs that an SDP of ours gives for one line: low to high, each with its RTX or 0. */
export function sentSsrcs(sdp: string, mid: string): SentSsrcs {
  const lines = sectionOf(sdp, mid) ?? [];
  const rtxOf = new Map(ssrcGroups(lines, 'FID').map(([main = 0, rtx = 0]) => [main, rtx]));
  const secondary = new Set(rtxOf.values());
  const all = new Set<number>();
  for (const line of lines) {
    const match = /^a=ssrc:(\d+) /.exec(line);
    if (match) all.add(Number(match[1]));
  }
  const sim = ssrcGroups(lines, 'SIM')[0];
  const ssrcs = sim ?? [...all].filter((ssrc) => !secondary.has(ssrc));
  return { ssrcs, rtx: ssrcs.map((ssrc) => rtxOf.get(ssrc) ?? 0) };
}

/** Chromium sends simulcast when its own description names three SSRCs in a SIM group. Adds two to the one
 * that is there, those of `kept` when the line had them before. */
export function addSimulcast(sdp: string, mid: string, kept: SentSsrcs | null, random: () => number): string {
  const all = sections(sdp);
  const lines = all.find((part, index) => index > 0 && part.includes(`a=mid:${mid}`));
  if (!lines || ssrcGroups(lines, 'SIM').length > 0) return sdp;
  const now = sentSsrcs(sdp, mid);
  const main = now.ssrcs[0];
  if (main === undefined) return sdp;
  const withRtx = (now.rtx[0] ?? 0) !== 0;
  const fresh = (): number => 1 + Math.floor(random() * 0xfffffffe);
  const same = kept && kept.ssrcs[0] === main && kept.ssrcs.length === 3;
  const ssrcs = same ? kept.ssrcs : [main, fresh(), fresh()];
  const rtx = same ? kept.rtx : ssrcs.map((_, i) => (!withRtx ? 0 : i === 0 ? (now.rtx[0] ?? 0) : fresh()));
  const attributes = lines.filter((line) => line.startsWith(`a=ssrc:${main} `)).map((line) => line.slice(`a=ssrc:${main} `.length));
  const rest = lines.filter((line) => !/^a=ssrc(-group)?:/.test(line));
  const extra: string[] = [`a=ssrc-group:SIM ${ssrcs.join(' ')}`];
  ssrcs.forEach((ssrc, i) => {
    if (rtx[i]) extra.push(`a=ssrc-group:FID ${ssrc} ${rtx[i]}`);
  });
  for (const ssrc of [...ssrcs, ...rtx]) if (ssrc) extra.push(...attributes.map((a) => `a=ssrc:${ssrc} ${a}`));
  lines.splice(0, lines.length, ...rest, ...extra);
  return [...all.flat(), ''].join('\r\n');
}

function answeredMedia(lines: string[] | undefined, offered: Media): Media {
  const ids = (lines?.[0] ?? '').split(' ').slice(3).map(Number);
  const extensions = new Set(
    (lines ?? []).map((line) => /^a=extmap:(\d+)/.exec(line)?.[1]).filter((id): id is string => id !== undefined),
  );
  return {
    payloads: offered.payloads.filter((p) => ids.includes(p.id)),
    extensions: offered.extensions.filter((e: Extension) => extensions.has(String(e.id))),
  };
}

/** What our answer says besides its sources. */
export function readAnswer(sdp: string, session: Session): Omit<Answer, 'sources'> {
  const all = sections(sdp);
  const audio = all.find((lines) => lines[0]?.startsWith('m=audio'));
  const video = all.find((lines) => lines[0]?.startsWith('m=video'));
  const find = (prefix: string): string => value(audio, prefix) ?? value(all[0], prefix) ?? value(video, prefix) ?? '';
  const [hash = '', print = ''] = find('a=fingerprint:').split(' ');
  return {
    transport: {
      ufrag: find('a=ice-ufrag:'),
      pwd: find('a=ice-pwd:'),
      fingerprint: { hash, setup: find('a=setup:') || 'active', value: print },
      candidates: [],
    },
    media: {
      audio: answeredMedia(audio, session.media.audio),
      video: answeredMedia(video, session.media.video),
    },
  };
}
