/* Plays the tracks of a recording together: one clock, one media element for each track that has something
 * to say now. An element that runs ahead or behind is bent back by its speed, and set when that is too far. */
import { Store } from '../../store';
import type { Manifest, Track } from './manifest';

export interface PlayerState {
  time: number;
  playing: boolean;
  /** Waiting for data. */
  waiting: boolean;
  rate: number;
  volume: number;
  muted: boolean;
}

/** Heard as one below this; ITU-R BT.1359 puts the threshold of notice at 45 ms. */
const IN_STEP = 0.03;
/** Beyond this, bending would take too long. */
const SEEK_BEYOND = 0.35;
const BEND = 0.08;
const TICK_MS = 100;
/** Elements are made this long before their track begins. */
const AHEAD = 6;
/** A track that gives nothing for so long does not hold the others up any more. */
const PATIENCE_MS = 6_000;
const HAVE_FUTURE_DATA = 3;

export function bend(drift: number, rate: number): { rate: number; seek: boolean } {
  if (Math.abs(drift) > SEEK_BEYOND) return { rate, seek: true };
  if (Math.abs(drift) < IN_STEP) return { rate, seek: false };
  const correction = Math.max(-BEND, Math.min(BEND, -drift * 0.6));
  return { rate: rate * (1 + correction), seek: false };
}

interface Playing {
  track: Track;
  element: HTMLMediaElement;
  waitingSince: number;
  broken: boolean;
}

export class Engine {
  readonly state: Store<PlayerState>;
  private readonly playing = new Map<Track, Playing>();
  private anchor = 0;
  private anchorTime = 0;
  private timer: ReturnType<typeof setInterval>;
  private shown = new Set<Track>();

  constructor(
    private readonly manifest: Manifest,
    private readonly urlOf: (track: Track) => string,
    at: number,
  ) {
    this.state = new Store<PlayerState>({ time: at, playing: false, waiting: false, rate: 1, volume: 1, muted: false });
    this.anchorTime = at;
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.tick();
  }

  /** The element of a picture that is to be shown; it belongs to the engine and is only lent. */
  element(track: Track): HTMLVideoElement {
    return this.open(track).element as HTMLVideoElement;
  }

  /** Which pictures are on the screen: no others are loaded. */
  show(tracks: readonly Track[]): void {
    this.shown = new Set(tracks);
  }

  play(): void {
    if (this.state.value.time >= this.manifest.duration - 0.2) this.seek(0);
    this.anchorAt(this.state.value.time);
    this.state.update({ playing: true });
    this.tick();
  }

  pause(): void {
    this.state.update({ playing: false, waiting: false });
    this.tick();
  }

  seek(time: number): void {
    const to = Math.min(this.manifest.duration, Math.max(0, time));
    this.anchorAt(to);
    this.state.update({ time: to });
    for (const playing of this.playing.values()) playing.waitingSince = 0;
    this.tick();
  }

  setRate(rate: number): void {
    this.anchorAt(this.state.value.time);
    this.state.update({ rate });
  }

  setVolume(volume: number, muted: boolean): void {
    this.state.update({ volume, muted });
    for (const { element } of this.playing.values()) this.loudness(element);
  }

  close(): void {
    clearInterval(this.timer);
    for (const track of [...this.playing.keys()]) this.drop(track);
  }

  private anchorAt(time: number): void {
    this.anchorTime = time;
    this.anchor = performance.now();
  }

  private now(): number {
    const { playing, waiting, rate, time } = this.state.value;
    if (!playing || waiting) return time;
    return this.anchorTime + ((performance.now() - this.anchor) / 1_000) * rate;
  }

  private needed(time: number): Set<Track> {
    const out = new Set<Track>();
    const ahead = AHEAD * this.state.value.rate;
    for (const track of this.manifest.tracks) {
      if (track.start > time + ahead) break;
      if (track.end <= time) continue;
      if (track.kind === 'audio' || this.shown.has(track)) out.add(track);
    }
    return out;
  }

  private tick(): void {
    let time = this.now();
    const { duration } = this.manifest;
    if (time >= duration && this.state.value.playing) {
      time = duration;
      this.state.update({ playing: false, waiting: false });
    }
    const needed = this.needed(time);
    for (const track of [...this.playing.keys()]) if (!needed.has(track)) this.drop(track);
    for (const track of needed) this.open(track);
    const waiting = this.state.value.playing && this.someoneWaits(time);
    // While a track loads the clock stands still; the others wait for it.
    if (waiting !== this.state.value.waiting) {
      this.anchorAt(time);
      this.state.update({ waiting });
    }
    for (const playing of this.playing.values()) this.steer(playing, time);
    this.state.update({ time });
  }

  private someoneWaits(time: number): boolean {
    let waits = false;
    const now = performance.now();
    for (const playing of this.playing.values()) {
      const { track, element } = playing;
      const active = track.start <= time && time < track.end - 0.25;
      const lacking = active && !playing.broken && !element.ended && (element.readyState < HAVE_FUTURE_DATA || element.seeking);
      if (!lacking) {
        playing.waitingSince = 0;
        continue;
      }
      playing.waitingSince ||= now;
      if (now - playing.waitingSince < PATIENCE_MS) waits = true;
    }
    return waits;
  }

  private steer(playing: Playing, time: number): void {
    const { track, element } = playing;
    const state = this.state.value;
    const active = track.start <= time && time < track.end;
    const target = Math.max(0, time - track.start);
    if (!active || !state.playing || state.waiting) {
      if (!element.paused) element.pause();
      if (Math.abs(element.currentTime - target) > SEEK_BEYOND && !element.seeking) element.currentTime = target;
      return;
    }
    const { rate, seek } = bend(element.currentTime - target, state.rate);
    if (seek && !element.seeking) element.currentTime = target;
    if (Math.abs(element.playbackRate - rate) > 0.001) element.playbackRate = rate;
    if (element.paused && !element.ended) element.play().catch((error: unknown) => this.refused(error));
  }

  private refused(error: unknown): void {
    if (error instanceof Error && error.name === 'NotAllowedError') this.pause();
  }

  private open(track: Track): Playing {
    const known = this.playing.get(track);
    if (known) return known;
    const element = document.createElement(track.kind === 'video' ? 'video' : 'audio');
    element.preload = 'auto';
    element.src = this.urlOf(track);
    if (track.kind === 'video') {
      element.muted = true;
      (element as HTMLVideoElement).playsInline = true;
    }
    const playing: Playing = { track, element, waitingSince: 0, broken: false };
    element.onerror = () => {
      playing.broken = true;
    };
    this.loudness(element);
    this.playing.set(track, playing);
    return playing;
  }

  private loudness(element: HTMLMediaElement): void {
    element.volume = this.state.value.volume;
    if (element.tagName === 'AUDIO') element.muted = this.state.value.muted;
  }

  private drop(track: Track): void {
    const playing = this.playing.get(track);
    this.playing.delete(track);
    if (!playing) return;
    playing.element.onerror = null;
    playing.element.pause();
    // Lets go of buffers and connections at once.
    playing.element.removeAttribute('src');
    playing.element.load();
  }
}
