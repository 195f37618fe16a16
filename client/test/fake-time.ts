/* Timers and the clock under a test's control; node 18 has none that cover Date. */
interface Timer {
  at: number;
  every: number | null;
  run: () => void;
}

export class FakeTime {
  private now = 1_700_000_000_000;
  private next = 1;
  private readonly timers = new Map<number, Timer>();
  private readonly real = {
    setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout, setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
    clocks: { wall: Date.now, monotonic: performance.now },
  };

  install(): void {
    const add = (run: () => void, delay: number, every: number | null): number => {
      this.timers.set(this.next, { at: this.now + Math.max(0, delay), every, run });
      return this.next++;
    };
    const remove = (id: number | null): void => void this.timers.delete(id ?? 0);
    Object.assign(globalThis, {
      setTimeout: (run: () => void, delay = 0) => add(run, delay, null),
      setInterval: (run: () => void, delay = 0) => add(run, delay, delay),
      clearTimeout: remove,
      clearInterval: remove,
    });
    Date.now = () => this.now;
    performance.now = () => this.now - 1_600_000_000_000;
  }

  restore(): void {
    const { clocks, ...timers } = this.real;
    Object.assign(globalThis, timers);
    Date.now = clocks.wall;
    performance.now = clocks.monotonic;
  }

  tick(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      let due: [number, Timer] | null = null;
      for (const entry of this.timers) if (entry[1].at <= end && (!due || entry[1].at < due[1].at)) due = entry;
      if (!due) break;
      const [id, timer] = due;
      this.now = Math.max(this.now, timer.at);
      if (timer.every === null) this.timers.delete(id);
      else timer.at += timer.every;
      timer.run();
    }
    this.now = end;
  }
}
