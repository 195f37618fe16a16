/* Which language somebody reads, and where its words are; all that the first script needs of them. */
import type { Catalogue } from './messages/catalogue';

export type Language = 'en' | 'fr' | 'ar';

export const LANGUAGES: Record<Language, string> = { en: 'English', fr: 'Français', ar: 'العربية' };

export const LOADERS: Record<Language, () => Promise<{ default: Catalogue }>> = {
  en: () => import('./messages/en'),
  fr: () => import('./messages/fr'),
  ar: () => import('./messages/ar'),
};

export const STORED = 'darasa-language';

export const isLanguage = (value: string | null | undefined): value is Language =>
  value !== null && value !== undefined && Object.prototype.hasOwnProperty.call(LANGUAGES, value);

export function preferredLanguage(): Language {
  let stored: string | null = null;
  try {
    stored = localStorage.getItem(STORED);
  } catch {
    // No storage: the browser's own languages decide.
  }
  if (isLanguage(stored)) return stored;
  for (const tag of navigator.languages ?? []) {
    const base = tag.slice(0, 2).toLowerCase();
    if (isLanguage(base)) return base;
  }
  return 'en';
}
