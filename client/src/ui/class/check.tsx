/* The device check: a mirror, a meter, and the choice of devices. Works without any. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, Join } from '../../api';
import type { Classroom } from '../../classroom/classroom';
import { t, tMaybe } from '../../i18n';
import { canUseDevices, DeviceError, DeviceList, listDevices, onDevicesChanged, openCamera, openMicrophone } from '../../media/devices';
import { LevelMeter } from '../../media/level';
import { useStore } from '../../store';
import { Alert, Avatar, Brand, Button, errorText, LanguageSwitch, Select } from '../parts';
import { LineCheck } from './line';
import { VideoView } from './tile';

interface Props {
  room: Classroom;
  name: string;
  title: string;
  problem: unknown;
  /** A place to measure the line to the class. */
  askCheck: () => Promise<Join>;
  /** For staff: opens a class that is not open yet. */
  onOpen: (() => Promise<void>) | null;
}

type Preview = { track: MediaStreamTrack | null; problem: string | null; on: boolean };

const OFF: Preview = { track: null, problem: null, on: false };

/** One device for the mirror: opened, closed and reopened as switch and choice say. */
function usePreview(kind: 'microphone' | 'camera', wanted: boolean, id: string): [Preview, () => MediaStreamTrack | null] {
  const [preview, setPreview] = useState<Preview>(OFF);
  const held = useRef<MediaStreamTrack | null>(null);
  useEffect(() => {
    if (!wanted) {
      setPreview(OFF);
      return;
    }
    let gone = false;
    const open = kind === 'microphone' ? openMicrophone : openCamera;
    open(id).then(
      (track) => {
        if (gone) {
          track.stop();
          return;
        }
        held.current = track;
        setPreview({ track, problem: null, on: true });
      },
      (error: unknown) => {
        if (!gone) setPreview({ track: null, on: false, problem: error instanceof DeviceError ? error.problem : 'missing' });
      },
    );
    return () => {
      gone = true;
      held.current?.stop();
      held.current = null;
    };
  }, [kind, wanted, id]);
  /** Hands the open track over to the class. */
  const take = (): MediaStreamTrack | null => {
    const track = held.current;
    held.current = null;
    return track;
  };
  return [preview, take];
}

function Meter(props: { track: MediaStreamTrack | null }) {
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { track } = props;
    if (!track) return;
    const meter = new LevelMeter(track);
    const timer = setInterval(() => {
      const level = meter.read();
      const box = bar.current;
      if (!box) return;
      box.style.setProperty('--level', level.toFixed(2));
      box.setAttribute('aria-valuenow', String(Math.round(level * 100)));
    }, 80);
    return () => {
      clearInterval(timer);
      meter.close();
    };
  }, [props.track]);
  return (
    <div
      ref={bar}
      class="meter"
      role="meter"
      aria-label={t('microphone-level')}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={0}
      data-testid="microphone-level"
    >
      <i />
    </div>
  );
}

const EMPTY: DeviceList = { microphones: [], cameras: [], speakers: [] };

function useDevices(turn: unknown): DeviceList {
  const [list, setList] = useState<DeviceList>(EMPTY);
  useEffect(() => {
    let gone = false;
    const load = (): void => {
      void listDevices().then((found) => {
        if (!gone) setList(found);
      });
    };
    load();
    const stop = onDevicesChanged(load);
    return () => {
      gone = true;
      stop();
    };
  }, [turn]);
  return list;
}

export function DeviceSelects(props: { room: Classroom; turn: unknown; onChange?: () => void }) {
  const { publisher } = props.room;
  const [choice, setChoice] = useState(publisher.choice);
  const devices = useDevices(props.turn);
  const rows = [
    { key: 'microphone', label: t('microphone'), list: devices.microphones },
    { key: 'camera', label: t('camera'), list: devices.cameras },
    { key: 'speaker', label: t('speaker'), list: devices.speakers },
  ] as const;
  return (
    <div class="device-selects">
      {rows
        .filter((row) => row.list.some((device) => device.label))
        .map((row) => (
          <Select
            key={row.key}
            label={row.label}
            value={choice[row.key]}
            testId={`choose-${row.key}`}
            options={[
              { value: '', label: t('default-device') },
              ...row.list.filter((d) => d.deviceId !== 'default').map((d) => ({ value: d.deviceId, label: d.label })),
            ]}
            onChange={(id) => {
              const next = { ...choice, [row.key]: id };
              setChoice(next);
              void publisher.choose(next);
              if (row.key === 'speaker') props.room.setSpeaker(id);
              props.onChange?.();
            }}
          />
        ))}
    </div>
  );
}

export function DeviceCheck(props: Props) {
  const { room } = props;
  const { rights, classId } = useStore(room.state);
  // Until the server has told what this person may do, nothing is withheld.
  const known = classId !== '';
  const able = canUseDevices();
  // On a telephone the way in must not lie below three lists.
  const [roomy] = useState(() => matchMedia('(min-width: 761px)').matches);
  const [wantMicrophone, setWantMicrophone] = useState(able);
  const [wantCamera, setWantCamera] = useState(able);
  const [choice, setChoice] = useState(room.publisher.choice);
  const mayMicrophone = !known || rights.microphone;
  const mayCamera = !known || rights.camera;
  const [microphone, takeMicrophone] = usePreview('microphone', wantMicrophone && mayMicrophone, choice.microphone);
  const [camera, takeCamera] = usePreview('camera', wantCamera && mayCamera, choice.camera);
  const [joining, setJoining] = useState(false);
  const [error, setError] = useState<string | null>(null);

  const join = async (listenOnly: boolean): Promise<void> => {
    setJoining(true);
    setError(null);
    try {
      await room.prepare();
      if (!listenOnly) {
        const sound = takeMicrophone();
        const picture = takeCamera();
        // Whoever is quicker than a device gets in with it all the same.
        if (sound) room.publisher.adopt('microphone', sound);
        else if (wantMicrophone && mayMicrophone && !microphone.problem) room.setMicrophone(true);
        if (picture) room.publisher.adopt('camera', picture);
        else if (wantCamera && mayCamera && !camera.problem) room.setCamera(true);
      }
      await room.enter(listenOnly);
    } catch (failure) {
      setError(errorText(failure));
      setJoining(false);
    }
  };

  const notOpen = props.problem instanceof ApiError && props.problem.error === 'not-open';
  const problems = (['microphone', 'camera'] as const)
    .map((kind) => ({ kind, problem: (kind === 'microphone' ? microphone : camera).problem }))
    .filter((entry) => entry.problem !== null);
  return (
    <main class="mirror-page" data-testid="device-check">
      <header class="check-head">
        <Brand />
        <LanguageSwitch />
      </header>
      <div class="check-body">
        <section class="mirror" aria-label={t('camera')}>
          {camera.track ? <VideoView track={camera.track} mirrored /> : <Avatar name={props.name} id={props.name} />}
          <p class="mirror-name" data-testid="own-name"><bdi>{props.name}</bdi></p>
          <div class="mirror-switches">
            <Button
              icon={microphone.on ? 'microphone' : 'microphone-off'}
              label={t(microphone.on ? 'microphone-off' : 'microphone-on')}
              pressed={microphone.on}
              disabled={!able || !mayMicrophone}
              onClick={() => setWantMicrophone(!wantMicrophone || microphone.problem !== null)}
              testId="check-microphone"
            />
            <Button
              icon={camera.on ? 'camera' : 'camera-off'}
              label={t(camera.on ? 'camera-turn-off' : 'camera-turn-on')}
              pressed={camera.on}
              disabled={!able || !mayCamera}
              onClick={() => setWantCamera(!wantCamera || camera.problem !== null)}
              testId="check-camera"
            />
          </div>
        </section>
        <section class="check-side">
          {props.title && <p class="eyebrow"><bdi>{props.title}</bdi></p>}
          <h1>{t('ready-title')}</h1>
          <p class="lead">{t('ready-lead')}</p>
          {able && mayMicrophone && (
            <div class="meter-row">
              <Meter track={microphone.track} />
              <p class="note">{t('speak-to-test')}</p>
            </div>
          )}
          {able && (
            <details class="devices" open={roomy}>
              <summary>{t('settings')}</summary>
              <DeviceSelects room={room} turn={`${microphone.on} ${camera.on}`} onChange={() => setChoice(room.publisher.choice)} />
            </details>
          )}
          {!able && <p class="note">{t(isSecureContext ? 'no-devices-here' : 'insecure-page')}</p>}
          {able && !mayMicrophone && !mayCamera && <p class="note">{t('not-allowed-to-speak')}</p>}
          {problems.map(({ kind, problem }) => (
            <Alert key={kind}>{tMaybe(`notice-device-${kind}-${problem}`, 'no-devices-here')}</Alert>
          ))}
          {notOpen && <p class="waiting" role="status">{t('class-not-open-yet')}</p>}
          {props.problem !== null && !notOpen && <Alert>{errorText(props.problem)}</Alert>}
          {error && <Alert>{error}</Alert>}
          <div class="actions stacked">
            {notOpen && props.onOpen ? (
              <Button
                kind="primary"
                busy={joining}
                testId="open-and-join"
                onClick={() => {
                  const open = props.onOpen;
                  if (!open) return;
                  open().then(() => join(false), (failure: unknown) => setError(errorText(failure)));
                }}
              >
                {t('open-and-join')}
              </Button>
            ) : (
              <Button kind="primary" busy={joining} disabled={notOpen} onClick={() => void join(false)} testId="join">
                {t('join-now')}
              </Button>
            )}
            {able && (
              <Button kind="quiet" disabled={joining || notOpen} onClick={() => void join(true)} testId="join-listening">
                {t('join-listening')}
              </Button>
            )}
          </div>
          {!joining && <LineCheck ask={props.askCheck} onSpent={(bytes) => room.meter.add(bytes)} />}
        </section>
      </div>
    </main>
  );
}
