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
}

/** Sound and camera of one person share a stream; a shared screen stands alone. */
export function streamIdOf(slot: Pick<ReceiveSlot, 'owner' | 'kind' | 'videoType' | 'ssrc'>): string {
  if (!slot.owner) return `slot-${slot.ssrc}`;
  return slot.kind === 'video' && slot.videoType === 'desktop' ? `${slot.owner}-desktop` : slot.owner;
}

/** More than any class needs and any bridge gives (50 each in Jitsi's). */
export const SLOTS_MAX = 128;

export class Slots {
  readonly all: ReceiveSlot[] = [];

  /** Takes a map over; a slot it does not mention stays. Returns slots that changed hands. */
  apply(kind: Kind, map: readonly Mapping[]): ReceiveSlot[] {
    const changed: ReceiveSlot[] = [];
    for (const entry of map) {
      let slot = this.all.find((s) => s.ssrc === entry.ssrc && s.kind === kind);
      if (!slot) {
        if (this.all.length >= SLOTS_MAX) continue;
        slot = {
          kind, ssrc: entry.ssrc, rtx: entry.rtx, mid: '', source: null, owner: null, videoType: 'camera', signalled: null,
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
   * ties somebody's to a stranger's. */
  mispaired(): ReceiveSlot[] {
    return this.all.filter((slot) => {
      if (!slot.owner || slot.signalled === null) return false;
      const want = streamIdOf(slot);
      if (slot.signalled === want) return false;
      const together = (other: ReceiveSlot): boolean => other !== slot && other.kind !== slot.kind && other.owner !== null;
      return this.all.some((other) => together(other) && (streamIdOf(other) === want || other.signalled === slot.signalled));
    });
  }
}
