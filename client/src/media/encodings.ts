/* What a video sender encodes. A camera: three layers (a quarter, a half and the whole height), each switched on
 * only as long as the bridge wants it. VP8 and H.264 send each as a stream of its own; VP9 and AV1 all in one.
 * A screen: as many streams, each of its whole height and in three temporal layers, one with all pictures, the others
 * with few at smaller rates: who has less line gets fewer pictures and can still read them. Firefox, which makes no
 * temporal layers, sends a screen as a camera. */
import { Codec, isLayered } from './codecs';
import { Figures, FIGURES } from './profile';

export type Purpose = 'microphone' | 'camera' | 'desktop';

/** How much smaller than the camera's a layer's pictures are, and from which limit of lines it is sent: the lowest that is
 * sent at all, always. */
const SCALES = [4, 2, 1] as const;
const FROM = [1, 360, 720] as const;

export const DESKTOP_FRAME_RATE = FIGURES.rich.screenFps;

export function activeLayers(maxHeight: number, rates: readonly number[]): boolean[] {
  const limit = maxHeight < 0 ? Infinity : maxHeight;
  if (rates.length === 1) return [limit > 0 && (rates[0] ?? 0) > 0];
  const lowest = rates.findIndex((rate) => rate > 0);
  return rates.map((rate, i) => rate > 0 && limit >= (i === lowest ? 1 : (FROM[i] ?? Infinity)));
}

/** The codec as it was negotiated; undefined: it was not. */
function negotiated(parameters: RTCRtpSendParameters, codec: Codec): RTCRtpCodec | undefined {
  const found = parameters.codecs?.find((c) => c.mimeType.toLowerCase() === `video/${codec}`);
  if (!found) return undefined;
  const { mimeType, clockRate, sdpFmtpLine } = found;
  return sdpFmtpLine ? { mimeType, clockRate, sdpFmtpLine } : { mimeType, clockRate };
}

export interface Wish {
  purpose: 'camera' | 'desktop';
  /** -1: no limit; 0: nothing. */
  maxHeight: number;
  codec: Codec;
  figures: Figures;
  /** The browser takes codec and layers by encoding; else the order of the offer decides, without layers. */
  selects: boolean;
}

type Encoding = RTCRtpEncodingParameters & { codec?: RTCRtpCodec; scalabilityMode?: string };

/** An encoding that is off has a rate, too: browsers refuse less. */
const LEAST_RATE = 30_000;

/** Pictures a second of a screen's lesser streams, at most: their encoders leave out what their rates have no room for. */
const FEW_PICTURES = 5;
/** Whoever draws a screen smaller than this does not follow what moves on it. */
const LARGE = 360;

/** The one encoding of a codec with all layers in one stream, or of a browser that sends no other. */
function together(rates: readonly number[], first: number, top: number): { scale: number; maxBitrate: number } {
  const sum = rates.slice(first, top + 1).reduce((bps, rate) => bps + rate, 0);
  return { scale: SCALES[top] ?? 1, maxBitrate: Math.max(sum, LEAST_RATE) };
}

/** A lone stream of a codec that has layers in one is the first, as it is of a camera. */
function screenEncodings({ codec, maxHeight, figures }: Wish, rates: readonly number[]): Encoding[] {
  const whole = Math.max(rates.map((rate) => rate > 0).lastIndexOf(true), 0);
  const least = Math.max(rates.findIndex((rate) => rate > 0), 0);
  const lone = least === whole;
  const main = lone && isLayered(codec) ? 0 : whole;
  const large = maxHeight < 0 || maxHeight >= LARGE;
  return rates.map((rate, i): Encoding => ({
    maxFramerate: i === main ? figures.screenFps : Math.min(figures.screenFps, FEW_PICTURES),
    active: maxHeight !== 0 && (lone ? i === main : rate > 0 && (large || i === least)),
    maxBitrate: Math.max(i === main ? (rates[whole] ?? 0) : rate, LEAST_RATE),
    scaleResolutionDownBy: SCALES[whole] ?? 1,
    scalabilityMode: 'L1T3',
  }));
}

/** One encoding for each that the sender has. */
export function wantedEncodings(wish: Wish, count: number): Encoding[] {
  const { figures } = wish;
  const camera = wish.purpose === 'camera';
  const rates = (camera ? figures.cameraRates : figures.screenRates).slice(0, Math.max(count, SCALES.length));
  const maxFramerate = (camera ? figures.cameraFps : figures.screenFps) || undefined;
  const active = activeLayers(wish.maxHeight, rates);
  const first = Math.max(rates.findIndex((rate) => rate > 0), 0);
  const top = Math.max(active.lastIndexOf(true), first);
  if (count === 1) {
    const whole = Math.max(rates.map((rate) => rate > 0).lastIndexOf(true), 0);
    const { scale, maxBitrate } = together(rates, whole, whole);
    return [{ maxFramerate, active: active.includes(true), maxBitrate, scaleResolutionDownBy: scale }];
  }
  if (!camera && wish.selects) return screenEncodings(wish, rates.slice(0, count));
  return rates.slice(0, count).map((rate, i): Encoding => {
    if (!wish.selects || !isLayered(wish.codec)) {
      const maxBitrate = Math.max(rate, LEAST_RATE);
      const plain = { maxFramerate, active: active[i] ?? false, maxBitrate, scaleResolutionDownBy: SCALES[i] ?? 1 };
      return wish.selects ? { ...plain, scalabilityMode: 'L1T3' } : plain;
    }
    const { scale, maxBitrate } = together(rates, first, top);
    const mode = top === first ? 'L1T3' : `L${top - first + 1}T3_KEY`;
    return { maxFramerate, active: i === 0 && active.includes(true), maxBitrate, scaleResolutionDownBy: scale, scalabilityMode: mode };
  });
}

/** Brings the sender's encodings in line with the wish; does nothing when they are already. */
export async function applyEncodings(sender: RTCRtpSender, wish: Wish): Promise<void> {
  const parameters = sender.getParameters();
  const encodings = (parameters.encodings ?? []) as Encoding[];
  if (encodings.length === 0) return;
  const codec = wish.selects ? negotiated(parameters, wish.codec) : undefined;
  // Before the first answer nothing is negotiated: what the offer puts first goes.
  const able = { ...wish, selects: codec !== undefined };
  let changed = false;
  // Under load a screen drops frames, so that it can still be read.
  if (wish.purpose === 'desktop' && parameters.degradationPreference !== 'maintain-resolution') {
    parameters.degradationPreference = 'maintain-resolution';
    changed = true;
  }
  wantedEncodings(able, encodings.length).forEach((wanted, i) => {
    const encoding = encodings[i];
    if (!encoding) return;
    if (codec) wanted.codec = codec;
    for (const key of Object.keys(wanted) as (keyof Encoding)[]) {
      if (JSON.stringify(encoding[key]) !== JSON.stringify(wanted[key])) changed = true;
    }
    Object.assign(encoding, wanted);
  });
  if (changed) await sender.setParameters(parameters);
}
