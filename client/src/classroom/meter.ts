/* How much data this lesson has taken on this device, what it will take, and the limit somebody has set for it. */
import { Bytes, sum } from '../media/traffic';
import { Store } from '../store';

export const MEGABYTE = 1_000_000;

export interface DataUse extends Bytes {
  /** Bits a second, both ways, lately. */
  rate: number;
  /** Megabytes the lesson may take; null: as many as it will. */
  cap: number | null;
  step: Step;
}

export type Step =
  | 'free'
  /** Most of the limit is used: pictures are small from now on. */
  | 'near'
  /** All of it is used: only voices. */
  | 'reached';

/** Of the limit, where saving begins. */
export const NEAR = 0.8;
const RATE_OVER_MS = 60_000;

export function stepOf(used: number, cap: number | null, lifted: boolean): Step {
  if (cap === null || lifted) return 'free';
  const part = used / (cap * MEGABYTE);
  if (part >= 1) return 'reached';
  return part >= NEAR ? 'near' : 'free';
}

/** Bytes at the end of the lesson if it goes on like this; null: nobody knows when that is. */
export function expected(use: Pick<DataUse, 'down' | 'up' | 'rate'>, now: number, endsAt: number | null): number | null {
  if (endsAt === null || endsAt <= now) return null;
  return use.down + use.up + (use.rate / 8) * ((endsAt - now) / 1_000);
}

const CAP = 'darasa-data-cap';
const dayOf = (now: number): string => {
  const date = new Date(now);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
};
const storedNumber = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0);

export type Keep = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** Storage of a browser may be closed to pages. */
export function storage(which: 'sessionStorage' | 'localStorage'): Keep | null {
  try {
    return globalThis[which];
  } catch {
    return null;
  }
}

interface Options {
  /** Of this page, over reloads: the sum. */
  session: Keep | null;
  /** Of this device: the limit. */
  device: Keep | null;
  now: () => number;
  onStep: (step: Step, cap: number) => void;
}

export class DataMeter {
  readonly use: Store<DataUse>;
  private key: string | null = null;
  private lifted = false;
  private waiting: Bytes = { down: 0, up: 0 };
  private readonly history: { at: number; bytes: number }[] = [];

  constructor(private readonly options: Options) {
    this.use = new Store<DataUse>({ down: 0, up: 0, rate: 0, cap: this.storedCap(), step: 'free' });
  }

  /** Now it is known which lesson this is: goes on where a page before this one stopped. */
  begin(lesson: string): void {
    if (this.key !== null) return;
    this.key = `darasa-data:${lesson}:${dayOf(this.options.now())}`;
    const before = this.stored(this.key);
    this.lifted = before.lifted;
    this.use.update(sum(this.use.value, before));
  }

  /** Shown and kept with the next tick: what comes in between are single messages. */
  add(bytes: Bytes): void {
    this.waiting = sum(this.waiting, bytes);
  }

  /** Every few seconds: rate, limit, and the sum kept for a reload. */
  tick(): void {
    const { history } = this;
    this.take();
    const { down, up } = this.use.value;
    const now = this.options.now();
    history.push({ at: now, bytes: down + up });
    while (history.length > 2 && now - (history[1]?.at ?? now) >= RATE_OVER_MS) history.shift();
    const first = history[0];
    if (first && now > first.at) this.use.update({ rate: ((down + up - first.bytes) * 8_000) / (now - first.at) });
    this.save();
    this.look();
  }

  setCap(cap: number | null): void {
    this.lifted = false;
    this.use.update({ cap });
    const { device } = this.options;
    try {
      if (cap === null) device?.removeItem(CAP);
      else device?.setItem(CAP, String(cap));
    } catch {
      // It holds as long as the page, then.
    }
    this.save();
    this.look();
  }

  /** No limit for the rest of this lesson; the next one has it again. */
  lift(): void {
    this.lifted = true;
    this.save();
    this.look();
  }

  private take(): void {
    const { waiting } = this;
    this.waiting = { down: 0, up: 0 };
    this.use.update(sum(this.use.value, waiting));
  }

  private look(): void {
    const { down, up, cap, step } = this.use.value;
    const next = stepOf(down + up, cap, this.lifted);
    if (next === step) return;
    this.use.update({ step: next });
    this.options.onStep(next, cap ?? 0);
  }

  private storedCap(): number | null {
    try {
      return storedNumber(Number(this.options.device?.getItem(CAP))) || null;
    } catch {
      return null;
    }
  }

  private stored(key: string): Bytes & { lifted: boolean } {
    try {
      const kept = JSON.parse(this.options.session?.getItem(key) ?? '{}') as Record<string, unknown>;
      return { down: storedNumber(kept['down']), up: storedNumber(kept['up']), lifted: kept['lifted'] === true };
    } catch {
      return { down: 0, up: 0, lifted: false };
    }
  }

  save(): void {
    if (this.key === null) return;
    this.take();
    const { down, up } = this.use.value;
    try {
      this.options.session?.setItem(this.key, JSON.stringify({ down: Math.round(down), up: Math.round(up), lifted: this.lifted }));
    } catch {
      // A reload begins at nothing, then.
    }
  }
}
