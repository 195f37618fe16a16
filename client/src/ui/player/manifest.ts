/* manifest.json of a recording (docs/feed.md) and what a moment of it looks like. */

export interface Track {
  file: string;
  kind: 'audio' | 'video';
  source: string;
  endpoint: string;
  videoType?: 'camera' | 'desktop';
  start: number;
  end: number;
  width?: number;
  height?: number;
}

export interface RecordedEvent {
  t: number;
  type: string;
  endpoint?: string | null;
  name?: string;
  text?: string;
  raised?: boolean;
  on?: boolean;
  source?: string | null;
  muted?: boolean;
}

export interface Manifest {
  version: number;
  recording: string;
  startedAt: number;
  duration: number;
  people: { endpoint: string; person: string | null; name?: string | null }[];
  tracks: Track[];
  events: RecordedEvent[];
  gaps: { from: number; to: number; reason: string }[];
}

export type PlayerView = 'speaker' | 'gallery' | 'screen';

export function namesOf(manifest: Manifest): Map<string, string> {
  const names = new Map<string, string>();
  for (const event of manifest.events) {
    if ((event.type === 'join' || event.type === 'name') && event.endpoint && event.name) names.set(event.endpoint, event.name);
  }
  for (const person of manifest.people) if (person.name) names.set(person.endpoint, person.name);
  return names;
}

export function tracksAt(tracks: readonly Track[], time: number): Track[] {
  return tracks.filter((track) => track.start <= time && time < track.end);
}

/** The last who spoke before this moment and has not left since. */
export function speakerAt(events: readonly RecordedEvent[], time: number): string | null {
  let speaker: string | null = null;
  for (const event of events) {
    if (event.t > time) break;
    if (event.type === 'speaker' && event.endpoint) speaker = event.endpoint;
    else if (event.type === 'leave' && event.endpoint === speaker) speaker = null;
  }
  return speaker;
}

/** Sources switched off at this moment: their last picture stands in the track, but is over. */
export function sourcesOff(events: readonly RecordedEvent[], time: number): Set<string> {
  const off = new Set<string>();
  for (const event of events) {
    if (event.t > time) break;
    if (!event.source) continue;
    const over = event.type === 'mute' ? event.muted : event.type === 'screen' ? !event.on : null;
    if (over === true) off.add(event.source);
    else if (over === false) off.delete(event.source);
  }
  return off;
}

const isScreen = (track: Track): boolean => track.videoType === 'desktop';

/** The pictures to show, the largest first. */
export function pictures(manifest: Manifest, time: number, view: PlayerView, most: number): Track[] {
  const off = sourcesOff(manifest.events, time);
  const videos = tracksAt(manifest.tracks, time).filter((track) => track.kind === 'video' && !off.has(track.source));
  const screens = videos.filter(isScreen);
  const cameras = videos.filter((track) => !isScreen(track));
  const speaker = speakerAt(manifest.events, time);
  const speaking = cameras.find((track) => track.endpoint === speaker) ?? cameras[0];
  if (view === 'gallery') return [...screens, ...cameras].slice(0, most);
  if (view === 'screen' && screens[0]) return speaking ? [screens[0], speaking] : [screens[0]];
  return speaking ? [speaking] : screens.slice(0, 1);
}
