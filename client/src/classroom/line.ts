/* What a slow line takes away, in steps that have words: told when it lasts, never in a hurry. */

/** What the bridge says is lacking. */
export type Shortage = 'none' | 'proving' | 'pictures' | 'voices';

export type Line =
  | 'whole'
  /** The line first has to show that it carries pictures. */
  | 'starting'
  | 'smaller'
  | 'sound'
  /** Not even all voices. */
  | 'voice'
  /** All is there again: said for a moment. */
  | 'back';

export interface LineFacts {
  /** null: this bridge does not say. */
  shortage: Shortage | null;
  /** Sources that are asked for and on. */
  wanted: readonly string[];
  /** Sources that come; null: not known yet. */
  forwarded: ReadonlySet<string> | null;
}

export function lineOf({ shortage, wanted, forwarded }: LineFacts): Line {
  if (shortage === 'voices') return 'voice';
  if (wanted.length === 0 || forwarded === null || shortage === 'none') return 'whole';
  const missing = wanted.filter((source) => !forwarded.has(source)).length;
  if (missing === wanted.length) return shortage === 'proving' ? 'starting' : 'sound';
  return shortage === 'pictures' || (shortage === null && missing > 0) ? 'smaller' : 'whole';
}

export const isShortage = (word: unknown): word is Shortage =>
  word === 'none' || word === 'proving' || word === 'pictures' || word === 'voices';

/** What was taken away is told after so long, what came back as well: it sways in between. */
const LASTING_MS = 2_000;
const BACK_MS = 5_000;
/** At the door the bridge does not know the line yet. */
const DOOR_MS = 8_000;

export class LineWords {
  private since = -Infinity;
  private now: Line = 'whole';
  private shown: Line = 'whole';
  private backUntil = 0;
  private doorUntil = -Infinity;

  /** A new way to the bridge. */
  begin(at: number): void {
    this.doorUntil = at + DOOR_MS;
  }

  /** Called a few times a second; returns what to show. */
  take(facts: LineFacts, at: number): Line {
    const line = lineOf(facts);
    if (line !== this.now) {
      this.now = line;
      this.since = at;
    }
    const early = at < this.doorUntil && (line === 'smaller' || line === 'sound');
    if (line !== this.shown && !early && at - this.since >= LASTING_MS) {
      // That the pictures came as announced needs no words.
      this.backUntil = line === 'whole' && this.shown !== 'starting' ? at + BACK_MS : 0;
      this.shown = line;
    }
    return this.shown === 'whole' && at < this.backUntil ? 'back' : this.shown;
  }
}
