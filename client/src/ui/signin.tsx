import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { api, Me } from '../api';
import { language, loadLanguage, t } from '../i18n';
import { navigate, path } from '../router';
import { session } from '../session';
import { Alert, Brand, Button, errorText, Field, LanguageSwitch, Loading, useTitle } from './parts';

export function Door(props: { title: string; lead?: string; children: ComponentChildren }) {
  return (
    <main class="door">
      <div class="door-card">
        <Brand />
        <h1>{props.title}</h1>
        {props.lead && <p class="lead">{props.lead}</p>}
        {props.children}
      </div>
      <LanguageSwitch />
    </main>
  );
}

function welcome(me: Me): void {
  if (me.user.language && me.user.language !== language.value) void loadLanguage(me.user.language);
  session.set(me);
}

/** With `enter` the one-time code behind the # of the address signs in. */
export function SignIn(props: { enter?: boolean }) {
  const [code] = useState(() => (props.enter ? decodeURIComponent(location.hash.slice(1)) : ''));
  const [account, setAccount] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(Boolean(code));
  const [error, setError] = useState<string | null>(null);
  useTitle(t('sign-in'));

  const run = async (work: () => Promise<Me>): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const me = await work();
      const next = me.next ?? (path.value === '/enter' ? '/' : null);
      if (next) navigate(next, true);
      welcome(me);
    } catch (failure) {
      setError(errorText(failure));
      setBusy(false);
    }
  };

  useEffect(() => {
    if (!code) return;
    // The code works once and must not stay in the history.
    history.replaceState(null, '', '/enter');
    void run(() => api.enter(code));
  }, []);

  if (busy && code && !error) {
    return (
      <Door title={t('entering')}>
        <Loading />
      </Door>
    );
  }
  return (
    <Door title={t('sign-in-title')} lead={t('sign-in-lead')}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(() => api.signIn(account.trim(), password));
        }}
      >
        {error && <Alert>{error}</Alert>}
        <Field
          label={t('account')}
          value={account}
          onInput={setAccount}
          autocomplete="username"
          required
          plainText
          autofocus
          testId="account"
        />
        <Field
          label={t('password')}
          type="password"
          value={password}
          onInput={setPassword}
          autocomplete="current-password"
          required
          testId="password"
        />
        <Button kind="primary" type="submit" busy={busy} testId="sign-in">
          {t('sign-in')}
        </Button>
      </form>
    </Door>
  );
}

export function SetPassword(props: { me: Me; onDone: (me: Me) => void }) {
  const [next, setNext] = useState('');
  const [again, setAgain] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  useTitle(t('choose-password'));
  const submit = async (): Promise<void> => {
    if (next !== again) {
      setError(t('passwords-differ'));
      return;
    }
    setBusy(true);
    setError(null);
    try {
      await api.setPassword(next);
      props.onDone({ ...props.me, user: { ...props.me.user, mustChangePassword: false } });
    } catch (failure) {
      setError(errorText(failure));
      setBusy(false);
    }
  };
  return (
    <Door title={t('choose-password')} lead={t('choose-password-lead')}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {error && <Alert>{error}</Alert>}
        <input type="text" class="visually-hidden" autocomplete="username" value={props.me.user.account} readOnly tabIndex={-1} aria-hidden="true" />
        <Field
          label={t('new-password')}
          type="password"
          value={next}
          onInput={setNext}
          autocomplete="new-password"
          required
          autofocus
          testId="new-password"
        />
        <Field
          label={t('repeat-password')}
          type="password"
          value={again}
          onInput={setAgain}
          autocomplete="new-password"
          required
          testId="repeat-password"
        />
        <Button kind="primary" type="submit" busy={busy} testId="save-password">
          {t('save')}
        </Button>
      </form>
    </Door>
  );
}
