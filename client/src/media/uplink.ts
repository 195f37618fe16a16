/* Whether one's own way carries more than a voice in long packets: browsers send 60 kb/s of sound, and half of it is lost for good
 * where less than that gets through. */
import { num, type Report } from './reports';

/** Of the packets of one's own sound, as the bridge reports once a second. */
const BAD_LOSS = 0.15;
const BAD_LOOKS = 2;
/** Beyond this a small picture has room, too: loss is the way's own then. */
const NARROW_BPS = 150_000;
/** So long it stays with that, twice as long when it tried too early. */
const WAIT_MS = 60_000;
const WAIT_MAX_MS = 480_000;
/** IPv4 and UDP, which browsers do not count. */
const OVERHEAD_BYTES = 28;

interface Look {
  at: number;
  /** When the bridge told last. */
  told: number;
  loss: number;
  bytes: number;
  packets: number;
}

export function lookAt(at: number, reports: Iterable<readonly [string, unknown]>): Look {
  const look: Look = { at, told: 0, loss: 0, bytes: 0, packets: 0 };
  for (const [, raw] of reports) {
    const report = raw as Report;
    if (report['type'] === 'remote-inbound-rtp') {
      look.told = num(report['timestamp']);
      look.loss = num(report['fractionLost']);
    } else if (report['type'] === 'candidate-pair') {
      look.bytes += num(report['bytesSent']);
      look.packets += num(report['packetsSent']);
    }
  }
  return look;
}

export class Uplink {
  /** Nothing but the voice. */
  narrow = false;
  private last: Look | null = null;
  private bad = 0;
  private until = 0;
  private wait = WAIT_MS;
  private widened = -Infinity;

  /** Once a second, of the sender of sound; returns whether `narrow` changed. */
  take(look: Look): boolean {
    const { last } = this;
    if (last && look.told === last.told) return this.narrow && look.at >= this.until && this.widen(look.at);
    this.last = look;
    // Another connection counts anew.
    if (!last || look.bytes < last.bytes) return false;
    const bits = (look.bytes - last.bytes + (look.packets - last.packets) * OVERHEAD_BYTES) * 8;
    const slow = bits * 1_000 < NARROW_BPS * (look.at - last.at);
    this.bad = slow && look.loss >= BAD_LOSS ? this.bad + 1 : 0;
    if (!this.narrow) return this.bad >= BAD_LOOKS && this.tighten(look.at);
    return look.at >= this.until && this.bad === 0 && this.widen(look.at);
  }

  private tighten(at: number): boolean {
    this.wait = at - this.widened < this.wait ? Math.min(this.wait * 2, WAIT_MAX_MS) : WAIT_MS;
    this.until = at + this.wait;
    this.bad = 0;
    return (this.narrow = true);
  }

  private widen(at: number): boolean {
    this.narrow = false;
    this.widened = at;
    return true;
  }
}
