/* One person or one screen on the stage, in the gallery or in the strip. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Person } from '../../classroom/state';
import { t } from '../../i18n';
import { Icon } from '../icons';
import { Avatar } from '../parts';

/** A track on the screen; let go of as soon as the element leaves. */
export function VideoView(props: { track: MediaStreamTrack; mirrored?: boolean; whole?: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  const [ready, setReady] = useState(false);
  useLayoutEffect(() => {
    const element = video.current;
    if (!element) return;
    setReady(false);
    element.srcObject = new MediaStream([props.track]);
    element.play().catch(() => undefined);
    return () => {
      element.srcObject = null;
    };
  }, [props.track]);
  return (
    <video
      ref={video}
      autoplay
      playsInline
      muted
      disablePictureInPicture
      aria-hidden="true"
      class={`video${props.mirrored ? ' mirrored' : ''}${props.whole ? ' whole' : ''}${ready ? ' ready' : ''}`}
      onLoadedData={() => setReady(true)}
    />
  );
}

/** Why there is no picture: the line has no room for it, data are spared, or one's own is not sent. */
const NOTES = { paused: 'video-paused', spared: 'video-spared', unsent: 'video-unsent' } as const;
export type TileNote = keyof typeof NOTES;

export interface TileProps {
  person: Person;
  kind: 'camera' | 'desktop';
  track: MediaStreamTrack | null;
  /** The picture does not come now. */
  paused: boolean;
  note: TileNote | null;
  speaking: boolean;
  pinned: boolean;
  large?: boolean;
  /** In the strip: the whole tile is a place to tap. The button does the same for keyboards. */
  small?: boolean;
  reaction: string | null;
  onPin: () => void;
}

export const REACTIONS: Record<string, string> = { like: '👍', clap: '👏', laugh: '😀', surprised: '😮', love: '❤️' };

export function Tile(props: TileProps) {
  const { person, kind } = props;
  const name = person.self ? t('you-name', { name: person.name }) : person.name;
  const isScreen = kind === 'desktop';
  const label = isScreen ? t('screen-of', { name: person.name }) : name;
  const wanted = isScreen ? person.screenOn : person.cameraOn;
  const shown = wanted && props.track !== null && !props.paused;
  // The last picture of a screen can still be read while the line has no room for the next.
  const kept = shown || (wanted && isScreen && props.note === 'paused');
  const spoken = [
    label,
    ...(isScreen || person.microphoneOn ? [] : [t('muted')]),
    ...(props.speaking ? [t('speaking')] : []),
    ...(person.handAt ? [t('hand-up')] : []),
    ...(person.connected ? [] : [t('connection-lost')]),
  ].join(', ');
  return (
    <article
      class={`tile${props.large ? ' large' : ''}${props.speaking ? ' speaking' : ''}${isScreen ? ' screen' : ''}`}
      aria-label={spoken}
      data-testid={person.self ? 'own-tile' : 'tile'}
      data-endpoint={person.id}
      data-kind={kind}
      data-muted={String(!person.microphoneOn)}
      data-video={String(shown)}
      onClick={props.small && !person.self ? props.onPin : undefined}
    >
      {kept && props.track ? (
        <VideoView track={props.track} mirrored={person.self && !isScreen} whole={isScreen} />
      ) : (
        <div class="tile-rest">
          {isScreen ? <Icon name="screen" /> : <Avatar name={person.name} id={person.id || person.name} />}
        </div>
      )}
      {wanted && props.note && <p class="tile-note" data-testid={props.note}>{t(NOTES[props.note])}</p>}
      {!person.connected && <p class="tile-note">{t('connection-lost')}</p>}
      {props.reaction && <span class="tile-reaction" aria-hidden="true">{REACTIONS[props.reaction] ?? ''}</span>}
      {person.handAt > 0 && !isScreen && (
        <span class="tile-hand" aria-hidden="true">
          <Icon name="hand" />
        </span>
      )}
      <footer class="tile-name">
        {!isScreen && !person.microphoneOn && <Icon name="microphone-off" />}
        {isScreen && <Icon name="screen" />}
        {person.moderator && !isScreen && <Icon name="star" solid />}
        <span dir="auto">{label}</span>
      </footer>
      {!person.self && (
        <button
          type="button"
          class="tile-pin"
          aria-pressed={props.pinned}
          aria-label={t(props.pinned ? 'unpin' : 'pin', { name: label })}
          title={t(props.pinned ? 'unpin' : 'pin', { name: label })}
          onClick={(event) => {
            event.stopPropagation();
            props.onPin();
          }}
          data-testid="pin"
        >
          <Icon name="pin" solid={props.pinned} />
        </button>
      )}
    </article>
  );
}

/** Width and height of an element as it changes. */
export function useSize(ref: { current: HTMLElement | null }): { width: number; height: number } {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = (): void => {
      const { clientWidth: width, clientHeight: height } = element;
      setSize((old) => (old.width === width && old.height === height ? old : { width, height }));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return size;
}
