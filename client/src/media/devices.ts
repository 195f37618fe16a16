/* Microphones, cameras and screens. Nothing is opened that was not asked for, and a camera that is off is
 * closed, so that its light goes out. */
import { DESKTOP_FRAME_RATE } from './encodings';

export type DeviceProblem = 'denied' | 'missing' | 'busy' | 'insecure';

export class DeviceError extends Error {
  constructor(readonly problem: DeviceProblem) {
    super(problem);
  }
}

export interface DeviceList {
  microphones: MediaDeviceInfo[];
  cameras: MediaDeviceInfo[];
  speakers: MediaDeviceInfo[];
}

export interface DeviceChoice {
  microphone: string;
  camera: string;
  speaker: string;
}

const KEY = 'darasa-devices';

export function loadChoice(): DeviceChoice {
  const empty = { microphone: '', camera: '', speaker: '' };
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<DeviceChoice>;
    return {
      microphone: String(stored.microphone ?? ''),
      camera: String(stored.camera ?? ''),
      speaker: String(stored.speaker ?? ''),
    };
  } catch {
    return empty;
  }
}

export function saveChoice(choice: DeviceChoice): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(choice));
  } catch {
    // Private windows may have no storage; the choice then lasts as long as the page.
  }
}

/** Browsers give devices only to pages they call secure: https, or this very machine. */
const media = (): MediaDevices | undefined =>
  typeof navigator === 'undefined' ? undefined : (navigator.mediaDevices as MediaDevices | undefined);

export const canUseDevices = (): boolean => media()?.getUserMedia !== undefined;
export const canShareScreen = (): boolean => typeof media()?.getDisplayMedia === 'function';

const PROBLEMS: Record<string, DeviceProblem> = {
  NotAllowedError: 'denied',
  SecurityError: 'denied',
  NotFoundError: 'missing',
  OverconstrainedError: 'missing',
  NotReadableError: 'busy',
  AbortError: 'busy',
};

async function open(constraints: MediaStreamConstraints): Promise<MediaStream> {
  const devices = media();
  if (!devices?.getUserMedia) throw new DeviceError('insecure');
  try {
    return await devices.getUserMedia(constraints);
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    throw new DeviceError(PROBLEMS[name] ?? 'missing');
  }
}

const exact = (id: string): ConstrainDOMString | undefined => (id ? { exact: id } : undefined);

/** A device that was chosen once and is gone now must not keep anybody silent. */
async function openPreferred(
  id: string,
  constraints: (deviceId: ConstrainDOMString | undefined) => MediaStreamConstraints,
): Promise<MediaStream> {
  try {
    return await open(constraints(exact(id)));
  } catch (error) {
    if (!id || !(error instanceof DeviceError) || error.problem === 'denied') throw error;
    return open(constraints(undefined));
  }
}

export async function openMicrophone(id: string): Promise<MediaStreamTrack> {
  const stream = await openPreferred(id, (deviceId) => ({
    audio: { deviceId, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  }));
  const track = stream.getAudioTracks()[0];
  if (!track) throw new DeviceError('missing');
  return track;
}

export async function openCamera(id: string): Promise<MediaStreamTrack> {
  const stream = await openPreferred(id, (deviceId) => ({
    video: { deviceId, width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 25, max: 30 } },
  }));
  const track = stream.getVideoTracks()[0];
  if (!track) throw new DeviceError('missing');
  return track;
}

/** Resolves to null when the person thought better of it. */
export async function openScreen(): Promise<MediaStreamTrack | null> {
  const devices = media();
  if (!devices?.getDisplayMedia) throw new DeviceError('insecure');
  try {
    const stream = await devices.getDisplayMedia({
      video: { frameRate: { ideal: DESKTOP_FRAME_RATE, max: DESKTOP_FRAME_RATE }, width: { max: 1920 }, height: { max: 1080 } },
      audio: false,
    });
    const track = stream.getVideoTracks()[0] ?? null;
    if (track && 'contentHint' in track) track.contentHint = 'detail';
    return track;
  } catch (error) {
    if (error instanceof Error && error.name === 'NotAllowedError') return null;
    throw new DeviceError('missing');
  }
}

export async function listDevices(): Promise<DeviceList> {
  const all = (await media()?.enumerateDevices?.().catch(() => [])) ?? [];
  const of = (kind: MediaDeviceKind): MediaDeviceInfo[] => all.filter((d) => d.kind === kind && d.deviceId !== '');
  return { microphones: of('audioinput'), cameras: of('videoinput'), speakers: of('audiooutput') };
}

export function onDevicesChanged(listener: () => void): () => void {
  const devices = media();
  devices?.addEventListener?.('devicechange', listener);
  return () => devices?.removeEventListener?.('devicechange', listener);
}
