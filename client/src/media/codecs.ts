/* Which video codec we send: the first in the school's order that this browser can make and everybody in the
 * class can show. Who joins without it makes all go over to the next. */

export const CODECS = ['vp8', 'vp9', 'h264', 'av1'] as const;
export type Codec = (typeof CODECS)[number];

/** Orders that a school may choose from, by the first of each; all have VP8, as all browsers do. */
export const ORDERS = ['vp8', 'h264 vp8', 'vp9 vp8', 'av1 vp9 vp8'];

interface Capable {
  getCapabilities(kind: string): { codecs: { mimeType: string; sdpFmtpLine?: string }[] } | null;
}

/** H.264 in packets as we negotiate it. */
const usable = (codec: { mimeType: string; sdpFmtpLine?: string }): boolean =>
  codec.mimeType.toLowerCase() !== 'video/h264' || (codec.sdpFmtpLine ?? '').includes('packetization-mode=1');

/** What `RTCRtpSender` or `RTCRtpReceiver` says of itself; VP8 when it says nothing. */
export function capabilities(side: Capable): Codec[] {
  const list = side.getCapabilities('video')?.codecs.filter(usable) ?? [];
  const found = CODECS.filter((codec) => list.some((c) => c.mimeType.toLowerCase() === `video/${codec}`));
  return found.length > 0 ? found : ['vp8'];
}

/** What can be sent in several streams. Firefox puts several layers into each stream of VP9, which nobody takes for one. */
export const sendable = (able: readonly Codec[], firefox: boolean): Codec[] => able.filter((codec) => !firefox || codec !== 'vp9');

/** Set apart by commas, as in a room, or by blanks, as the school keeps them. */
export const parseCodecs = (list: string): Codec[] =>
  list.toLowerCase().split(/[\s,]+/).flatMap((word) => CODECS.filter((codec) => codec === word));

/** `others`: what each of the others can show. */
export function chooseCodec(
  order: readonly Codec[],
  ours: readonly Codec[],
  others: Iterable<readonly Codec[]>,
): Codec {
  const lists = [...others];
  return order.find((codec) => ours.includes(codec) && lists.every((list) => list.includes(codec))) ?? 'vp8';
}

/** Spatial layers in one stream, instead of several streams. */
export const isLayered = (codec: Codec): boolean => codec === 'vp9' || codec === 'av1';
