/* Words in the reader's language. Catalogues are fetched one at a time; plurals follow Intl.PluralRules. */
import type { Catalogue, Entry, Key } from './messages/catalogue';
import { Store } from './store';
import { isLanguage, Language, LANGUAGES, LOADERS, preferredLanguage, STORED } from './words';

export { LANGUAGES };
export type { Key, Language };

export const language = new Store<Language>('en');
let catalogue: Partial<Catalogue> = {};
let plurals = new Intl.PluralRules('en');
/** Digits and calendar every school in the region reads. */
const LOCALES: Record<Language, string> = { en: 'en-GB', fr: 'fr', ar: 'ar-u-nu-latn-ca-gregory' };

export async function loadLanguage(wanted: string | null): Promise<void> {
  const next = isLanguage(wanted) ? wanted : preferredLanguage();
  const loaded = await LOADERS[next]();
  catalogue = loaded.default;
  plurals = new Intl.PluralRules(next);
  document.documentElement.lang = next;
  document.documentElement.dir = next === 'ar' ? 'rtl' : 'ltr';
  language.set(next);
}

export async function chooseLanguage(next: Language): Promise<void> {
  try {
    localStorage.setItem(STORED, next);
  } catch {
    // Lasts as long as the page, then.
  }
  await loadLanguage(next);
}

export type Values = Record<string, string | number>;

function pick(entry: Entry, values: Values | undefined, rules: Intl.PluralRules): string {
  if (typeof entry === 'string') return entry;
  const form = rules.select(Number(values?.['count'] ?? 0));
  return entry[form] ?? entry.other;
}

export function format(entry: Entry, values: Values | undefined, rules: Intl.PluralRules): string {
  return pick(entry, values, rules).replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values?.[name];
    return value === undefined ? whole : String(value);
  });
}

export function t(key: Key, values?: Values): string {
  const entry = catalogue[key];
  return entry === undefined ? key : format(entry, values, plurals);
}

/** For keys put together at run time; the fallback is shown when there is no such message. */
export function tMaybe(key: string, fallback: Key, values?: Values): string {
  const entry = (catalogue as Record<string, Entry | undefined>)[key];
  return entry === undefined ? t(fallback, values) : format(entry, values, plurals);
}

const locale = (): string => LOCALES[language.value];

export function formatTime(at: number | Date): string {
  return new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit' }).format(at);
}

export function formatDay(at: Date): string {
  return new Intl.DateTimeFormat(locale(), { weekday: 'long', day: 'numeric', month: 'long' }).format(at);
}

export function formatDateTime(at: Date): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(at);
}

/** 1:02:03 or 2:03; always left to right. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const h = Math.floor(whole / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const s = String(whole % 60).padStart(2, '0');
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${s}` : `${m}:${s}`;
}

export function formatMinutes(seconds: number): string {
  return t('minutes', { count: Math.max(1, Math.round(seconds / 60)) });
}

/** Of a data bundle: as providers count, a million bytes each. */
export function formatMegabytes(bytes: number): string {
  const size = bytes / 1_000_000;
  const digits = size < 10 ? 1 : 0;
  return t('megabytes', { size: new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(size) });
}
