import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { api, ApiError, Me } from '../api';
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

export function welcome(me: Me): void {
  if (me.user.language && me.user.language !== language.value) void loadLanguage(me.user.language);
  session.set(me);
}

export function Entering() {
  return (
    <Door title={t('entering')}>
      <Loading />
    </Door>
  );
}

/** `problem`: why the link that led here did not sign in. */
export function SignIn(props: { problem: unknown }) {
  const [account, setAccount] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(props.problem ? errorText(props.problem) : null);
  useTitle(t('sign-in'));
  const submit = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const me = await api.signIn(account.trim(), password);
      if (path.value === '/enter') navigate('/', true);
      welcome(me);
    } catch (failure) {
      setError(errorText(failure));
      setBusy(false);
    }
  };
  return (
    <Door title={t('sign-in-title')} lead={t('sign-in-lead')}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
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
  const [current, setCurrent] = useState<string | null>(null);
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
      await api.setPassword(next, current ?? undefined);
      props.onDone({ ...props.me, user: { ...props.me.user, mustChangePassword: false } });
    } catch (failure) {
      // Some time after the link was used, the server asks for the old password as well.
      const asksForCurrent = failure instanceof ApiError && failure.error === 'wrong' && current === null;
      if (asksForCurrent) setCurrent('');
      setError(asksForCurrent ? null : errorText(failure));
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
        {current !== null && (
          <Field
            label={t('current-password')}
            type="password"
            value={current}
            onInput={setCurrent}
            autocomplete="current-password"
            required
            testId="current-password"
          />
        )}
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
