import assert from 'node:assert/strict';
import { test } from 'node:test';

import { carriedOn, forward } from '../room/views/order.js';

test('who speaks on a further page takes the place of whoever was silent for longest', () => {
  const keys = ['a', 'b', 'c', 'd', 'e', 'you'];
  const at = { a: 5, b: 3, c: 9 };
  const spokeAt = (key) => at[key] ?? 0;
  assert.deepEqual(forward(keys, 3, new Set(), spokeAt), keys);
  assert.deepEqual(forward(keys, 3, new Set(['a']), spokeAt), keys, 'nobody moves for whoever is seen');
  assert.deepEqual(forward(keys, 3, new Set(['e']), spokeAt), ['a', 'e', 'c', 'd', 'b', 'you']);
  assert.deepEqual(forward(keys, 3, new Set(['d', 'e']), spokeAt), ['e', 'd', 'c', 'b', 'a', 'you']);
  assert.deepEqual(forward(keys, 2, new Set(['a', 'b', 'd']), spokeAt), keys, 'all of the first page speak');
  assert.deepEqual(forward(keys, 3, new Set(['you']), spokeAt), keys, 'oneself stays the last');
});

test('an order is carried on as people come and go', () => {
  assert.deepEqual(carriedOn([], ['a', 'b', 'you']), ['a', 'b', 'you']);
  assert.deepEqual(carriedOn(['b', 'a', 'you'], ['a', 'b', 'c', 'you']), ['b', 'a', 'c', 'you']);
  assert.deepEqual(carriedOn(['b', 'a', 'you'], ['a', 'you']), ['a', 'you']);
  assert.deepEqual(carriedOn(['b', 'a', 'you'], []), []);
});
