// What a page does about talking directly: pure steps, and a walk over what can happen.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { initialState, reduce, tiles } from '../room/state.js';
import { awaited, noPlan, step } from '../room/direct/plan.js';
import { PATIENCE_MS, counts, isRelayed, isSeen, sent } from '../room/direct/sight.js';

/** @param {import('../room/protocol.js').DirectPhase} phase */
const word = (phase, { generation = 1, revision = 1, peer = 'ben', offerer = 'ana' } = {}) => (
  { type: 'told', you: 'ana', message: { type: 'direct', generation, revision, peer, offerer, phase } });
const seen = (path) => ({ type: 'seen', path });

/** Runs events; resolves to the plan and what was done, as words. */
function run(events, plan = noPlan()) {
  const done = [];
  for (const event of events) {
    const next = step(plan, event);
    plan = next.plan;
    for (const deed of next.deeds) done.push(deed.do === 'tell' ? `${deed.state} ${deed.generation}.${deed.revision}` : deed.do);
  }
  return { plan, done };
}

test('to and fro: each path is shown as soon as it is seen, and no sooner', () => {
  const steps = [
    [word('prepare'), ['open'], 'preparing', false, 'direct'],
    [seen('box'), [], 'preparing', false, 'direct'],
    [seen('direct'), ['connected 1.1'], 'preparing', true, null],
    [word('direct', { revision: 2 }), [], 'direct', true, null],
    [word('return', { revision: 3 }), [], 'returning', true, 'box'],
    [seen('direct'), [], 'returning', true, 'box'],
    [seen('box'), ['forwarded 1.3'], 'returning', false, null],
    [word('over', { revision: 4 }), ['close'], 'none', false, null],
    [word('prepare', { generation: 2 }), ['open'], 'preparing', false, 'direct'],
  ];
  let plan = noPlan();
  for (const [event, deeds, phase, shown, path] of steps) {
    const result = run([event], plan);
    plan = result.plan;
    assert.deepEqual([result.done, plan.phase, plan.shown, awaited(plan)], [deeds, phase, shown, path], JSON.stringify(event));
  }
});

test('whoever is the offerer offers', () => {
  for (const [offerer, offers] of [['ana', true], ['ben', false]]) {
    const { deeds } = step(noPlan(), word('prepare', { offerer }));
    assert.deepEqual(deeds, [{ do: 'open', generation: 1, peer: 'ben', offers }]);
  }
});

test('a third who goes at once: the direct picture is shown again, the next return is told anew', () => {
  const { plan, done } = run([
    word('prepare'), seen('direct'), word('direct', { revision: 2 }), word('return', { revision: 3 }), seen('box'),
    word('direct', { revision: 4 }),
  ]);
  assert.deepEqual([plan.phase, plan.shown], ['direct', true]);
  assert.deepEqual(run([word('return', { revision: 5 }), seen('box')], plan).done, ['forwarded 1.5']);
  assert.deepEqual(done, ['open', 'connected 1.1', 'forwarded 1.3']);
});

test('a path that breaks is shown as it is until the box has another', () => {
  const direct = run([word('prepare'), seen('direct'), word('direct', { revision: 2 })]).plan;
  const broken = run([{ type: 'broken' }, { type: 'broken' }], direct);
  assert.deepEqual([broken.done, broken.plan.shown], [['failed 1.2'], true]);
  const back = run([word('return', { revision: 3 })], broken.plan);
  assert.deepEqual([back.done, back.plan.shown, awaited(back.plan)], [['failed 1.3'], true, 'box']);
  const there = run([seen('box'), word('over', { revision: 4 })], back.plan);
  assert.deepEqual([there.done, there.plan.shown], [['forwarded 1.3', 'close'], false]);
});

test('one that breaks before both are direct gives way to the box at once', () => {
  const { plan, done } = run([word('prepare'), seen('direct'), { type: 'broken' }, seen('direct')]);
  assert.deepEqual([done, plan.shown, awaited(plan)], [['open', 'connected 1.1', 'failed 1.1'], false, null]);
});

test('a page that knows nothing of the connection says so, and helps to return', () => {
  const { plan, done } = run([word('direct', { generation: 7, revision: 2 }), word('return', { generation: 7, revision: 3 }), seen('box')]);
  assert.deepEqual(done, ['failed 7.2', 'failed 7.3', 'forwarded 7.3']);
  assert.equal(plan.shown, false);
});

test('the same word again, as after a lost socket, opens nothing anew', () => {
  const { plan, done } = run([word('prepare'), word('prepare'), seen('direct'), word('direct', { revision: 2 }), word('direct', { revision: 2 })]);
  assert.deepEqual([done, plan.phase, plan.shown], [['open', 'connected 1.1'], 'direct', true]);
});

test('the box was restarted: the direct picture stays until the box has one, and its new generations count', () => {
  const direct = run([word('prepare', { generation: 5 }), seen('direct'), word('direct', { generation: 5, revision: 2 })]).plan;
  const orphan = run([{ type: 'forgotten' }], direct);
  assert.deepEqual([orphan.done, orphan.plan.phase, orphan.plan.shown, awaited(orphan.plan)], [[], 'orphaned', true, 'box']);
  assert.deepEqual(run([seen('box')], orphan.plan).done, ['close']);
  assert.deepEqual(run([word('prepare', { generation: 1 })], orphan.plan).done, ['close', 'open']);
  assert.deepEqual(run([{ type: 'forgotten' }], run([word('prepare')]).plan), { plan: noPlan(), done: ['close'] });
});

test('what is over, or older, does nothing', () => {
  const { plan, done } = run([word('over', { generation: 4 }), word('prepare', { generation: 3 }), word('over', { generation: 4 }), { type: 'closed' }]);
  assert.deepEqual([done, plan.phase], [[], 'none']);
});

test('whatever happens: one connection at most, and never is a path given up for one that was not seen', () => {
  let seed = 42;
  const roll = (sides) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * sides);
  };
  let plan = noPlan();
  let open = 0;
  for (let n = 0; n < 20_000; n += 1) {
    const events = [
      word(['prepare', 'direct', 'return', 'over'][roll(4)], { generation: plan.generation + roll(2), revision: roll(5) }),
      seen('direct'), seen('box'), { type: 'broken' }, roll(20) === 0 ? { type: 'forgotten' } : seen('box'),
    ];
    const event = events[roll(events.length)];
    const before = plan;
    const result = step(plan, event);
    plan = result.plan;
    for (const deed of result.deeds) open += { open: 1, close: -1, tell: 0 }[deed.do];
    assert.ok(open === 0 || open === 1, JSON.stringify({ before, event, plan }));
    assert.ok(!plan.shown || open === 1, 'what is shown is there');
    assert.ok(!plan.alive || open === 1, 'what is alive is there');
    if (!before.shown && plan.shown) assert.ok(before.alive, JSON.stringify({ before, event }));
  }
});

test('what somebody sends has to be seen, as far as it comes at all', () => {
  const member = { mic: true, cam: true, tracks: [{ source: 'camera' }, { source: 'microphone' }, { source: 'screenaudio' }] };
  assert.deepEqual(sent(member), ['camera', 'microphone']);
  assert.deepEqual(sent({ ...member, cam: false }), ['microphone']);
  assert.deepEqual(sent({ ...member, mic: false, cam: false }), [], 'muted or unplugged: nothing has to come');
  const base = { wanted: ['camera', 'microphone'], before: new Map(), elsewhere: true, waitedMs: 0 };
  const all = new Map([['camera', 1], ['microphone', 3]]);
  assert.equal(isSeen({ ...base, now: all }), true);
  assert.equal(isSeen({ ...base, now: all, before: all }), false, 'old frames do not count');
  assert.equal(isSeen({ ...base, now: new Map([['microphone', 3]]) }), false);
  assert.equal(isSeen({ ...base, now: new Map(), waitedMs: PATIENCE_MS }), false, 'it comes by the other path');
  assert.equal(isSeen({ ...base, now: new Map(), waitedMs: PATIENCE_MS, elsewhere: false }), true);
  assert.equal(isSeen({ ...base, wanted: [], now: new Map() }), true);
});

test('frames and packets are read from a receiver, and the kind of path from a connection', async () => {
  const receiver = (stats) => ({ getStats: async () => new Map(stats.map((one, index) => [String(index), one])) });
  const video = receiver([{ type: 'codec' }, { type: 'inbound-rtp', kind: 'video', framesDecoded: 7, packetsReceived: 90 }]);
  const audio = receiver([{ type: 'inbound-rtp', kind: 'audio', packetsReceived: 50 }]);
  const found = await counts((source) => ({ camera: video, microphone: audio })[source] ?? null, ['camera', 'microphone', 'screen']);
  assert.deepEqual([...found], [['camera', 7], ['microphone', 50]]);
  const path = (local, remote, how) => ({
    getStats: async () => new Map(Object.entries({
      T: how === 'transport' ? { type: 'transport', selectedCandidatePairId: 'P' } : { type: 'transport' },
      P: { type: 'candidate-pair', state: 'succeeded', selected: true, localCandidateId: 'L', remoteCandidateId: 'R' },
      L: { candidateType: local }, R: { candidateType: remote },
    })),
  });
  for (const how of ['transport', 'pair']) {
    assert.equal(await isRelayed(path('host', 'prflx', how)), false);
    assert.equal(await isRelayed(path('relay', 'host', how)), true);
    assert.equal(await isRelayed(path('srflx', 'relay', how)), true);
  }
  assert.equal(await isRelayed(null), null);
});

test('a tile says by which path its media comes, and what comes directly lives without the box', () => {
  const member = (id, more = {}) => ({ id, name: id, kind: 'person', state: 'live', mic: true, cam: true, tracks: [], ...more });
  const message = {
    type: 'joined', room: 'home', you: 'ana', token: 't', resumed: false, chat: [], ice_servers: [], viewers: [],
    members: [member('ana'), member('ben', { tracks: [{ id: 'ben.2', kind: 'video', source: 'screen' }] }), member('door', { kind: 'camera' })],
  };
  const inRoom = reduce(initialState(), { type: 'server', message, now: 1 });
  const paths = (state) => Object.fromEntries(tiles(state).map(({ key, path }) => [key, path]));
  assert.deepEqual(paths(inRoom), { ben: 'box', door: 'box', ana: null });
  assert.equal(paths(reduce(inRoom, { type: 'box-path', relayed: true })).ben, 'relay');
  const direct = reduce(inRoom, { type: 'direct', direct: { peer: 'ben', relayed: false } });
  assert.deepEqual(paths(direct), { 'ben:screen': 'direct', ben: 'direct', door: 'box', ana: null }, 'his screen comes directly, too');
  assert.equal(paths(reduce(inRoom, { type: 'direct', direct: { peer: 'ben', relayed: true } })).ben, 'relay');
  const away = reduce(reduce(direct, { type: 'link', link: 'reconnecting' }), { type: 'away', away: true });
  const expected = (state) => Object.fromEntries(tiles(state).map((tile) => [tile.key, tile.expected]));
  assert.deepEqual(expected(away), { 'ben:screen': 'live', ben: 'live', door: 'lost', ana: 'live' });
  const speaks = (state) => tiles(state).filter(({ speaking }) => speaking).map(({ key }) => key);
  assert.deepEqual(speaks(reduce(direct, { type: 'peer-voice', speaking: true })), ['ben'], 'the box hears neither');
  assert.deepEqual(speaks(reduce(inRoom, { type: 'peer-voice', speaking: true })), []);
});
