/* The pool of receive slots (SSRC rewriting): which SSRC carries whose source. A slot is an m-line that is
 * added once and then handed from source to source without a word to the browser; only when one person's
 * sound and picture would be out of step is the line taken out and put in again under the person's name. */
import type { Kind } from '../signalling/jingle';
import type { Mapping } from '../signalling/bridge-channel';

export interface ReceiveSlot {
  readonly kind: Kind;
  readonly ssrc: number;
  readonly rtx: number;
  mid: string;
  source: string | null;
  owner: string | null;
  videoType: 'camera' | 'desktop';
  /** The stream id in the SDP, null while the line is not in it. */
  signalled: string | null;
  /** Counts up with every change of hands: of two, the one with more came later. */
  turn: number;
}

/** Sound and camera of one person share a stream; a shared screen stands alone. */
export function streamIdOf(slot: Pick<ReceiveSlot, 'owner' | 'kind' | 'videoType' | 'ssrc'>): string {
  if (!slot.owner) return `slot-${slot.ssrc}`;
  return slot.kind === 'video' && slot.videoType === 'desktop' ? `${slot.owner}-desktop` : slot.owner;
}

const together = (a: ReceiveSlot, b: ReceiveSlot): boolean => a.kind !== b.kind && streamIdOf(a) === streamIdOf(b);

/** More than any class needs and any bridge gives (50 each in Jitsi's). */
export const SLOTS_MAX = 128;

export class Slots {
  readonly all: ReceiveSlot[] = [];
  private turn = 0;

  /** Takes a map over; a slot it does not mention stays. Returns slots that changed hands. */
  apply(kind: Kind, map: readonly Mapping[]): ReceiveSlot[] {
    const changed: ReceiveSlot[] = [];
    for (const entry of map) {
      let slot = this.all.find((s) => s.ssrc === entry.ssrc && s.kind === kind);
      if (!slot) {
        if (this.all.length >= SLOTS_MAX) continue;
        slot = {
          kind, ssrc: entry.ssrc, rtx: entry.rtx, mid: '', source: null, owner: null, videoType: 'camera', signalled: null, turn: 0,
        };
        this.all.push(slot);
      } else if (slot.source === entry.source && slot.owner === entry.owner && slot.videoType === entry.videoType) {
        continue;
      }
      // A source is in one slot only.
      for (const other of this.all) {
        if (other === slot || other.source !== entry.source) continue;
        other.source = other.owner = null;
        changed.push(other);
      }
      slot.source = entry.source;
      slot.owner = entry.owner;
      slot.videoType = entry.videoType;
      slot.turn = ++this.turn;
      changed.push(slot);
    }
    return changed;
  }

  /** Empties the slots of somebody who left, or of one source. */
  release(match: (slot: ReceiveSlot) => boolean): ReceiveSlot[] {
    const freed = this.all.filter((slot) => slot.source !== null && match(slot));
    for (const slot of freed) slot.source = slot.owner = null;
    return freed;
  }

  /** Slots not in the SDP yet. */
  fresh(): ReceiveSlot[] {
    return this.all.filter((slot) => slot.signalled === null);
  }

  /** Slots whose stream id in the SDP keeps one person's sound and camera from being played in step, or
   * ties them to a stranger's. Of two that should be together the one that came later moves: it has
   * nothing to lose yet. */
  mispaired(): ReceiveSlot[] {
    return this.all.filter((slot) => {
      if (!slot.owner || slot.signalled === null) return false;
      const foreign = slot.signalled !== streamIdOf(slot);
      return this.others(slot).some((other) =>
        together(slot, other)
          ? other.signalled !== slot.signalled && slot.turn > other.turn
          : foreign && other.kind !== slot.kind && other.signalled === slot.signalled,
      );
    });
  }

  /** The stream id to put into the SDP for a slot: that of the same person's other half, whatever name it
   * once got, unless somebody else's slot goes by it as well. */
  streamIdFor(slot: ReceiveSlot): string {
    const others = this.others(slot);
    const half = others.find((other) => together(slot, other));
    const shared = others.some((other) => other !== half && other.signalled === half?.signalled);
    return half?.signalled && !shared ? half.signalled : streamIdOf(slot);
  }

  /** Those in the SDP that carry something now. */
  private others(slot: ReceiveSlot): ReceiveSlot[] {
    return this.all.filter((other) => other !== slot && other.owner !== null && other.signalled !== null);
  }
}
