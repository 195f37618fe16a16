/* How much of the line a class may take: from the voice alone to pictures of 720 lines. The class has a profile,
 * and a person's device may go below it, never above. */
import { Store } from '../store';

export type Profile = 'voice' | 'light' | 'normal' | 'rich';

/** From the least to the most. */
export const profiles: Profile[] = ['voice', 'light', 'normal', 'rich'];

/** The parameters of Opus that we set (RFC 7587, section 6.1); what is not named stays the encoder's own choice. */
export type VoiceParameters = Readonly<Record<string, string>>;

/** What one layer of a video sender may take; 0: it is not sent. */
type LayerRates = readonly [number, number, number];

export interface Figures {
  /** null: as the offer says. */
  voice: VoiceParameters | null;
  /** How many ms sound waits at least before it is played; null: as the browser finds. */
  patience: number | null;
  /** Whether lines for pictures are made ahead of need: browsers report on each of them every second. */
  spares: boolean;
  /** Others are told how our line is once in so many looks at it. */
  statsTurns: number;
  /** Cameras: lines of the largest picture, of all others, and how many there are at most besides the largest. */
  stage: number;
  others: number;
  thumbs: number;
  cameraRates: LayerRates;
  /** Pictures a second; null: as the camera gives them. */
  cameraFps: number | null;
  screen: number;
  screenRates: LayerRates;
  screenFps: number;
}

/** One voice in packets of 60 ms: at 20 ms the headers cost more than the speech. Wide band is all that such a rate
 * carries well, and one frame of Opus can be as long as the packet then. */
const FRUGAL: VoiceParameters = {
  ptime: '60', maxptime: '120', stereo: '0', maxplaybackrate: '16000', maxaveragebitrate: '20000', usedtx: '1',
};
/** The copy of a lost packet comes with the next one (RED): it is of use to who waits for two of them and a little more. */
const COPY_MS = 130;
const LIGHT: VoiceParameters = { ptime: '40', maxptime: '120', stereo: '0', maxaveragebitrate: '24000' };

/** The figures of the server's own table (`src/base/profile.c`) and what follows from them for a sender. */
export const FIGURES: Readonly<Record<Profile, Figures>> = {
  voice: {
    voice: FRUGAL, patience: COPY_MS, spares: false, statsTurns: 6, stage: 0, others: 0, thumbs: 0, cameraRates: [0, 0, 0], cameraFps: 0,
    screen: 360, screenRates: [0, 50_000, 0], screenFps: 2,
  },
  light: {
    voice: LIGHT, patience: null, spares: true, statsTurns: 2, stage: 180, others: 0, thumbs: 0, cameraRates: [60_000, 0, 0], cameraFps: 15,
    screen: 360, screenRates: [0, 150_000, 0], screenFps: 5,
  },
  normal: {
    voice: LIGHT, patience: null, spares: true, statsTurns: 2, stage: 360, others: 180, thumbs: 4, cameraRates: [70_000, 180_000, 0], cameraFps: 20,
    screen: 720, screenRates: [0, 100_000, 400_000], screenFps: 10,
  },
  rich: {
    voice: null, patience: null, spares: true, statsTurns: 2, stage: 720, others: 720, thumbs: Infinity, cameraRates: [200_000, 500_000, 1_500_000], cameraFps: null,
    screen: 720, screenRates: [200_000, 600_000, 2_000_000], screenFps: 15,
  },
};

const KEY = 'darasa-profile';

const isProfile = (value: unknown): value is Profile => profiles.includes(value as Profile);
export const least = (a: Profile, b: Profile): Profile => (profiles.indexOf(a) < profiles.indexOf(b) ? a : b);

function stored(): Profile | null {
  try {
    const value = localStorage.getItem(KEY);
    return isProfile(value) ? value : null;
  } catch {
    return null;
  }
}

/** What this device was told to keep to; null: nothing, what the class says holds. */
export const chosen = new Store<Profile | null>(stored());
/** What the class says. */
export const allowed = new Store<Profile>('rich');
/** What is left of a limit on data allows; null: there is no limit, or enough is left. */
const affordable = new Store<Profile | null>(null);

/** Somebody told the browser to be sparing; who chose for this device has told us more. */
export const savesData = (): boolean =>
  (globalThis.navigator as (Navigator & { connection?: { saveData?: boolean } }) | undefined)?.connection?.saveData === true;

const holds = (): Profile =>
  least(least(allowed.value, affordable.value ?? 'rich'), chosen.value ?? (savesData() ? 'light' : 'rich'));

/** What holds here and now. */
export const profile = new Store<Profile>(holds());

const settle = (): void => profile.set(holds());
for (const store of [chosen, allowed, affordable]) store.watch(settle);

/** Keeps to this on this device, from now on and in other classes; null: to nothing. */
export function chooseProfile(next: Profile | null): void {
  try {
    if (next === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // Lasts as long as the page, then.
  }
  chosen.set(next);
}

/** No more than this for the rest of this lesson; null: no such bound. */
export function limitProfile(most: Profile | null): void {
  affordable.set(most);
}

/** The next lower one, or the lowest. */
export const below = (one: Profile): Profile => profiles[Math.max(0, profiles.indexOf(one) - 1)] ?? 'voice';

/** Servers that say nothing, or a word that is not known here, allow everything. */
export function allowProfile(word: unknown): void {
  allowed.set(isProfile(word) ? word : 'rich');
}

/** A source that is drawn. */
export interface Drawn {
  source: string;
  height: number;
  kind: 'camera' | 'desktop';
  onStage: boolean;
  on: boolean;
}

export interface Portion {
  maxHeight: number;
  maxFrameRate?: number;
}

/** How much of each to ask for. The largest picture is that on the stage, or the first of a camera that is on; what is
 * left out is not asked for. */
export function portions(drawn: readonly Drawn[], figures: Figures): Record<string, Portion> {
  const weight = (one: Drawn): number => (one.onStage ? 2 : 0) + (one.on ? 1 : 0);
  const cameras = drawn.filter((one) => one.kind === 'camera').sort((a, b) => weight(b) - weight(a));
  const out: Record<string, Portion> = {};
  for (const one of drawn) {
    const place = cameras.indexOf(one);
    let most = figures.screen;
    if (place >= 0) most = place === 0 ? figures.stage : place <= figures.thumbs ? figures.others : 0;
    const fps = place >= 0 ? figures.cameraFps : figures.screenFps;
    if (most === 0) continue;
    const limit = figures.cameraFps === null || fps === null ? {} : { maxFrameRate: fps };
    out[one.source] = { maxHeight: Math.min(one.height, most), ...limit };
  }
  return out;
}
