import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sizes } from '../room/tiles.js';

test('sizes are in device pixels; what is not placed or not seen is hidden', () => {
  const rect = { width: 320.4, height: 180 };
  const [a, b] = [{ member: 'a', track: 'a.1', rect }, { member: 'b', track: 'b.1', rect: null }];
  const hidden = { visible: false, width: 0, height: 0 };
  assert.deepEqual(sizes([a, b], 2, false), [
    { member: 'a', track: 'a.1', visible: true, width: 641, height: 360 },
    { member: 'b', track: 'b.1', ...hidden },
  ]);
  assert.deepEqual(sizes([a], 1, true), [{ member: 'a', track: 'a.1', ...hidden }]);
  assert.deepEqual(sizes([{ ...a, rect: { width: 1e9, height: 0 } }], 1, false), [{ member: 'a', track: 'a.1', ...hidden }]);
  assert.equal(sizes([{ ...a, rect: { width: 1e9, height: 9 } }], 1, false)[0].width, 65_535);
  assert.deepEqual(sizes([], 1, false), []);
});
