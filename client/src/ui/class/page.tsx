/* From the link into the class: device check, the class itself, and what is said afterwards. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { api, ApiError, Join, SchoolClass } from '../../api';
import { Classroom } from '../../classroom/classroom';
import { Key, t, tMaybe } from '../../i18n';
import { session } from '../../session';
import { useStore } from '../../store';
import { Alert, Brand, Button, errorText, Field, LanguageSwitch, Link, Loading, useTitle } from '../parts';
import { Door } from '../signin';
import { DeviceCheck } from './check';
import { LiveClass } from './live';
import './class.css';

const OPEN_POLL_MS = 5_000;

export function ClassPage(props: { id: string }) {
  const [info, setInfo] = useState<SchoolClass | null>(null);
  useEffect(() => {
    api.class(props.id).then(setInfo, () => undefined);
  }, [props.id]);
  const name = session.value?.user.name ?? '';
  return <ClassFlow fetchJoin={() => api.join(props.id)} askCheck={() => api.check(props.id)} name={name} info={info} classId={props.id} />;
}

export function GuestPage(props: { room: string }) {
  const [room, setRoom] = useState<{ title: string; guests: boolean } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [name, setName] = useState('');
  const [asked, setAsked] = useState<string | null>(null);
  useEffect(() => {
    api.guest(props.room).then(setRoom, setError);
  }, [props.room]);
  useTitle(room?.title ?? '');
  if (asked) {
    const askCheck = (): Promise<Join> => api.checkAsGuest(props.room);
    return <ClassFlow fetchJoin={() => api.joinAsGuest(props.room, asked)} askCheck={askCheck} name={asked} info={null} classId={null} />;
  }
  if (error instanceof ApiError && error.status === 404) return <Door title={t('not-found')}>{null}</Door>;
  if (error) return <Door title={t('refused-title')}><Alert>{errorText(error)}</Alert></Door>;
  if (!room) return <Loading />;
  if (!room.guests) return <Door title={room.title}><Alert>{t('error-no-guests')}</Alert></Door>;
  return (
    <Door title={room.title} lead={t('guest-lead')}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim()) setAsked(name.trim());
        }}
      >
        <Field label={t('your-name')} value={name} onInput={setName} required maxLength={60} autofocus testId="guest-name" autocomplete="name" />
        <Button kind="primary" type="submit" testId="guest-continue">
          {t('enter-class')}
        </Button>
      </form>
    </Door>
  );
}

interface FlowProps {
  fetchJoin: () => Promise<Join>;
  askCheck: () => Promise<Join>;
  name: string;
  info: SchoolClass | null;
  classId: string | null;
}

function ClassFlow(props: FlowProps) {
  const [turn, setTurn] = useState(0);
  const room = useMemo(() => new Classroom(props.fetchJoin), [turn]);
  const [problem, setProblem] = useState<unknown>(null);
  const state = useStore(room.state);
  useTitle(state.title || props.info?.title || '');

  // The connection is made while the person still looks at the mirror.
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let gone = false;
    const prepare = (): void => {
      room.prepare().then(
        () => setProblem(null),
        (error: unknown) => {
          if (gone) return;
          setProblem(error);
          const mayHelp = error instanceof ApiError && (error.error === 'not-open' || error.status === 0 || error.status >= 500);
          if (mayHelp) timer = setTimeout(prepare, OPEN_POLL_MS);
        },
      );
    };
    prepare();
    return () => {
      gone = true;
      if (timer) clearTimeout(timer);
      void room.leave();
    };
  }, [room]);

  switch (state.phase) {
    case 'idle':
      return (
        <DeviceCheck
          room={room}
          name={props.name}
          title={state.title || props.info?.title || ''}
          problem={problem}
          askCheck={props.askCheck}
          onOpen={
            props.info?.mayManage && props.classId
              ? async () => {
                  await api.openClass(props.classId ?? '');
                  await room.prepare();
                  setProblem(null);
                }
              : null
          }
        />
      );
    case 'left':
    case 'ended':
    case 'kicked':
    case 'refused':
      return <After phase={state.phase} notice={state.notices[state.notices.length - 1]} signedIn={session.value !== null} again={() => setTurn(turn + 1)} />;
    default:
      return <LiveClass room={room} endsAt={props.info?.endsAt ?? null} />;
  }
}

function After(props: {
  phase: 'left' | 'ended' | 'kicked' | 'refused';
  notice: { key: string; values: Record<string, string> } | undefined;
  signedIn: boolean;
  again: () => void;
}) {
  const title: Key = `${props.phase}-title`;
  const mayReturn = props.phase === 'left' || props.phase === 'refused';
  return (
    <main class="door" data-testid="after" data-phase={props.phase}>
      <div class="door-card">
        <Brand />
        <h1>{t(title)}</h1>
        {props.phase === 'refused' && props.notice && (
          <p class="lead">{tMaybe(`notice-${props.notice.key}`, 'error-unknown', props.notice.values)}</p>
        )}
        <div class="actions stacked">
          {mayReturn && (
            <Button kind="primary" onClick={props.again} testId="rejoin">
              {t('rejoin')}
            </Button>
          )}
          {props.signedIn && (
            <Link to="/" class="button plain">
              {t('go-home')}
            </Link>
          )}
        </div>
      </div>
      <LanguageSwitch />
    </main>
  );
}
