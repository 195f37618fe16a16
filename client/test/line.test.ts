import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Line, LineFacts, lineOf, LineWords, Shortage } from '../src/classroom/line';

const facts = (shortage: Shortage | null, forwarded: string[], wanted = ['a', 'b']): LineFacts => ({
  shortage, wanted, forwarded: new Set(forwarded),
});

test('the steps down, from what the bridge says', () => {
  assert.equal(lineOf(facts('none', ['a'])), 'whole');
  assert.equal(lineOf(facts('pictures', ['a', 'b'])), 'smaller');
  assert.equal(lineOf(facts('pictures', ['a'])), 'smaller');
  assert.equal(lineOf(facts('pictures', [])), 'sound');
  assert.equal(lineOf(facts('voices', [])), 'voice');
  assert.equal(lineOf(facts('proving', [])), 'starting');
  assert.equal(lineOf(facts('proving', ['a'])), 'whole');
  // Nobody's picture is asked for: none is missing.
  assert.equal(lineOf(facts('pictures', [], [])), 'whole');
  assert.equal(lineOf({ shortage: 'pictures', wanted: ['a'], forwarded: null }), 'whole');
});

test('a bridge that says less is understood by what it forwards', () => {
  assert.equal(lineOf(facts(null, ['a', 'b'])), 'whole');
  assert.equal(lineOf(facts(null, ['a'])), 'smaller');
  assert.equal(lineOf(facts(null, [])), 'sound');
});

/** Every 250 ms; each step so many of them. */
function run(words: LineWords, steps: [LineFacts, number][]): Line[] {
  const out: Line[] = [];
  let at = 20_000;
  for (const [now, count] of steps) {
    for (let i = 0; i < count; i++, at += 250) {
      const line = words.take(now, at);
      if (out[out.length - 1] !== line) out.push(line);
    }
  }
  return out;
}

test('words come when it lasts, go when it is over, and say so', () => {
  const few = facts('pictures', ['a']);
  const none = facts('pictures', []);
  const all = facts('none', ['a', 'b']);
  assert.deepEqual(run(new LineWords(), [[all, 8], [few, 12], [none, 12], [all, 40]]), ['whole', 'smaller', 'sound', 'back', 'whole']);
});

test('what comes and goes within two seconds is not worth a word', () => {
  const few = facts('pictures', ['a']);
  const all = facts('none', ['a', 'b']);
  const swaying = Array.from({ length: 20 }, (_, i): [LineFacts, number] => [i % 2 ? few : all, 7]);
  assert.deepEqual(run(new LineWords(), swaying), ['whole']);
  assert.deepEqual(run(new LineWords(), [[few, 12], ...swaying]), ['whole', 'smaller']);
});

test('at the door nothing is called slow; that pictures follow is said, and not that they came', () => {
  const words = new LineWords();
  words.begin(20_000);
  assert.deepEqual(run(words, [[facts('pictures', []), 30], [facts('none', ['a', 'b']), 20]]), ['whole']);
  const light = new LineWords();
  light.begin(20_000);
  assert.deepEqual(run(light, [[facts('proving', []), 40], [facts('none', ['a', 'b']), 20]]), ['whole', 'starting', 'whole']);
});
