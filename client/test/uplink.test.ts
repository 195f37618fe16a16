import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAt, Uplink } from '../src/media/uplink';

/** Seconds in which so many kilobits were sent, and that part of the sound was lost. */
function line() {
  const uplink = new Uplink();
  let at = 0;
  let bytes = 0;
  return {
    uplink,
    second(kilobits: number, loss: number, told = true): boolean {
      at += 1_000;
      bytes += kilobits * 125;
      return uplink.take({ at, told: told ? at : 0, loss, bytes, packets: 0 });
    },
  };
}

test('half of the sound lost on a narrow way: nothing but the voice, after two looks', () => {
  const { uplink, second } = line();
  second(90, 0);
  assert.equal(second(90, 0.5), false);
  assert.equal(second(90, 0.5), true);
  assert.ok(uplink.narrow);
});

test('loss on a wide way is the way’s own', () => {
  const { uplink, second } = line();
  for (let i = 0; i < 10; i++) second(600, 0.3);
  assert.equal(uplink.narrow, false);
});

test('more is tried after a minute, and after two when that was too early', () => {
  const { uplink, second } = line();
  const narrowFor = (): number => {
    while (!uplink.narrow) second(90, 0.5);
    let seconds = 0;
    for (; uplink.narrow; seconds++) second(40, 0);
    return seconds;
  };
  assert.equal(narrowFor(), 60);
  assert.equal(narrowFor(), 120);
  for (let i = 0; i < 200; i++) second(200, 0);
  assert.equal(narrowFor(), 60);
});

test('an old report tells nothing again', () => {
  const { uplink, second } = line();
  second(90, 0);
  for (let i = 0; i < 10; i++) second(90, 0.5, false);
  assert.equal(uplink.narrow, false);
});

test('all pairs of candidates count, and the report of the bridge', () => {
  const look = lookAt(5, [
    ['a', { type: 'candidate-pair', bytesSent: 100, packetsSent: 1 }],
    ['b', { type: 'candidate-pair', bytesSent: 50 }],
    ['c', { type: 'remote-inbound-rtp', timestamp: 7, fractionLost: 0.25 }],
  ]);
  assert.deepEqual(look, { at: 5, told: 7, loss: 0.25, bytes: 150, packets: 1 });
});
