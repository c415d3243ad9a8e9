import assert from 'node:assert/strict';
import { test } from 'node:test';

import { deeds, mayDelete, moderates, watchersOf } from '../room/keeping.js';
import { initialState, reduce, tiles } from '../room/state.js';

const [YOU, ANA, BEN] = ['00000000000000aa', '00000000000000bb', '00000000000000cc'];
const RULES = { max_participants: 0, locked: false, lobby: false, welcome: '' };
const member = (id, more = {}) => ({ id, name: id.slice(-2), kind: 'person', state: 'live', mic: true, cam: true, tracks: [], ...more });
const line = (seq, from = ANA) => ({ seq, from, name: from.slice(-2), text: `line ${seq}`, at_ms: seq });
const hear = (state, message) => reduce(state, { type: 'server', message, now: 1000 });
const inRoom = (rank, more = {}) => hear(initialState(), {
  type: 'joined', room: 'home', you: YOU, token: 't', resumed: false, chat: [], ice_servers: [], viewers: [], rules: RULES,
  members: [member(YOU, rank ? { rank } : {}), member(ANA), member(BEN, { rank: 'moderator' })], ...more,
});

test('what one may do to another is what the box lets one do', () => {
  const owner = member('00000000000000dd', { rank: 'owner' });
  const camera = member('00000000000000ee', { kind: 'camera' });
  const stream = member('00000000000000ff', { kind: 'stream' });
  const cases = [
    [undefined, ANA, []],
    ['moderator', ANA, ['mute', 'remove', 'make-moderator']],
    ['moderator', BEN, ['mute', 'remove']],
    ['moderator', YOU, ['unmake-moderator']],
    ['owner', BEN, ['mute', 'remove', 'unmake-moderator']],
    ['owner', YOU, []],
  ];
  for (const [rank, id, expected] of cases) {
    const state = inRoom(rank);
    assert.deepEqual(deeds(state, state.members.find((one) => one.id === id)), expected, `${rank} ${id}`);
  }
  assert.deepEqual(deeds(inRoom('moderator'), owner), []);
  assert.deepEqual(deeds(inRoom('owner'), camera), []);
  assert.deepEqual(deeds(inRoom('owner'), stream), ['remove']);
});

test('rules, knocks and viewers are as the box said last', () => {
  let state = inRoom('moderator');
  assert.equal(moderates(state), true);
  state = hear(state, { type: 'room-changed', rules: { ...RULES, locked: true } });
  state = hear(state, { type: 'knocks', waiting: [{ id: 'x', name: 'Eve' }] });
  state = hear(state, { type: 'viewer-joined', viewer: { id: 'v', name: 'OBS', watches: null } });
  assert.deepEqual([state.rules.locked, state.knocks.length, watchersOf(state, ANA)], [true, 1, []]);
  state = hear(state, { type: 'viewer-changed', viewer: { id: 'v', name: 'OBS', watches: ANA } });
  assert.deepEqual(tiles(state).find(({ key }) => key === ANA).watchers, ['OBS']);
  state = hear(state, { type: 'viewer-left', id: 'v' });
  state = hear(state, { type: 'knocks', waiting: [] });
  assert.deepEqual([state.viewers, state.knocks], [[], []]);
});

test('a line that is taken back is gone, and is not unread', () => {
  let state = inRoom();
  for (const seq of [1, 2, 3]) state = hear(state, { type: 'chat', line: line(seq) });
  assert.deepEqual([state.unread, state.firstUnread, state.newest.seq], [3, 1, 3]);
  state = hear(state, { type: 'chat-deleted', seq: 1 });
  assert.deepEqual([state.unread, state.firstUnread, state.chat.map(({ seq }) => seq)], [2, 2, [2, 3]]);
  state = hear(state, { type: 'chat-deleted', seq: 3 });
  assert.deepEqual([state.unread, state.firstUnread, state.newest], [1, 2, null]);
  state = hear(state, { type: 'chat-deleted', seq: 2 });
  assert.deepEqual([state.unread, state.firstUnread], [0, null]);
  assert.equal(hear(state, { type: 'chat-deleted', seq: 2 }), state);
});

test('one deletes one\'s own lines, and a moderator any', () => {
  assert.equal(mayDelete(inRoom(), line(1, YOU)), true);
  assert.equal(mayDelete(inRoom(), line(1, ANA)), false);
  assert.equal(mayDelete(inRoom('moderator'), line(1, ANA)), true);
});

test('whoever waits is told so until it is over, and the room takes its notices along', () => {
  let state = reduce(initialState(), { type: 'joining', room: 'home' });
  state = hear(state, { type: 'waiting', room: 'Home', you: YOU });
  assert.deepEqual([state.phase, state.waiting], ['joining', true]);
  assert.equal(reduce(state, { type: 'left' }).waiting, false);
  state = reduce(inRoom(), { type: 'notice', notice: { key: 'mutedBy', tone: 'info' } });
  assert.deepEqual(reduce(state, { type: 'media', mic: true }).notices, [], 'one speaks again');
  assert.equal(reduce(state, { type: 'media', mic: false }).notices.length, 1);
  assert.deepEqual(reduce(state, { type: 'left' }).notices, []);
});

test('older lines come before those that are there, once, and stay as new ones come', () => {
  let state = inRoom(undefined, { chat: [line(300), line(301)] });
  assert.equal(state.olderLines, true);
  state = hear(state, { type: 'history', lines: [line(299), line(300)], more: true });
  assert.deepEqual(state.chat.map(({ seq }) => seq), [299, 300, 301]);
  state = hear(state, { type: 'history', lines: Array.from({ length: 298 }, (_, index) => line(index + 1)), more: false });
  assert.deepEqual([state.chat.length, state.olderLines, state.asked], [301, false, 299]);
  for (let seq = 302; seq <= 1000; seq += 1) state = hear(state, { type: 'chat', line: line(seq) });
  assert.equal(state.chat.length, 799, 'five hundred, and those that were asked for');
  assert.equal(inRoom(undefined, { chat: [line(1)] }).olderLines, false);
});
