import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hue, initialState, initials, reduce, tiles } from '../room/state.js';

const YOU = '00000000000000aa';
const ANA = '00000000000000bb';
const CAM = '00000000000000cc';

const member = (id, more = {}) => ({ id, name: id.slice(-2), kind: 'person', state: 'live', mic: true, cam: true, tracks: [], ...more });
const line = (seq, from = ANA) => ({ seq, from, name: from.slice(-2), text: `line ${seq}`, at_ms: seq });
const joined = (more = {}) => ({
  type: 'joined', room: 'home', you: YOU, token: 't', resumed: false, members: [member(YOU), member(ANA)], chat: [],
  ice_servers: [], viewers: [], rules: { max_participants: 0, locked: false, lobby: false, welcome: '' }, ...more,
});
const hear = (state, message, now = 1000) => reduce(state, { type: 'server', message, now });
const inRoom = (more) => hear(initialState(), joined(more));

/** Freezes deeply, so that a reducer that changes its input throws. */
function frozen(value) {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(frozen);
    Object.freeze(value);
  }
  return value;
}

test('joined leads into the room', () => {
  const state = inRoom({ chat: [line(1)] });
  assert.equal(state.phase, 'room');
  assert.equal(state.link, 'open');
  assert.equal(state.you, YOU);
  assert.equal(state.unread, 0, 'history is not unread');
  assert.deepEqual(state.chat.map(({ seq }) => seq), [1]);
});

test('members come, change in their place, and go with their tile', () => {
  let state = hear(inRoom(), { type: 'member-joined', member: member(CAM, { kind: 'camera' }) });
  assert.deepEqual(tiles(state).map(({ key }) => key), [ANA, CAM, YOU], 'oneself is last');
  state = hear(state, { type: 'member-changed', member: member(ANA, { state: 'lost' }) }, 5000);
  assert.deepEqual(tiles(state).map(({ expected }) => expected), ['lost', 'live', 'live']);
  assert.equal(tiles(state)[0].since, 5000);
  state = hear(state, { type: 'member-changed', member: member(ANA, { state: 'lost', mic: false }) }, 9000);
  assert.equal(tiles(state)[0].since, 5000, 'lost since the first word of it');
  state = reduce(state, { type: 'pin', key: ANA });
  state = hear(state, { type: 'member-left', id: ANA, reason: 'lost' });
  assert.deepEqual(tiles(state).map(({ key }) => key), [CAM, YOU]);
  assert.equal(state.pinned, null);
});

test('a late word about somebody who left brings no tile back', () => {
  const state = hear(inRoom(), { type: 'member-left', id: ANA, reason: 'left' });
  assert.deepEqual(hear(state, { type: 'member-changed', member: member(ANA) }), state);
});

test('what a tile shows', () => {
  const cases = [
    [{ state: 'live', cam: true }, 'live'],
    [{ state: 'live', cam: false }, 'muted'],
    [{ state: 'connecting', cam: true }, 'connecting'],
    [{ state: 'connecting', cam: false }, 'muted'],
    [{ state: 'lost', cam: false }, 'lost'],
  ];
  for (const [more, expected] of cases) {
    assert.equal(tiles(inRoom({ members: [member(ANA, more)] }))[0].expected, expected, JSON.stringify(more));
  }
});

test('an m-section is found by whose track it shows; a screen is a tile of its own', () => {
  const shown = (source, kind) => ({ member: ANA, track: `${ANA}.${source}`, kind, source });
  let state = hear(inRoom(), {
    type: 'offer', generation: 1, revision: 1, sdp: '',
    mids: { 0: shown('microphone', 'audio'), 1: shown('camera', 'video'), 2: shown('screen', 'video') },
  });
  const drawn = tiles(state).map(({ key, videoMid, audioMid }) => [key, videoMid, audioMid]);
  assert.deepEqual(drawn, [[`${ANA}:screen`, '2', null], [ANA, '1', '0'], [YOU, null, null]]);
  state = hear(state, { type: 'mids', generation: 1, mids: { 4: shown('camera', 'video') } });
  assert.deepEqual(tiles(state).map(({ videoMid }) => videoMid), ['4', null]);
});

test('unread counts what others say while the chat is closed', () => {
  let state = hear(inRoom(), { type: 'chat', line: line(1) });
  state = hear(state, { type: 'chat', line: line(2, YOU) });
  assert.equal(state.unread, 1);
  assert.equal(state.newest?.seq, 1);
  state = hear(state, { type: 'chat', line: line(1) });
  assert.equal(state.chat.length, 2, 'a line that is known is not drawn twice');
  state = reduce(state, { type: 'panel', panel: 'chat' });
  assert.equal(state.unread, 0);
  state = hear(state, { type: 'chat', line: line(3) });
  assert.equal(state.unread, 0);
});

test('a return keeps the chat, the drawer and the m-sections, and counts what was missed', () => {
  const mids = { 0: { member: ANA, track: 'x', kind: 'video', source: 'camera' } };
  let state = hear(inRoom({ chat: [line(1)] }), { type: 'offer', generation: 1, revision: 1, sdp: '', mids });
  state = reduce(state, { type: 'link', link: 'reconnecting' });
  assert.equal(state.phase, 'room', 'the room page stays');
  state = hear(state, joined({ resumed: true, chat: [line(1), line(2), line(3, YOU)] }));
  assert.equal(state.link, 'open');
  assert.deepEqual(state.chat.map(({ seq }) => seq), [1, 2, 3]);
  assert.equal(state.unread, 1);
  assert.deepEqual(state.mids, mids);
  const anew = hear(state, joined({ resumed: false, you: '00000000000000ab', chat: [line(1)] }));
  assert.deepEqual(anew.mids, {});
  assert.deepEqual(anew.chat.map(({ seq }) => seq), [1], 'another stay has its own numbers');
});

test('the tile of whoever speaks is outlined: others by the box, oneself by one\'s own microphone', () => {
  const outlined = (state) => tiles(state).filter(({ speaking }) => speaking).map(({ key }) => key);
  let state = hear(inRoom(), { type: 'member-joined', member: member(CAM) });
  state = hear(state, { type: 'speakers', active: ANA, speaking: [YOU, ANA] });
  assert.deepEqual(outlined(state), [ANA], 'what comes back from the box is late');
  state = reduce(state, { type: 'own-voice', speaking: true });
  assert.deepEqual(outlined(state), [ANA, YOU]);
  state = hear(state, { type: 'speakers', active: ANA, speaking: [] });
  state = reduce(state, { type: 'own-voice', speaking: false });
  assert.deepEqual([outlined(state), state.speaker], [[], ANA], 'the last one stays the active speaker');
  state = hear(state, { type: 'speakers', active: ANA, speaking: [ANA, CAM] });
  state = hear(state, { type: 'member-left', id: ANA, reason: 'left' });
  assert.deepEqual([outlined(state), state.speaker], [[CAM], null]);
  state = hear(state, joined({ resumed: true, members: [member(YOU), member(CAM)] }));
  assert.deepEqual(outlined(state), [], 'the box says it anew after `joined`');
});

test('what stands still is not shown as live: no face and no ring while the box is silent', () => {
  let state = hear(inRoom(), { type: 'speakers', active: ANA, speaking: [ANA] });
  assert.deepEqual(reduce(state, { type: 'away', away: true }), state, 'not while the link is open');
  state = reduce(state, { type: 'link', link: 'reconnecting' });
  assert.deepEqual(tiles(state).map(({ expected, speaking }) => [expected, speaking]), [['live', true], ['live', false]]);
  state = reduce(state, { type: 'away', away: true });
  assert.deepEqual(tiles(state).map(({ expected, speaking }) => [expected, speaking]), [['lost', false], ['live', false]]);
  state = reduce(state, { type: 'notice', notice: { key: 'boxAway', tone: 'danger' } });
  state = hear(state, joined({ resumed: true }));
  assert.deepEqual(tiles(state).map(({ expected }) => expected), ['live', 'live']);
  assert.deepEqual(state.notices, []);
});

test('who is lost does not speak', () => {
  const state = hear(inRoom({ members: [member(YOU), member(ANA, { state: 'lost' })] }), { type: 'speakers', active: ANA, speaking: [ANA] });
  assert.deepEqual(tiles(state).map(({ speaking }) => speaking), [false, false]);
});

test('the reader goes on where the first unread line is', () => {
  let state = inRoom({ chat: [line(1)] });
  for (const seq of [2, 3]) state = hear(state, { type: 'chat', line: line(seq) });
  state = reduce(state, { type: 'panel', panel: 'chat' });
  assert.equal(state.marked, 2);
  state = hear(state, { type: 'chat', line: line(4) });
  assert.equal(state.marked, 2);
  state = reduce(state, { type: 'panel', panel: 'none' });
  assert.equal(state.marked, null);
  state = reduce(state, { type: 'panel', panel: 'chat' });
  assert.equal(state.marked, null, 'all of it was read');
  state = reduce(reduce(state, { type: 'panel', panel: 'people' }), { type: 'link', link: 'reconnecting' });
  state = hear(state, joined({ resumed: true, chat: [line(4), line(5, YOU), line(6)] }));
  assert.equal(reduce(state, { type: 'panel', panel: 'chat' }).marked, 6, 'what was missed is unread, too');
});

test('a box that stops says so until it is back', () => {
  let state = hear(inRoom(), { type: 'bye', reason: 'server-stopping' });
  assert.equal(state.link, 'stopping');
  state = hear(state, joined());
  assert.equal(state.link, 'open');
});

test('leaving keeps what the join page needs', () => {
  let state = reduce(inRoom(), { type: 'media', mic: false });
  state = reduce(state, { type: 'left' });
  assert.equal(state.phase, 'join');
  assert.equal(state.room, 'home');
  assert.equal(state.mic, false);
  assert.deepEqual(state.members, []);
});

test('one notice a key, the newest last', () => {
  const notice = (key) => ({ type: 'notice', notice: { key, tone: 'info' } });
  let state = initialState();
  for (const key of ['a', 'b', 'a']) state = reduce(state, notice(key));
  assert.deepEqual(state.notices.map(({ key }) => key), ['b', 'a']);
  assert.deepEqual(reduce(state, { type: 'notice-over', key: 'b' }).notices.map(({ key }) => key), ['a']);
});

test('what is wrong with devices is said once, and no longer than it is wrong', () => {
  const after = (...events) => events.reduce((state, event) => reduce(state, (
    event.startsWith('+') ? { type: 'notice', notice: { key: event.slice(1), tone: 'warn' } } : { type: 'device-well', source: event.slice(1) })), initialState())
    .notices.map(({ key }) => key);
  assert.deepEqual(after('+camera_refused', '+both_refused'), ['both_refused']);
  assert.deepEqual(after('+camera_refused', '+microphone_refused'), ['both_refused']);
  assert.deepEqual(after('+camera_refused', '+microphone_busy'), ['camera_refused', 'microphone_busy']);
  assert.deepEqual(after('+both_refused', '-camera'), ['microphone_refused']);
  assert.deepEqual(after('+cameraGone', '+microphoneGone', '-camera'), ['microphoneGone']);
  assert.deepEqual(after('+cameraGone', '+camera_busy'), ['camera_busy']);
  assert.deepEqual(after('+roomFull', '+camera_none', '-camera', '-microphone'), ['roomFull']);
});

test('no sequence of events changes an old state, loses oneself or draws a tile twice', () => {
  let seed = 7;
  const random = (below) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 16) % below;
  };
  const ids = [YOU, ANA, CAM, '00000000000000dd'];
  const any = () => ids[random(ids.length)];
  const other = () => ids[1 + random(ids.length - 1)];
  const server = (message) => ({ type: 'server', message, now: random(10_000) });
  const events = [
    () => server(joined({ resumed: random(2) === 0 })),
    () => server({ type: 'member-joined', member: member(other()) }),
    () => server({ type: 'member-changed', member: member(any(), { state: ['live', 'lost', 'connecting'][random(3)] }) }),
    () => server({ type: 'member-left', id: other(), reason: 'left' }),
    () => server({ type: 'chat', line: line(random(50), any()) }),
    () => server({ type: 'mids', generation: 1, mids: { [random(4)]: { member: any(), track: 'x', kind: 'video', source: 'screen' } } }),
    () => server({ type: 'speakers', active: random(2) ? any() : null, speaking: [any()] }),
    () => ({ type: 'own-voice', speaking: random(2) === 0 }),
    () => ({ type: 'panel', panel: ['none', 'chat', 'people'][random(3)] }),
    () => ({ type: 'pin', key: any() }),
    () => ({ type: 'link', link: 'reconnecting' }),
  ];
  let state = frozen(inRoom());
  for (let step = 0; step < 5000; step += 1) {
    state = frozen(reduce(state, events[random(events.length)]()));
    const keys = tiles(state).map(({ key }) => key);
    assert.equal(new Set(keys).size, keys.length, keys.join());
    assert.equal(keys.at(-1), YOU);
    assert.ok(state.panel !== 'chat' || state.unread === 0);
  }
});

test('initials in both scripts, and a hue that stays', () => {
  const cases = [
    ['Lin', 'L'], ['Ana María', 'AM'], ['林', '林'], ['王小明', '王小'], ['Ana (2)', 'A'], ['  ', '?'], ['😀', '?'], ['front-door cam', 'FC'],
    ['厨房平板', '厨房'], ['欧阳修文', '欧阳'], ['محمد علي', 'م'], ['дядя Ваня', 'ДВ'], ['é́lan', 'É́'], ['김민수', '김민'], ['iPad 厨房', 'I厨']];
  for (const [name, expected] of cases) assert.equal(initials(name), expected, name);
  assert.equal(hue('Lin'), hue('Lin'));
  assert.ok(hue('厨房') >= 0 && hue('厨房') < 360);
});
