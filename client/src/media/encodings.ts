/* What a video sender encodes: three layers (a quarter, a half and the whole height), each switched on only
 * as long as the bridge wants it. VP8 and H.264 send each as a stream of its own; VP9 and AV1 all in one. */
import { Codec, isLayered } from './codecs';

export type Purpose = 'microphone' | 'camera' | 'desktop';

interface Layer {
  scale: number;
  maxBitrate: number;
  /** The layer runs when the bridge's limit is at least this height. */
  from: number;
}

/** Jitsi's rates for VP8 at 720p. */
const CAMERA: readonly Layer[] = [
  { scale: 4, maxBitrate: 200_000, from: 1 },
  { scale: 2, maxBitrate: 500_000, from: 360 },
  { scale: 1, maxBitrate: 1_500_000, from: 720 },
];

/** Writing must stay legible: the small layers get more, as they show the same letters. */
const DESKTOP: readonly Layer[] = [
  { scale: 4, maxBitrate: 200_000, from: 1 },
  { scale: 2, maxBitrate: 600_000, from: 360 },
  { scale: 1, maxBitrate: 2_000_000, from: 720 },
];

export const DESKTOP_FRAME_RATE = 15;

export function activeLayers(maxHeight: number, count: number): boolean[] {
  const limit = maxHeight < 0 ? Infinity : maxHeight;
  if (count === 1) return [limit > 0];
  return CAMERA.slice(0, count).map((layer) => limit >= layer.from);
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
  /** The browser takes codec and layers by encoding; else the order of the offer decides, without layers. */
  selects: boolean;
}

type Encoding = RTCRtpEncodingParameters & { codec?: RTCRtpCodec; scalabilityMode?: string };

/** One encoding for each that the sender has. */
export function wantedEncodings(wish: Wish, count: number): Encoding[] {
  const layers = wish.purpose === 'camera' ? CAMERA : DESKTOP;
  const active = activeLayers(wish.maxHeight, count === 1 ? 1 : layers.length);
  const on = active.filter(Boolean).length;
  const whole = layers[layers.length - 1];
  const rate = wish.purpose === 'desktop' ? { maxFramerate: DESKTOP_FRAME_RATE } : {};
  if (count === 1) return [{ ...rate, active: on > 0, maxBitrate: whole?.maxBitrate ?? 0, scaleResolutionDownBy: 1 }];
  return layers.slice(0, count).map((layer, i): Encoding => {
    if (!wish.selects || !isLayered(wish.codec)) {
      const plain = { ...rate, active: active[i] ?? false, maxBitrate: layer.maxBitrate, scaleResolutionDownBy: layer.scale };
      return wish.selects ? { ...plain, scalabilityMode: 'L1T3' } : plain;
    }
    const top = Math.max(on, 1);
    const mode = top === 1 ? 'L1T3' : `L${top}T3_KEY`;
    const sum = layers.slice(0, top).reduce((bps, one) => bps + one.maxBitrate, 0);
    const scale = layers[top - 1]?.scale ?? 1;
    return { ...rate, active: i === 0 && on > 0, maxBitrate: sum, scaleResolutionDownBy: scale, scalabilityMode: mode };
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
