import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Encodings, adjust, firstEncodings } from '../room/encodings.js';

test('what the box does not name is sent, and only a change is one', () => {
  const encodings = firstEncodings('camera', 1_500_000);
  assert.deepEqual(encodings.map(({ maxBitrate }) => maxBitrate), [150_000, 500_000, 1_500_000]);
  assert.equal(adjust(encodings, undefined, 1_500_000), false);
  assert.equal(adjust(encodings, [true, false], 1_500_000), true);
  assert.deepEqual(encodings.map(({ active }) => active ?? true), [true, false, true]);
  assert.equal(adjust(encodings, [true, false, true], 1_500_000), false);
  assert.equal(adjust(encodings, undefined, 300_000), true);
  assert.deepEqual(encodings.map(({ active, maxBitrate }) => [active ?? true, maxBitrate]), [[true, 150_000], [true, 300_000], [true, 300_000]]);
  assert.equal(adjust(encodings, [false], 300_000), true, 'nobody watches');
  assert.deepEqual(encodings.map(({ active }) => active), [false, false, false]);
  const screen = firstEncodings('screen', 300_000);
  assert.equal(adjust(screen, [false], null), true);
  assert.deepEqual(screen, [{ maxBitrate: 2_500_000, active: false }]);
  assert.deepEqual(firstEncodings('microphone', 300_000), []);
});

/** A sender that refuses parameters that were read before the last change, as browsers do. */
function sender() {
  let encodings = firstEncodings('camera', 1_500_000);
  let turn = 0;
  let pending = 0;
  return {
    turns: () => turn,
    encodings: () => encodings,
    getParameters: () => ({ transactionId: String(turn), encodings: encodings.map((encoding) => ({ ...encoding })) }),
    async setParameters(parameters) {
      assert.equal(pending, 0, 'one change at a time');
      assert.equal(parameters.transactionId, String(turn));
      pending += 1;
      await new Promise((resolve) => { setTimeout(resolve, 1); });
      pending -= 1;
      turn += 1;
      encodings = parameters.encodings;
    },
  };
}

test('wishes that come while one is carried out are carried out after it, and the newest counts', async () => {
  const all = new Encodings();
  const own = sender();
  const transceiver = { sender: own, mid: '1' };
  all.want({ 1: [true, false, false] });
  const steps = [all.settle('camera', transceiver)];
  all.want({ 1: [false, false, false] });
  steps.push(all.settle('camera', transceiver));
  all.want({ 2: [false] });
  all.maxBitrate = 400_000;
  steps.push(all.settle('camera', transceiver), all.settle('microphone', transceiver));
  await Promise.all(steps);
  assert.deepEqual(own.encodings().map(({ active, maxBitrate }) => [active ?? true, maxBitrate]), [[true, 150_000], [true, 400_000], [true, 400_000]]);
  assert.ok(own.turns() >= 1);
});
