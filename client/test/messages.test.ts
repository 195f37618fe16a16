import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { format } from '../src/i18n';
import ar from '../src/messages/ar';
import en from '../src/messages/en';
import fr from '../src/messages/fr';
import type { Entry, PluralForms } from '../src/messages/catalogue';

const catalogues: Record<string, Record<string, Entry>> = { en, fr, ar };

const placeholders = (entry: string): string[] => [...entry.matchAll(/\{(\w+)\}/g)].map((m) => m[1] ?? '').sort();

test('every key is in every language, with the same placeholders', () => {
  const keys = Object.keys(en).sort();
  for (const [language, catalogue] of Object.entries(catalogues)) {
    assert.deepEqual(Object.keys(catalogue).sort(), keys, language);
    for (const key of keys) {
      const base = (en as Record<string, Entry>)[key];
      const entry = catalogue[key];
      assert.equal(typeof entry, typeof base, `${language} ${key}`);
      if (typeof entry === 'string' && typeof base === 'string') {
        assert.deepEqual(placeholders(entry), placeholders(base), `${language} ${key}`);
        assert.notEqual(entry.trim(), '', `${language} ${key}`);
      }
    }
  }
});

test('plural entries have a form for every category the language knows', () => {
  for (const [language, catalogue] of Object.entries(catalogues)) {
    const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    for (const [key, entry] of Object.entries(catalogue)) {
      if (typeof entry === 'string') continue;
      for (const category of categories) assert.ok((entry as PluralForms)[category], `${language} ${key} ${category}`);
    }
  }
});

test('plurals are chosen by count', () => {
  const rules = new Intl.PluralRules('ar');
  assert.equal(format(ar['pupils-count'], { count: 2 }, rules), 'تلميذان');
  assert.equal(format(ar['pupils-count'], { count: 5 }, rules), '5 تلاميذ');
  assert.equal(format(en['minutes'], { count: 1 }, new Intl.PluralRules('en')), '1 minute');
});

const source = new URL('../src/', `file://${process.cwd()}/test/`).pathname;

function* files(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else yield path;
  }
}

test('messages named by code exist: notices, and nothing left over', () => {
  let code = '';
  for (const path of files(source)) if (!path.includes('/messages/')) code += readFileSync(path, 'utf8');
  const notified = [...code.matchAll(/notify\(\s*(?:\w+ === '[\w-]+' \? )?'([\w-]+)'(?: : '([\w-]+)')?/g)].flatMap((m) => [m[1], m[2]]);
  assert.ok(notified.length > 8);
  for (const key of notified) if (key) assert.ok(`notice-${key}` in en, `notice-${key}`);
  for (const device of ['microphone', 'camera', 'desktop']) {
    for (const problem of ['denied', 'missing', 'busy', 'insecure', 'refused']) {
      assert.ok(`notice-device-${device}-${problem}` in en);
    }
    assert.ok(`notice-muted-${device}` in en);
  }
  const made = /^(audit|notice|error|role|may|reaction|view|status|left|ended|kicked|refused|profile|codecs|line|check)-/;
  for (const key of Object.keys(en)) {
    if (!made.test(key)) assert.ok(code.includes(`'${key}'`), `${key} is used nowhere`);
  }
});

test('styles use logical properties only, so that Arabic is mirrored', () => {
  const physical = /(?:^|[\s;{])(?:margin|padding|border)-(?:left|right|top|bottom)\b|(?:^|[\s;{])(?:left|right|top|bottom)\s*:|(?:^|[\s;{])(?:width|height|(?:min|max)-(?:width|height))\s*:(?!\s*\d+px\))|text-align:\s*(?:left|right)/m;
  for (const path of files(source)) {
    if (!path.endsWith('.css')) continue;
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      if (!line.startsWith('@media')) assert.doesNotMatch(line, physical, `${path}: ${line}`);
    }
  }
});
