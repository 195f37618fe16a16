import type en from './en';

/** Plural forms by the categories of Intl.PluralRules; `other` is always there. */
export interface PluralForms {
  zero?: string;
  one?: string;
  two?: string;
  few?: string;
  many?: string;
  other: string;
}

export type Entry = string | PluralForms;
export type Key = keyof typeof en;
export type Catalogue = Record<Key, Entry>;
