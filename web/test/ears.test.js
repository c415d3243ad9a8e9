import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tuneFor } from '../room/ears.js';
import { initialState } from '../room/state.js';

const room = (ids, more = {}) => ({
  ...initialState(), phase: 'room', link: 'open', you: 'you',
  members: ['you', ...ids].map((id) => ({ id, kind: id.startsWith('cam') ? 'camera' : 'person' })), ...more,
});

test('each change has its sound, and one that is no news has none', () => {
  const cases = [
    [room([]), room(['ana']), 'joined'],
    [room(['ana']), room([]), 'left'],
    [room(['ana']), room(['ana']), null],
    [room([]), room(['cam1']), null],
    [room(['ana']), room(['ben'], { knocks: [{ id: 'x', name: 'Eve' }] }), 'knock'],
    [room([], { knocks: [{ id: 'x' }] }), room([], { knocks: [{ id: 'x' }] }), null],
    [initialState(), room(['ana']), null],
    [room(['ana'], { link: 'reconnecting' }), room([]), null],
    [room(['ana']), room(['ana'], { you: 'other' }), null],
    [room(Array.from({ length: 12 }, (_, n) => `p${n}`)), room(Array.from({ length: 13 }, (_, n) => `p${n}`)), null],
  ];
  for (const [before, now, expected] of cases) assert.equal(tuneFor(before, now), expected, JSON.stringify(now.members));
});
