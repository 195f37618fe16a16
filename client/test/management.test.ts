import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamManagement } from '../src/signalling/management';

test('asks for an acknowledgement every five stanzas and forgets what was acknowledged', () => {
  const sm = new StreamManagement();
  assert.equal(sm.sent('before').request, false);
  assert.equal(sm.unacknowledged, 0);
  sm.enableSent();
  sm.enabled('id');
  const asked = [1, 2, 3, 4, 5, 6].map((n) => sm.sent(String(n)).request);
  assert.deepEqual(asked, [false, false, false, false, true, false]);
  assert.equal(sm.acknowledge(4), true);
  assert.deepEqual(sm.resumed(5), ['6']);
});

test('counts that cannot be are refused', () => {
  const sm = new StreamManagement();
  sm.enableSent();
  sm.enabled('id');
  sm.sent('1');
  assert.equal(sm.acknowledge(2), false);
  assert.equal(sm.acknowledge(1), true);
  assert.equal(sm.acknowledge(0), false);
  assert.equal(sm.acknowledge(NaN), false);
  assert.equal(sm.resumed(5), null);
});

test('incoming stanzas count from <enabled/> on', () => {
  const sm = new StreamManagement();
  sm.stanzaReceived();
  assert.equal(sm.handled, 0);
  sm.enableSent();
  sm.stanzaReceived();
  sm.enabled('id');
  sm.stanzaReceived();
  sm.stanzaReceived();
  assert.equal(sm.handled, 2);
});

test('a queue that nobody acknowledges ends', () => {
  const sm = new StreamManagement();
  sm.enableSent();
  sm.enabled('id');
  let overflow = false;
  for (let i = 0; i < 600 && !overflow; i++) overflow = sm.sent('x').overflow;
  assert.equal(overflow, true);
});
