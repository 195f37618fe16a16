/* The way down by itself. Where little goes up, what comes back says no more of the way down than that it carries so little: then a script
 * of this page is fetched anew, past the browser's cache. */

const WHILE_MS = 2_500;
const MOST_BYTES = 200_000;

export interface Piece {
  url: string;
  /** How much of its compressed form one byte of it is. */
  ratio: number;
}

type Timing = Pick<PerformanceResourceTiming, 'name' | 'encodedBodySize' | 'decodedBodySize'>;

/** The largest script that this page has loaded from its own server. */
export function largestScript(entries: readonly Timing[], origin: string): Piece | null {
  let best: Timing | null = null;
  for (const entry of entries) {
    if (!entry.name.startsWith(`${origin}/`) || !entry.name.endsWith('.js') || entry.decodedBodySize <= 0) continue;
    if (!best || entry.encodedBodySize > best.encodedBodySize) best = entry;
  }
  return best && { url: best.name, ratio: best.encodedBodySize / best.decodedBodySize };
}

interface Sum {
  /** Without the first piece of each answer: how long that takes to begin is not the rate. */
  bytes: number;
  ms: number;
  all: number;
}

async function fetchOnce(piece: Piece, signal: AbortSignal, sum: Sum): Promise<void> {
  const reader = (await fetch(piece.url, { cache: 'no-store', signal })).body?.getReader();
  let before = 0;
  while (reader && sum.all < MOST_BYTES) {
    const { done, value } = await reader.read();
    if (done) return;
    const now = performance.now();
    const bytes = value.length * piece.ratio;
    sum.all += bytes;
    if (before > 0) {
      sum.bytes += bytes;
      sum.ms += now - before;
    }
    before = now;
  }
  await reader?.cancel();
}

/** Bits a second, 0 when nothing can be said, and the bytes it took. */
export async function downloadRate(signal: AbortSignal): Promise<{ bps: number; bytes: number }> {
  const piece = largestScript(performance.getEntriesByType('resource') as PerformanceResourceTiming[], location.origin);
  const sum: Sum = { bytes: 0, ms: 0, all: 0 };
  if (!piece) return { bps: 0, bytes: 0 };
  const end = new AbortController();
  const stop = (): void => end.abort();
  const timer = setTimeout(stop, WHILE_MS);
  signal.addEventListener('abort', stop);
  try {
    for (let before = -1; !end.signal.aborted && sum.all < MOST_BYTES && sum.all > before; ) {
      before = sum.all;
      await fetchOnce(piece, end.signal, sum);
    }
  } catch {
    // Its time was over: what came until then counts.
  }
  clearTimeout(timer);
  signal.removeEventListener('abort', stop);
  return { bps: sum.ms > 0 ? (sum.bytes * 8_000) / sum.ms : 0, bytes: sum.all };
}
