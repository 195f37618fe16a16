import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choose, grid, onStage, order, pageSize } from '../src/classroom/layout';
import { ClassState, NOBODY, Person, rightsOf } from '../src/classroom/state';
import { tokenExpiry } from '../src/classroom/token';
import { bend } from '../src/ui/player/engine';
import { Manifest, namesOf, pictures, speakerAt, tracksAt } from '../src/ui/player/manifest';

const manifest: Manifest = {
  version: 1, recording: 'r', startedAt: 0, duration: 60, gaps: [],
  people: [{ endpoint: 'a', person: 'p1' }],
  tracks: [
    { file: 'a.webm', kind: 'audio', source: 'a-a0', endpoint: 'a', start: 0, end: 60 },
    { file: 'av.webm', kind: 'video', source: 'a-v0', endpoint: 'a', videoType: 'camera', start: 5, end: 60 },
    { file: 'bv.webm', kind: 'video', source: 'b-v0', endpoint: 'b', videoType: 'camera', start: 5, end: 30 },
    { file: 's.webm', kind: 'video', source: 'a-v1', endpoint: 'a', videoType: 'desktop', start: 20, end: 40 },
  ],
  events: [
    { t: 0, type: 'join', endpoint: 'a', name: 'Ann' },
    { t: 1, type: 'join', endpoint: 'b', name: 'Bob' },
    { t: 6, type: 'speaker', endpoint: 'b' },
    { t: 12, type: 'speaker', endpoint: null },
    { t: 30, type: 'leave', endpoint: 'b' },
    { t: 31, type: 'name', endpoint: 'a', name: 'Anna' },
  ],
};

test('a moment of a recording', () => {
  assert.deepEqual(tracksAt(manifest.tracks, 2).map((t) => t.file), ['a.webm']);
  assert.deepEqual(tracksAt(manifest.tracks, 30).map((t) => t.file), ['a.webm', 'av.webm', 's.webm']);
  assert.equal(speakerAt(manifest.events, 5), null);
  assert.equal(speakerAt(manifest.events, 15), 'b');
  assert.equal(speakerAt(manifest.events, 30), null);
  assert.equal(namesOf(manifest).get('a'), 'Anna');
});

test('views of a moment', () => {
  const files = (time: number, view: 'speaker' | 'gallery' | 'screen'): string[] => pictures(manifest, time, view, 12).map((t) => t.file);
  assert.deepEqual(files(2, 'speaker'), []);
  assert.deepEqual(files(10, 'speaker'), ['bv.webm']);
  assert.deepEqual(files(25, 'gallery'), ['s.webm', 'av.webm', 'bv.webm']);
  assert.deepEqual(files(25, 'screen'), ['s.webm', 'bv.webm']);
  assert.deepEqual(files(10, 'screen'), ['bv.webm']);
});

test('a source that was switched off is not shown while its track runs out', () => {
  const screen = manifest.tracks.find((t) => t.file === 's.webm')?.source as string;
  const over = { ...manifest, events: [...manifest.events, { t: 26, type: 'screen', source: screen, on: false }, { t: 28, type: 'screen', source: screen, on: true }].sort((a, b) => a.t - b.t) };
  const at = (time: number): boolean => pictures(over, time, 'gallery', 12).some((t) => t.file === 's.webm');
  assert.deepEqual([at(25), at(27), at(29)], [true, false, true]);
});

test('drift is bent back gently, and set when it is large', () => {
  assert.deepEqual(bend(0.01, 1), { rate: 1, seek: false });
  assert.ok(bend(0.1, 1).rate < 1);
  assert.ok(bend(-0.1, 2).rate > 2);
  assert.ok(bend(0.3, 1).rate >= 0.92);
  assert.deepEqual(bend(-2, 1.5), { rate: 1.5, seek: true });
});

const person = (id: string, change: Partial<Person> = {}): Person => ({ ...NOBODY, id, name: id, self: false, ...change });

function state(people: Person[], speakers: string[] = []): ClassState {
  return {
    phase: 'joined', title: '', classId: '', me: person('me', { self: true }), people, speakers,
    rights: rightsOf({ pupils: { microphone: true, camera: true, screen: false, chat: true, private: false }, record: true }, false),
    microphone: 'off', camera: 'off', screen: 'off', recording: { on: false, pending: false, since: 0 },
    signalling: 'online', media: 'connected', quality: 'good', soundBlocked: false, notices: [],
  };
}

test('the stage: pinned, then a screen, then who spoke last, then the teacher', () => {
  const people = [person('a'), person('b'), person('t', { moderator: true })];
  assert.equal(onStage(state([]), null), null);
  assert.equal(onStage(state(people), null)?.person.id, 't');
  assert.equal(onStage(state(people, ['gone', 'b']), null)?.person.id, 'b');
  assert.deepEqual(onStage(state([...people, person('s', { screenOn: true })], ['b']), null)?.kind, 'desktop');
  assert.equal(onStage(state(people, ['b']), 'a:camera')?.person.id, 'a');
  assert.equal(onStage(state(people, ['b']), 'gone:camera')?.person.id, 'b');
});

test('whoever speaks has a place, and nobody else moves', () => {
  const spots = order(state(['a', 'b', 'c', 'd'].map((id) => person(id))));
  assert.deepEqual(choose(spots, 3, ['d']).map((s) => s.person.id), ['me', 'a', 'd']);
  assert.deepEqual(choose(spots, 3, ['a']).map((s) => s.person.id), ['me', 'a', 'b']);
});

test('tiles fill the space they have', () => {
  assert.equal(grid(1, 1600, 900).columns, 1);
  assert.equal(grid(4, 1600, 900).columns, 2);
  assert.equal(grid(3, 360, 700).columns, 1);
  assert.ok(pageSize(1600, 900, 200, 16) === 16);
  assert.ok(pageSize(360, 500, 170, 8) >= 4);
});

test('rights: the policy binds pupils, not staff', () => {
  const policy = { pupils: { microphone: false, camera: false, screen: false, chat: true, private: false }, record: true };
  assert.equal(rightsOf(policy, false).microphone, false);
  assert.equal(rightsOf(policy, false).record, false);
  assert.equal(rightsOf(policy, true).microphone, true);
  assert.equal(rightsOf(policy, true).record, true);
});

test('the age of a token', () => {
  const token = `x.${Buffer.from('{"exp":1234}').toString('base64url')}.y`;
  assert.equal(tokenExpiry(token), 1234);
  assert.equal(tokenExpiry('nonsense'), 0);
});
