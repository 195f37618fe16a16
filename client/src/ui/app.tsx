import { Fragment } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { api, ApiError, Me, whenSignedOut } from '../api';
import { language, t } from '../i18n';
import { navigate, path } from '../router';
import { session } from '../session';
import { useStore } from '../store';
import { Icon } from './icons';
import { Brand, errorText, LanguageSwitch, lazy, Link, Loading, LoadFailed, Menu } from './parts';
import { Entering, SetPassword, SignIn, welcome } from './signin';

const classes = () => import('./classes').then((m) => m.Classes);
const classPage = () => import('./class/page').then((m) => m.ClassPage);
const guestPage = () => import('./class/page').then((m) => m.GuestPage);
const Classes = lazy(classes);
const ClassPage = lazy(classPage);
const GuestPage = lazy(guestPage);
const Recordings = lazy(() => import('./recordings').then((m) => m.Recordings));
const PlayerPage = lazy(() => import('./player/page').then((m) => m.PlayerPage));
const Admin = lazy(() => import('./admin').then((m) => m.Admin));
const AttendancePage = lazy(() => import('./attendance').then((m) => m.AttendancePage));

/** Begins to fetch the code of the page that is about to be shown. */
export function preload(to: string): void {
  const isClass = to === '/enter' || to.startsWith('/class/') || to.startsWith('/guest/');
  const load = to === '/' ? classes : isClass ? classPage : null;
  load?.().catch(() => undefined);
}

interface Route {
  pattern: RegExp;
  /** Without the frame of header and navigation. */
  bare?: boolean;
  page: (parts: string[], me: Me) => preact.JSX.Element;
}

const ROUTES: readonly Route[] = [
  { pattern: /^\/$/, page: (_, me) => <Classes me={me} /> },
  { pattern: /^\/class\/([^/]+)$/, bare: true, page: ([id = '']) => <ClassPage key={id} id={id} /> },
  { pattern: /^\/class\/([^/]+)\/attendance$/, page: ([id = '']) => <AttendancePage key={id} id={id} /> },
  { pattern: /^\/recordings$/, page: () => <Recordings /> },
  { pattern: /^\/recordings\/([^/]+)$/, page: ([id = '']) => <PlayerPage key={id} id={id} /> },
  { pattern: /^\/admin$/, page: (_, me) => (me.user.role === 'admin' ? <Admin /> : <NotFound />) },
];

interface Session {
  ready: boolean;
  error: unknown;
  /** The link that led here is of no use. */
  linkError: unknown;
  retry: () => void;
}

function useSession(first: Promise<Me>, entered: boolean): Session {
  const [ready, setReady] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [linkError, setLinkError] = useState<unknown>(null);
  const take = (me: Promise<Me>, byLink: boolean): void => {
    setError(null);
    me.then(
      (value) => {
        if (byLink) navigate(value.next ?? '/', true);
        welcome(value);
        setReady(true);
      },
      (failure: unknown) => {
        const nobody = failure instanceof ApiError && failure.error === 'signed-out';
        if (byLink && !nobody) setLinkError(failure);
        if (nobody || byLink) setReady(true);
        else setError(failure);
      },
    );
  };
  useEffect(() => {
    whenSignedOut(() => session.set(null));
    take(first, entered);
  }, []);
  return { ready, error, linkError, retry: () => take(api.me(), false) };
}

export function App(props: { me: Promise<Me>; entered: boolean }) {
  const at = useStore(path);
  const me = useStore(session);
  useStore(language);
  const { ready, error, linkError, retry } = useSession(props.me, props.entered);
  const guest = /^\/guest\/([^/]+)$/.exec(at);
  if (guest?.[1]) return <GuestPage room={decodeURIComponent(guest[1])} />;
  if (error) return <LoadFailed error={error} retry={retry} />;
  if (!ready) return props.entered ? <Entering /> : <Loading />;
  if (!me) return <SignIn problem={linkError} />;
  if (me.user.mustChangePassword) return <SetPassword me={me} onDone={(next) => session.set(next)} />;
  for (const route of ROUTES) {
    const match = route.pattern.exec(at);
    if (!match) continue;
    const page = route.page(match.slice(1).map(decodeURIComponent), me);
    return route.bare ? page : <Shell me={me}>{page}</Shell>;
  }
  return (
    <Shell me={me}>
      <NotFound />
    </Shell>
  );
}

function NotFound() {
  return (
    <div class="empty">
      <h1>{t('not-found')}</h1>
      <Link to="/" class="button primary">
        {t('go-home')}
      </Link>
    </div>
  );
}

function Shell(props: { me: Me; children: preact.ComponentChildren }) {
  const at = useStore(path);
  const { user } = props.me;
  const [problem, setProblem] = useState<string | null>(null);
  const content = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    // A new page begins at its beginning for those who do not see it, too.
    if (!first.current) content.current?.focus();
    first.current = false;
  }, [at]);
  const signOut = async (): Promise<void> => {
    try {
      await api.signOut();
      session.set(null);
      navigate('/', true);
    } catch (failure) {
      setProblem(errorText(failure));
    }
  };
  return (
    <div class="shell">
      <a class="skip" href="#content">
        {t('skip-to-content')}
      </a>
      <header class="topbar">
        <Link to="/" class="home">
          <Brand />
        </Link>
        <span class="organisation"><bdi>{props.me.organisation.name}</bdi></span>
        <nav aria-label="Darasa">
          <Link to="/" current={at === '/'}>
            {t('classes')}
          </Link>
          <Link to="/recordings" current={at.startsWith('/recordings')} testId="nav-recordings">
            {t('recordings')}
          </Link>
          {user.role === 'admin' && (
            <Link to="/admin" current={at === '/admin'} testId="nav-admin">
              {t('administration')}
            </Link>
          )}
        </nav>
        <div class="topbar-end">
          <LanguageSwitch />
          <Menu
            label={user.name}
            class="user-menu"
            testId="user-menu"
            button={
              <Fragment>
                <span class="user-name">{user.name}</span>
                <Icon name="people" />
              </Fragment>
            }
            items={[{ label: t('sign-out'), icon: 'leave', onSelect: () => void signOut(), testId: 'sign-out' }]}
          />
        </div>
      </header>
      <main id="content" tabIndex={-1} ref={content}>
        {problem && <p class="alert">{problem}</p>}
        {props.children}
      </main>
    </div>
  );
}
