/* What a video sender encodes: three layers (a quarter, a half and the whole height), each switched on only
 * as long as the bridge wants it. */

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

/** Brings the sender's encodings in line with the limit; does nothing when they are already. */
export async function applyEncodings(
  sender: RTCRtpSender,
  purpose: 'camera' | 'desktop',
  maxHeight: number,
): Promise<void> {
  const parameters = sender.getParameters();
  const encodings = parameters.encodings ?? [];
  if (encodings.length === 0) return;
  const layers = purpose === 'camera' ? CAMERA : DESKTOP;
  const active = activeLayers(maxHeight, encodings.length);
  let changed = false;
  encodings.forEach((encoding, i) => {
    const layer = layers[encodings.length === 1 ? 2 : i] ?? layers[2];
    if (!layer) return;
    const wanted: RTCRtpEncodingParameters = {
      active: active[i] ?? false,
      maxBitrate: layer.maxBitrate,
      scaleResolutionDownBy: encodings.length === 1 ? 1 : layer.scale,
    };
    if (purpose === 'desktop') wanted.maxFramerate = DESKTOP_FRAME_RATE;
    for (const key of Object.keys(wanted) as (keyof RTCRtpEncodingParameters)[]) {
      if (encoding[key] === wanted[key]) continue;
      changed = true;
    }
    Object.assign(encoding, wanted);
  });
  if (!changed) return;
  await sender.setParameters(parameters);
}
