/* Watching a recording. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api, Recording } from '../../api';
import { grid } from '../../classroom/layout';
import { formatDateTime, formatDuration, Key, t } from '../../i18n';
import { useStore } from '../../store';
import { useSize } from '../class/tile';
import { Icon } from '../icons';
import { Alert, Avatar, Button, errorText, Loading, LoadFailed, Select, useLoaded, useTitle } from '../parts';
import { Downloads, Progress } from '../recordings';
import { Engine } from './engine';
import { Manifest, namesOf, pictures, PlayerView, RecordedEvent, speakerAt, Track, tracksAt } from './manifest';
import './player.css';

const POLL_MS = 4_000;
const KEEP_EVERY_MS = 4_000;
const GALLERY_MOST = 12;
const STEP = 10;

const positionKey = (id: string): string => `darasa-at-${id}`;

function storedPosition(id: string): number {
  try {
    return Number(localStorage.getItem(positionKey(id)) ?? 0) || 0;
  } catch {
    return 0;
  }
}

function keepPosition(id: string, time: number, duration: number): void {
  try {
    if (time > 5 && time < duration - 10) localStorage.setItem(positionKey(id), time.toFixed(1));
    else localStorage.removeItem(positionKey(id));
  } catch {
    // Without storage it begins at the beginning.
  }
}

export function PlayerPage(props: { id: string }) {
  const [loaded, again] = useLoaded(() => api.recording(props.id), [props.id]);
  const recording = loaded.data;
  const busy = recording !== null && (recording.state !== 'ready' || !recording.files.mp4 || !recording.files.audio);
  useTitle(recording?.class.title ?? t('recordings'));
  useEffect(() => {
    if (!busy) return;
    const timer = setInterval(again, POLL_MS);
    return () => clearInterval(timer);
  }, [busy]);
  if (loaded.error) return <LoadFailed error={loaded.error} retry={again} />;
  if (!recording) return <Loading />;
  return (
    <div class="page player-page">
      <header class="page-head">
        <div>
          <p class="eyebrow">{formatDateTime(new Date(recording.startedAt))}</p>
          <h1><bdi>{recording.class.title}</bdi></h1>
        </div>
        <Downloads recording={recording} />
      </header>
      {recording.state === 'ready' && recording.manifest ? (
        <WithManifest recording={recording} url={recording.manifest} />
      ) : (
        <div class="empty">
          <p>{t(recording.state === 'failed' ? 'state-failed' : 'recording-not-ready')}</p>
          <Progress recording={recording} />
        </div>
      )}
    </div>
  );
}

function WithManifest(props: { recording: Recording; url: string }) {
  const [manifest, setManifest] = useState<Manifest | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    api.manifest<Manifest>(props.url).then(
      (found) => setManifest({ ...found, tracks: [...found.tracks].sort((a, b) => a.start - b.start), events: found.events ?? [] }),
      setError,
    );
  }, [props.url]);
  if (error) return <Alert>{errorText(error)}</Alert>;
  return manifest ? <Player manifest={manifest} id={props.recording.id} base={props.url} /> : <Loading />;
}

function useEngine(manifest: Manifest, base: string, id: string): Engine {
  const engine = useMemo(() => {
    const url = new URL(base, location.origin);
    const at = Math.min(storedPosition(id), manifest.duration);
    return new Engine(manifest, (track) => new URL(track.file, url).href, at);
  }, [manifest]);
  useEffect(() => {
    const keep = (): void => keepPosition(id, engine.state.value.time, manifest.duration);
    const timer = setInterval(keep, KEEP_EVERY_MS);
    addEventListener('pagehide', keep);
    return () => {
      keep();
      clearInterval(timer);
      removeEventListener('pagehide', keep);
      engine.close();
    };
  }, [engine]);
  return engine;
}

function Player(props: { manifest: Manifest; id: string; base: string }) {
  const { manifest } = props;
  const engine = useEngine(manifest, props.base, props.id);
  const state = useStore(engine.state);
  const hasScreen = manifest.tracks.some((track) => track.videoType === 'desktop');
  const [view, setView] = useState<PlayerView>(hasScreen ? 'screen' : 'speaker');
  const names = useMemo(() => namesOf(manifest), [manifest]);
  const box = useRef<HTMLDivElement>(null);
  const [resumedAt] = useState(engine.state.value.time);

  const keys = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as HTMLElement;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && (target as HTMLInputElement).type !== 'range') return;
    const { time, volume, muted, playing } = engine.state.value;
    const actions: Record<string, () => void> = {
      k: () => (playing ? engine.pause() : engine.play()),
      j: () => engine.seek(time - STEP),
      l: () => engine.seek(time + STEP),
      ArrowLeft: () => engine.seek(time - 5),
      ArrowRight: () => engine.seek(time + 5),
      ArrowUp: () => engine.setVolume(Math.min(1, volume + 0.1), false),
      ArrowDown: () => engine.setVolume(Math.max(0, volume - 0.1), muted),
      m: () => engine.setVolume(volume, !muted),
      f: () => toggleFullscreen(box.current),
      Home: () => engine.seek(0),
      End: () => engine.seek(manifest.duration),
    };
    // On a button the space bar presses that button.
    if (event.key === ' ' && target.tagName !== 'BUTTON') actions[' '] = actions['k'] as () => void;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };

  const gap = manifest.gaps?.some((g) => g.from <= state.time && state.time < Math.max(g.to, g.from + 3));
  return (
    <div class="player" data-testid="player" data-playing={String(state.playing)} data-time={state.time.toFixed(2)}>
      <div class="player-main" ref={box} onKeyDown={keys} tabIndex={0} role="group" aria-label={t('player')}>
        <Screen engine={engine} manifest={manifest} view={view} names={names} time={state.time} />
        {state.waiting && (
          <p class="player-wait" role="status">
            <span class="spinner" aria-hidden="true" />
            <span class="visually-hidden">{t('loading')}</span>
          </p>
        )}
        {gap && <p class="player-note" role="status">{t('gap-notice')}</p>}
        <Controls engine={engine} manifest={manifest} view={view} setView={setView} hasScreen={hasScreen} onFullscreen={() => toggleFullscreen(box.current)} />
      </div>
      <div class="player-side">
        {resumedAt > 5 && <p class="note">{t('resume-at', { time: formatDuration(resumedAt) })}</p>}
        <Timeline manifest={manifest} names={names} time={state.time} onSeek={(time) => engine.seek(time)} />
      </div>
    </div>
  );
}

function toggleFullscreen(box: HTMLElement | null): void {
  if (document.fullscreenElement) void document.exitFullscreen();
  else void box?.requestFullscreen?.().catch(() => undefined);
}

interface ScreenProps {
  engine: Engine;
  manifest: Manifest;
  view: PlayerView;
  names: Map<string, string>;
  time: number;
}

function Screen(props: ScreenProps) {
  const { engine, manifest, view, names, time } = props;
  const { playing } = useStore(engine.state);
  const box = useRef<HTMLDivElement>(null);
  const size = useSize(box);
  const shown = pictures(manifest, time, view, GALLERY_MOST);
  engine.show(shown);
  const speaker = speakerAt(manifest.events, time);
  const cells = grid(Math.max(1, shown.length), size.width, size.height);
  const heard = tracksAt(manifest.tracks, time).filter((track) => track.kind === 'audio');
  const focus = speaker ?? heard[0]?.endpoint ?? '';
  return (
    <div
      class={`player-screen ${view}`}
      ref={box}
      data-testid="player-screen"
      onClick={() => (engine.state.value.playing ? engine.pause() : engine.play())}
      style={view === 'gallery' && shown.length > 0 ? { 'grid-template-columns': `repeat(${cells.columns}, ${cells.width}px)`, 'grid-auto-rows': `${cells.height}px` } : {}}
    >
      {shown.length === 0 && (playing || time > 0) && (
        <div class="player-rest">
          <Avatar name={names.get(focus) ?? '?'} id={focus} />
          <p dir="auto">{names.get(focus) ?? t('nobody-on-screen')}</p>
        </div>
      )}
      {shown.map((track, i) => (
        <Picture
          key={track.file}
          engine={engine}
          track={track}
          name={names.get(track.endpoint) ?? ''}
          small={view === 'screen' && i > 0}
          speaking={view === 'gallery' && track.endpoint === speaker && track.videoType !== 'desktop'}
        />
      ))}
      {!playing && (
        <button type="button" class="big-play" aria-label={t('play')} data-testid="big-play" tabIndex={-1}>
          <Icon name="play" solid />
        </button>
      )}
    </div>
  );
}

function Picture(props: { engine: Engine; track: Track; name: string; small: boolean; speaking: boolean }) {
  const { engine, track } = props;
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = engine.element(track);
    box.current?.prepend(element);
    return () => element.remove();
  }, [engine, track]);
  return (
    <div class={`picture${props.small ? ' small' : ''}${props.speaking ? ' speaking' : ''}`} ref={box} data-testid="picture" data-endpoint={track.endpoint}>
      <span class="tile-name">
        {track.videoType === 'desktop' && <Icon name="screen" />}
        <span dir="auto">{track.videoType === 'desktop' ? t('screen-of', { name: props.name }) : props.name}</span>
      </span>
    </div>
  );
}

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
const VIEWS: readonly PlayerView[] = ['speaker', 'gallery', 'screen'];

interface ControlsProps {
  engine: Engine;
  manifest: Manifest;
  view: PlayerView;
  setView: (view: PlayerView) => void;
  hasScreen: boolean;
  onFullscreen: () => void;
}

function Controls(props: ControlsProps) {
  const { engine, manifest } = props;
  const state = useStore(engine.state);
  const { time, playing, rate, volume, muted } = state;
  const spoken = `${formatDuration(time)} / ${formatDuration(manifest.duration)}`;
  return (
    <div class="controls">
      {/* Time runs from left to right everywhere. */}
      <input
        type="range"
        class="seek"
        dir="ltr"
        min={0}
        max={Math.max(1, manifest.duration)}
        step={0.1}
        value={time}
        style={{ '--done': `${(100 * time) / Math.max(1, manifest.duration)}%` }}
        aria-label={t('seek')}
        aria-valuetext={spoken}
        onInput={(event) => engine.seek(Number(event.currentTarget.value))}
        data-testid="seek"
      />
      <div class="controls-row">
        <Button kind="quiet" icon={playing ? 'pause' : 'play'} label={t(playing ? 'pause' : 'play')} onClick={() => (playing ? engine.pause() : engine.play())} testId="play" />
        <Button kind="quiet" icon="back-10" label={t('back-10')} onClick={() => engine.seek(time - STEP)} />
        <Button kind="quiet" icon="forward-10" label={t('forward-10')} onClick={() => engine.seek(time + STEP)} />
        <Button kind="quiet" icon={muted ? 'sound-off' : 'sound-on'} label={t(muted ? 'unmute-sound' : 'mute-sound')} onClick={() => engine.setVolume(volume, !muted)} />
        <input
          type="range"
          class="volume"
          min={0}
          max={1}
          step={0.05}
          value={muted ? 0 : volume}
          aria-label={t('volume')}
          onInput={(event) => engine.setVolume(Number(event.currentTarget.value), false)}
        />
        <time dir="ltr" data-testid="time">{spoken}</time>
        <span class="spacer" />
        <Select
          label={t('view')}
          hideLabel
          value={props.view}
          testId="view"
          options={VIEWS.filter((view) => view !== 'screen' || props.hasScreen).map((view) => ({ value: view, label: t(`view-${view}`) }))}
          onChange={(view) => props.setView(view as PlayerView)}
        />
        <Select
          label={t('speed')}
          hideLabel
          value={String(rate)}
          testId="speed"
          options={SPEEDS.map((speed) => ({ value: String(speed), label: `${speed}×` }))}
          onChange={(speed) => engine.setRate(Number(speed))}
        />
        <Button kind="quiet" icon="fullscreen" label={t('fullscreen')} onClick={props.onFullscreen} />
      </div>
    </div>
  );
}

const EVENT_KEYS: Record<string, (event: RecordedEvent) => Key | null> = {
  // Who was there when it began did not join.
  join: (event) => (event.t < 1 ? null : 'event-join'),
  leave: () => 'event-leave',
  hand: (event) => (event.raised ? 'event-hand' : null),
  screen: (event) => (event.on ? 'event-screen' : null),
  pause: () => 'event-pause',
  resume: () => 'event-resume',
};

function Timeline(props: { manifest: Manifest; names: Map<string, string>; time: number; onSeek: (time: number) => void }) {
  const { manifest, names } = props;
  const rows = useMemo(
    () =>
      manifest.events.flatMap((event, index) => {
        const name = event.name ?? names.get(event.endpoint ?? '') ?? '';
        if (event.type === 'chat') return [{ index, t: event.t, name, text: event.text ?? '', chat: true }];
        const key = EVENT_KEYS[event.type]?.(event);
        return key ? [{ index, t: event.t, name, text: t(key, { name }), chat: false }] : [];
      }),
    [manifest, document.documentElement.lang],
  );
  const list = useRef<HTMLOListElement>(null);
  let current = -1;
  rows.forEach((row, i) => {
    if (row.t <= props.time + 0.05) current = i;
  });
  useEffect(() => {
    const box = list.current;
    const row = box?.children[current] as HTMLElement | undefined;
    // Moves the list only, never the page.
    if (box && row) box.scrollTop = row.offsetTop - box.clientHeight / 2;
  }, [current]);
  return (
    <section class="timeline">
      <h2>{t('events')}</h2>
      {rows.length === 0 && <p class="note">{t('events-empty')}</p>}
      <ol ref={list} data-testid="timeline">
        {rows.map((row, i) => (
          <li key={row.index} class={i === current ? 'now' : undefined} aria-current={i === current ? 'true' : undefined}>
            <button type="button" onClick={() => props.onSeek(row.t)}>
              <time dir="ltr">{formatDuration(row.t)}</time>
              {row.chat && <strong dir="auto">{row.name}</strong>}
              <span dir="auto">{row.text}</span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}
