/* The pieces all pages are made of. */
import type { ComponentChildren, ComponentType } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { api, ApiError } from '../api';
import { chooseLanguage, Language, language, LANGUAGES, t, tMaybe } from '../i18n';
import { navigate } from '../router';
import { session } from '../session';
import { useStore } from '../store';
import { Icon, IconName } from './icons';

export function errorText(error: unknown): string {
  if (!(error instanceof ApiError)) return t('error-unknown');
  if (error.error === 'wait') return t('error-wait', { count: error.retryAfter || 30 });
  if (/^(unknown-(?!code)|not-found$)/.test(error.error)) return t('error-gone');
  return tMaybe(`error-${error.error}`, 'error-unknown');
}

interface ButtonProps {
  children?: ComponentChildren;
  icon?: IconName;
  kind?: 'primary' | 'plain' | 'quiet' | 'danger';
  /** Shown as a tooltip and read out; needed where there is only an icon. */
  label?: string;
  onClick?: (event: MouseEvent) => void;
  type?: 'button' | 'submit';
  disabled?: boolean;
  busy?: boolean;
  testId?: string;
  pressed?: boolean;
  small?: boolean;
}

export function Button(props: ButtonProps) {
  const { kind = 'plain', busy = false } = props;
  return (
    <button
      type={props.type ?? 'button'}
      class={`button ${kind}${props.children ? '' : ' round'}${props.small ? ' small' : ''}`}
      onClick={props.onClick}
      disabled={props.disabled === true || busy}
      aria-busy={busy || undefined}
      aria-pressed={props.pressed}
      aria-label={props.label}
      title={props.children ? undefined : props.label}
      data-testid={props.testId}
    >
      {props.icon && <Icon name={props.icon} />}
      {props.children && <span>{props.children}</span>}
    </button>
  );
}

export function Link(props: { to: string; children: ComponentChildren; class?: string; current?: boolean; testId?: string }) {
  return (
    <a
      href={props.to}
      class={props.class}
      aria-current={props.current ? 'page' : undefined}
      data-testid={props.testId}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        navigate(props.to);
      }}
    >
      {props.children}
    </a>
  );
}

interface FieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  type?: 'text' | 'password' | 'search' | 'datetime-local';
  autocomplete?: string;
  required?: boolean;
  error?: string | null;
  hint?: string;
  maxLength?: number;
  autofocus?: boolean;
  testId?: string;
  plainText?: boolean;
}

export function Field(props: FieldProps) {
  const id = useId();
  const [shown, setShown] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (props.autofocus) input.current?.focus();
  }, []);
  const isPassword = props.type === 'password';
  const note = props.error ?? props.hint;
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <div class="field-box">
        <input
          ref={input}
          id={id}
          type={isPassword && shown ? 'text' : (props.type ?? 'text')}
          value={props.value}
          onInput={(event) => props.onInput(event.currentTarget.value)}
          autocomplete={props.autocomplete ?? 'off'}
          required={props.required}
          maxLength={props.maxLength ?? 200}
          aria-invalid={props.error ? true : undefined}
          aria-describedby={note ? `${id}-note` : undefined}
          autocapitalize={props.plainText || isPassword ? 'none' : undefined}
          spellcheck={props.plainText || isPassword ? false : undefined}
          dir={props.plainText || isPassword ? 'ltr' : 'auto'}
          data-testid={props.testId}
        />
        {isPassword && (
          <button type="button" class="reveal" aria-pressed={shown} onClick={() => setShown(!shown)}>
            {t('show-password')}
          </button>
        )}
      </div>
      {note && (
        <p id={`${id}-note`} class={props.error ? 'note wrong' : 'note'}>
          {note}
        </p>
      )}
    </div>
  );
}

export function Select(props: {
  label: string;
  value: string;
  options: { value: string; label: string }[];
  onChange: (value: string) => void;
  hideLabel?: boolean;
  testId?: string;
}) {
  const id = useId();
  return (
    <div class={props.hideLabel ? 'field bare' : 'field'}>
      <label for={id} class={props.hideLabel ? 'visually-hidden' : undefined}>
        {props.label}
      </label>
      <select
        id={id}
        value={props.value}
        onChange={(event) => props.onChange(event.currentTarget.value)}
        data-testid={props.testId}
      >
        {props.options.map((option) => (
          <option key={option.value} value={option.value} selected={option.value === props.value}>
            {option.label}
          </option>
        ))}
      </select>
    </div>
  );
}

export function Check(props: { label: string; checked: boolean; onChange: (on: boolean) => void; testId?: string }) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={props.checked}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
        data-testid={props.testId}
      />
      <span>{props.label}</span>
    </label>
  );
}

/** A modal dialog on the browser's own element: focus is kept inside and given back. */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean }) {
  const id = useId();
  const box = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = box.current;
    if (!dialog) return;
    if (!dialog.open) dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={box}
      class={props.wide ? 'dialog wide' : 'dialog'}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
      onClick={(event) => {
        if (event.target === box.current) props.onClose();
      }}
    >
      <div class="dialog-body">
        <header>
          <h2 id={id}>{props.title}</h2>
          <Button kind="quiet" icon="close" label={t('close')} onClick={props.onClose} />
        </header>
        {props.children}
      </div>
    </dialog>
  );
}

export function Confirm(props: { text: string; yes: string; onYes: () => void | Promise<void>; onNo: () => void; testId?: string }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const go = async (): Promise<void> => {
    setBusy(true);
    try {
      await props.onYes();
    } catch (failure) {
      setError(errorText(failure));
    }
    setBusy(false);
  };
  return (
    <Dialog title={props.text} onClose={props.onNo}>
      {error && <Alert>{error}</Alert>}
      <div class="actions">
        <Button onClick={props.onNo}>{t('cancel')}</Button>
        <Button kind="danger" busy={busy} onClick={() => void go()} testId={props.testId ?? 'confirm'}>
          {props.yes}
        </Button>
      </div>
    </Dialog>
  );
}

export interface MenuItem {
  label: string;
  icon?: IconName;
  onSelect: () => void;
  danger?: boolean;
  testId?: string;
  checked?: boolean;
}

/** How far a menu keeps from the edges of the window. */
const MENU_MARGIN = 8;

/** A button with a menu below or above it; arrow keys move, Escape closes. */
export function Menu(props: { label: string; items: MenuItem[]; button: ComponentChildren; class?: string; testId?: string }) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const box = open && list.current?.getBoundingClientRect();
    if (!box) return;
    const over = Math.min(0, innerWidth - MENU_MARGIN - box.right);
    const shift = over + Math.max(0, MENU_MARGIN - box.left - over);
    if (shift !== 0) list.current?.style.setProperty('translate', `${shift}px`);
  }, [open]);
  useEffect(() => {
    if (!open) return;
    const first = list.current?.querySelector<HTMLElement>('[role^=menuitem]');
    first?.focus();
    const outside = (event: Event): void => {
      if (!root.current?.contains(event.target as globalThis.Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, [open]);
  const keys = (event: KeyboardEvent): void => {
    const items = [...(list.current?.querySelectorAll<HTMLElement>('[role^=menuitem]') ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement);
    let next = -1;
    if (event.key === 'ArrowDown') next = (at + 1) % items.length;
    else if (event.key === 'ArrowUp') next = (at - 1 + items.length) % items.length;
    else if (event.key === 'Home') next = 0;
    else if (event.key === 'End') next = items.length - 1;
    else if (event.key === 'Escape' || event.key === 'Tab') {
      setOpen(false);
      trigger.current?.focus();
      if (event.key === 'Escape') event.preventDefault();
      event.stopPropagation();
      return;
    } else return;
    event.preventDefault();
    items[next]?.focus();
  };
  return (
    <div class={`menu ${props.class ?? ''}`} ref={root}>
      <button
        ref={trigger}
        type="button"
        class="menu-button"
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={props.label}
        title={props.label}
        data-testid={props.testId}
        onClick={() => setOpen(!open)}
      >
        {props.button}
      </button>
      {open && (
        <div class="menu-list" role="menu" aria-label={props.label} ref={list} onKeyDown={keys}>
          {props.items.map((item) => (
            <button
              key={item.label}
              type="button"
              role={item.checked === undefined ? 'menuitem' : 'menuitemcheckbox'}
              aria-checked={item.checked}
              class={item.danger ? 'menu-item danger' : 'menu-item'}
              data-testid={item.testId}
              onClick={() => {
                setOpen(false);
                trigger.current?.focus();
                item.onSelect();
              }}
            >
              {item.icon && <Icon name={item.icon} />}
              <span>{item.label}</span>
              {item.checked && <Icon name="check" />}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

export function Alert(props: { children: ComponentChildren }) {
  return (
    <p class="alert" role="alert">
      <Icon name="warning" />
      <span>{props.children}</span>
    </p>
  );
}

export function Loading() {
  return (
    <div class="loading" role="status">
      <span class="spinner" aria-hidden="true" />
      <span>{t('loading')}</span>
    </div>
  );
}

export function Empty(props: { title: string; children?: ComponentChildren; icon: IconName }) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={props.icon} />
      </span>
      <h2>{props.title}</h2>
      {props.children}
    </div>
  );
}

const HUES = 10;

function hueOf(id: string): number {
  let sum = 0;
  for (const char of id) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 9973;
  return sum % HUES;
}

export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const pick = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return pick.map((word) => [...(word ?? '')][0]?.toLocaleUpperCase() ?? '').join('\u200c');
}

export function Avatar(props: { name: string; id: string }) {
  return (
    <span class={`avatar hue-${hueOf(props.id)}`} aria-hidden="true">
      {initials(props.name)}
    </span>
  );
}

export function LanguageSwitch() {
  const now = useStore(language);
  return (
    <Select
      label={t('language')}
      hideLabel
      value={now}
      testId="language"
      options={(Object.keys(LANGUAGES) as Language[]).map((value) => ({ value, label: LANGUAGES[value] }))}
      onChange={(value) => {
        void chooseLanguage(value as Language);
        // Kept with the person too, for the next device; nothing is lost when that fails.
        if (session.value) api.setLanguage(value).catch(() => undefined);
      }}
    />
  );
}

export function CopyField(props: { label: string; value: string }) {
  const [done, setDone] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const copy = async (): Promise<void> => {
    input.current?.select();
    try {
      await navigator.clipboard.writeText(props.value);
    } catch {
      document.execCommand('copy');
    }
    setDone(true);
  };
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <div class="field-box">
        <input id={id} ref={input} readOnly dir="ltr" value={props.value} data-testid="copy-value" />
        <Button onClick={() => void copy()}>{t(done ? 'copied' : 'copy')}</Button>
      </div>
    </div>
  );
}

export type Loaded<T> = { data: T; error: null } | { data: null; error: unknown } | { data: null; error: null };

/** Loads when the page appears and whenever asked; old answers stay in view meanwhile. */
export function useLoaded<T>(load: () => Promise<T>, keys: readonly unknown[]): [Loaded<T>, () => void] {
  const [state, setState] = useState<Loaded<T>>({ data: null, error: null });
  const turn = useRef(0);
  const again = (): void => {
    const mine = ++turn.current;
    load().then(
      (data) => mine === turn.current && setState({ data, error: null }),
      (error: unknown) => mine === turn.current && setState((old) => (old.data === null ? { data: null, error } : old)),
    );
  };
  useEffect(() => {
    again();
    return () => {
      turn.current++;
    };
  }, keys);
  return [state, again];
}

export function LoadFailed(props: { error: unknown; retry: () => void }) {
  return (
    <div class="empty">
      <Alert>{errorText(props.error)}</Alert>
      <Button onClick={props.retry}>{t('retry')}</Button>
    </div>
  );
}

/** A page whose code is fetched when it is first shown. */
export function lazy<P extends object = object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let ready: ComponentType<P> | null = null;
  return function Lazy(props: P) {
    const [, redraw] = useState(0);
    const [failed, setFailed] = useState<unknown>(null);
    const start = (): void => {
      setFailed(null);
      load().then(
        (component) => {
          ready = component;
          redraw((n) => n + 1);
        },
        (error: unknown) => setFailed(error ?? true),
      );
    };
    useEffect(() => {
      if (!ready) start();
    }, []);
    if (ready) {
      const Ready = ready;
      return <Ready {...props} />;
    }
    return failed ? <LoadFailed error={new ApiError(0, 'network', '', null, 0)} retry={start} /> : <Loading />;
  };
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Darasa` : 'Darasa';
  }, [title]);
}

export function Brand() {
  return (
    <span class="brand">
      <svg viewBox="0 0 32 32" aria-hidden="true" class="brand-mark">
        <rect width="32" height="32" rx="8" class="brand-ground" />
        <path d="M7 22.5V11a2 2 0 0 1 2-2h9.500a6.750 6.750 0 0 1 0 13.500z" class="brand-page" />
        <circle cx="23.500" cy="9" r="3.500" class="brand-dot" />
      </svg>
      <span>Darasa</span>
    </span>
  );
}

