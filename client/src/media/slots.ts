/* The pool of receive slots (SSRC rewriting): which SSRC carries whose source. A slot is an m-line that is
 * added once, if the bridge tells it in time before anybody needs it, and then handed from source to source
 * without a word to the browser: what is on its way when an SSRC leaves the SDP would be lost or go astray. */
import type { Kind } from '../signalling/jingle';
import type { Mapping, Spare } from '../signalling/bridge-channel';

export interface ReceiveSlot {
  readonly kind: Kind;
  readonly ssrc: number;
  readonly rtx: number;
  /** What browsers are to play in step has one stream id. It cannot be changed later. */
  readonly streamId: string;
  mid: string;
  source: string | null;
  owner: string | null;
  videoType: 'camera' | 'desktop';
  /** The browser knows it. */
  signalled: boolean;
  /** RTP timestamp of the last picture of the one before, until a later one came; null: what comes is the owner's. */
  after: number | null;
}

/** Our bridge puts sound and camera of one person into one pair of slots. Of another all that is known is
 * whose source comes first: sound and camera of one person share a stream, a shared screen stands alone. */
export function streamIdOf(entry: Pick<Mapping, 'owner' | 'videoType' | 'pair'>): string {
  if (entry.pair !== null) return `pair-${entry.pair}`;
  return entry.videoType === 'desktop' ? `${entry.owner}-desktop` : entry.owner;
}

/** More than any class needs and any bridge gives (50 each in Jitsi's). */
export const SLOTS_MAX = 128;

/** How far behind the last picture of the one before another of his may be, in ticks of 90 kHz: longer than any
 * stays on its way, shorter than numbers take to come round. */
const STRAY_TICKS = 60 * 90_000;

export class Slots {
  readonly all: ReceiveSlot[] = [];

  /** Takes a map over; a slot it does not mention stays. Returns slots that are new or changed hands. */
  apply(kind: Kind, map: readonly Mapping[], spares: readonly Spare[]): ReceiveSlot[] {
    const changed: ReceiveSlot[] = [];
    for (const entry of map) {
      const slot = this.find(kind, entry.ssrc) ?? this.add(kind, entry, streamIdOf(entry));
      if (!slot || (slot.source === entry.source && slot.owner === entry.owner && slot.videoType === entry.videoType)) continue;
      // A source is in one slot only.
      for (const other of this.all) {
        if (other === slot || other.source !== entry.source) continue;
        other.source = other.owner = null;
        changed.push(other);
      }
      if (slot.source !== entry.source) slot.after = entry.after;
      slot.source = entry.source;
      slot.owner = entry.owner;
      slot.videoType = entry.videoType;
      changed.push(slot);
    }
    for (const spare of spares) {
      const slot = this.find(kind, spare.ssrc) ? null : this.add(kind, spare, `pair-${spare.pair}`);
      if (slot) changed.push(slot);
    }
    return changed;
  }

  /** Empties the slots of somebody who left, or of one source. */
  release(match: (slot: ReceiveSlot) => boolean): ReceiveSlot[] {
    const freed = this.all.filter((slot) => slot.source !== null && match(slot));
    for (const slot of freed) slot.source = slot.owner = null;
    return freed;
  }

  /** Slots that the browser does not know yet. */
  fresh(): ReceiveSlot[] {
    return this.all.filter((slot) => !slot.signalled);
  }

  /** Slots of which pictures of the one before may still come. */
  waiting(): ReceiveSlot[] {
    return this.all.filter((slot) => slot.owner !== null && slot.after !== null);
  }

  private find(kind: Kind, ssrc: number): ReceiveSlot | undefined {
    return this.all.find((slot) => slot.ssrc === ssrc && slot.kind === kind);
  }

  private add(kind: Kind, { ssrc, rtx }: { ssrc: number; rtx: number }, streamId: string): ReceiveSlot | null {
    if (this.all.length >= SLOTS_MAX) return null;
    const slot: ReceiveSlot = {
      kind, ssrc, rtx, streamId, mid: '', source: null, owner: null, videoType: 'camera', signalled: false, after: null,
    };
    this.all.push(slot);
    return slot;
  }
}

/** A picture of this RTP timestamp came out of the slot. Returns whether it is the owner's first. */
export function settle(slot: ReceiveSlot, timestamp: number): boolean {
  if (slot.after === null || (slot.after - timestamp) >>> 0 < STRAY_TICKS) return false;
  slot.after = null;
  return true;
}
