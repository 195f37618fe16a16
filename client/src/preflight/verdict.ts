/* What a measured line is good for. */
import type { Profile } from '../media/profile';
import type { Bytes } from '../media/traffic';

export type WayKind = 'udp' | 'tcp' | 'relay-udp' | 'relay-tcp' | 'relay-tls';

export interface Way {
  kind: WayKind;
  address: string;
  port: number;
}

export interface Measurement {
  /** Signalling went through. */
  online: boolean;
  /** How media travelled; null: not at all. */
  way: Way | null;
  /** Where the bridge listens, as it told. */
  host: string;
  udpPort: number;
  tcpPort: number;
  rttMs: number;
  jitterMs: number;
  /** Parts of one. */
  lossDown: number;
  lossUp: number;
  /** Bits a second of media. */
  down: number;
  up: number;
  /** What was tried at most, in bits a second: more may be possible. */
  tried: number;
  /** What it took of somebody's data. */
  spent: Bytes;
  /** Besides that, of what the browser tells by itself. */
  fetched: number;
}

export type Finding = 'all' | 'small' | 'voice' | 'barely' | 'blocked' | 'unreachable';

export type Remark = 'detour' | 'relay' | 'loss' | 'slow' | 'upload' | 'saving';

export interface Verdict {
  finding: Finding;
  remarks: Remark[];
  /** To keep to on this device; null: to nothing, it carries what was tried. Undefined: nothing is known. */
  profile: Profile | null | undefined;
}

/** A voice in long packets takes 24 kb/s on the wire; below two thirds of it the best that comes is pieces. */
const BARELY_BPS = 16_000;
/** Voice and stills; small pictures; pictures of 360 lines. */
const SMALL_BPS = 120_000;
const NORMAL_BPS = 350_000;
/** One's own voice; one's own small picture beside it. Senders keep within their way by themselves: little goes up on many lines that
 * carry much down, and takes no picture of others away. */
const SEND_VOICE_BPS = 24_000;
const SEND_SMALL_BPS = 100_000;
const BAD_LOSS = 0.1;
const WORST_LOSS = 0.25;
const NOTED_LOSS = 0.03;
const SLOW_MS = 500;
/** Of what was tried, to say that it was all there: estimates stop a little below. */
export const WHOLE = 0.85;

function remarksOf(m: Measurement, saving: boolean): Remark[] {
  const remarks: Remark[] = [];
  if (m.way && m.way.kind !== 'udp') remarks.push(m.way.kind === 'tcp' ? 'detour' : 'relay');
  if (Math.max(m.lossDown, m.lossUp) >= NOTED_LOSS) remarks.push('loss');
  if (m.rttMs >= SLOW_MS) remarks.push('slow');
  if (m.up < SEND_VOICE_BPS) remarks.push('upload');
  if (saving) remarks.push('saving');
  return remarks;
}

/** `saving`: less was tried, as somebody wants to save data. */
export function judgeLine(m: Measurement, saving: boolean): Verdict {
  if (!m.online) return { finding: 'unreachable', remarks: [], profile: undefined };
  if (!m.way) return { finding: 'blocked', remarks: [], profile: undefined };
  const loss = Math.max(m.lossDown, m.lossUp);
  const remarks = remarksOf(m, saving);
  if (m.down < BARELY_BPS) return { finding: 'barely', remarks, profile: 'voice' };
  if (m.down < SMALL_BPS || loss >= WORST_LOSS) return { finding: 'voice', remarks, profile: 'voice' };
  if (saving || m.down < NORMAL_BPS || m.up < SEND_SMALL_BPS || loss >= BAD_LOSS) return { finding: 'small', remarks, profile: 'light' };
  const whole = Math.min(m.down, m.up) >= m.tried * WHOLE && loss < NOTED_LOSS;
  return { finding: 'all', remarks, profile: whole ? null : 'normal' };
}
