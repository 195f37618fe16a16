import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';

const dist = join(process.cwd(), 'dist');
const built = existsSync(join(dist, 'index.html'));

function* files(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else yield path;
  }
}

/** Names of XML namespaces and formats are no addresses; nothing is ever fetched from them. */
const NAMES = /^https?:\/\/(?:www\.w3\.org\/|jabber\.org\/|etherx\.jabber\.org\/|jitsi\.org\/|www\.ietf\.org\/id\/)/;

test('the build asks nothing of another host', { skip: built ? false : 'not built' }, () => {
  for (const path of files(dist)) {
    if (!/\.(js|css|html|svg)$/.test(path)) continue;
    const content = readFileSync(path, 'utf8');
    for (const [url] of content.matchAll(/(?:https?|wss?):\/\/[^\s"'`)<>]+/g)) assert.match(url, NAMES, `${path}: ${url}`);
    assert.doesNotMatch(content, /(?:src|href)="\/\//, path);
    if (path.endsWith('.css')) assert.doesNotMatch(content, /url\(|@import/, path);
  }
});

test('one script in the page itself, with its hash beside it, and no style', { skip: built ? false : 'not built' }, () => {
  const html = readFileSync(join(dist, 'index.html'), 'utf8');
  const own = [...html.matchAll(/<script(?![^>]*\ssrc=)[^>]*>([^]*?)<\/script>/g)].map(([, script = '']) => script);
  assert.equal(own.length, 1);
  const hash = createHash('sha256').update(own[0] ?? '').digest('base64');
  assert.equal(readFileSync(join(dist, 'index.html.hash'), 'utf8'), `sha256-${hash}\n`);
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=/);
});

test('compressed twins hold the same bytes', { skip: built ? false : 'not built' }, () => {
  let seen = 0;
  for (const path of files(dist)) {
    if (path.endsWith('.br')) assert.deepEqual(brotliDecompressSync(readFileSync(path)), readFileSync(path.slice(0, -3)));
    else if (path.endsWith('.gz')) assert.deepEqual(gunzipSync(readFileSync(path)), readFileSync(path.slice(0, -3)));
    else continue;
    seen++;
  }
  assert.ok(seen > 10);
});

test('from link to in class: at most 150 kB of JavaScript, 220 kB of everything', { skip: built ? false : 'not built' }, () => {
  let scripts = 0;
  let all = 0;
  // An upper bound: every file there is but the pages of their own, in the larger encoding.
  for (const path of files(dist)) {
    if (/\.(br|gz)$/.test(path)) continue;
    const size = existsSync(`${path}.gz`) ? statSync(`${path}.gz`).size : statSync(path).size;
    if (path.endsWith('.js')) scripts += size;
    all += size;
  }
  assert.ok(scripts < 150_000, `${scripts} bytes of JavaScript`);
  assert.ok(all < 220_000, `${all} bytes`);
});
