// A stay in a room, over a browser that is made of what it asks for: the socket, the beacon, storage.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { beacons, sockets } from './browser.mjs';

const { Session } = await import('../room/session.js');

const golden = (name) => JSON.parse(readFileSync(new URL(`../../tests/protocol/${name}.json`, import.meta.url), 'utf8')).message;
const [WELCOME, JOINED] = [golden('server-welcome'), golden('server-joined')];

/** A session of nobody yet. What is below it, a browser's connections, is not there. */
function sessionOfNobody() {
  sockets.length = 0;
  beacons.length = 0;
  const session = new Session({
    state: () => ({ mic: false, cam: false, link: 'live' }),
    dispatch: () => {},
    joined: () => {},
    muted: () => {},
    reacted: () => {},
    tracks: () => {},
    ended: () => {},
  });
  for (const path of [session.up, session.down]) Object.assign(path, { restart: () => {}, close: () => {} });
  return session;
}

/** Somebody who has joined, and the socket that did it. */
async function stay() {
  const session = sessionOfNobody();
  const entered = session.join('hall', 'Ana', '');
  const [socket] = sockets;
  socket.onopen();
  await socket.answer(WELCOME);
  await socket.answer(JOINED);
  await entered;
  return { session, socket };
}

const leaves = [{ path: '/api/v1/leave', body: JSON.stringify({ token: JOINED.token }) }];

test('who leaves is heard by the socket and by the beacon, once', async () => {
  const { session, socket } = await stay();
  session.leave();
  assert.equal(socket.sent.at(-1).type, 'leave');
  assert.deepEqual(beacons, leaves);
  session.beacon();
  assert.equal(beacons.length, 1, 'the place was given back already');
});

test('who leaves while the socket is lost gives the place back all the same', async () => {
  const { session, socket } = await stay();
  socket.onclose();
  assert.equal(session.signal.ready, false);
  session.leave();
  assert.deepEqual(beacons, leaves);
});

test('who waits is in once let in, and whoever is sent away does not come again', async () => {
  for (const ends of ['joined', 'refused', 'removed']) {
    const session = sessionOfNobody();
    const entered = session.join('hall', 'Ana').then(() => 'joined', (error) => error.code);
    const [socket] = sockets;
    socket.onopen();
    await socket.answer(WELCOME);
    assert.match(socket.sent.at(-1).device, /^[0-9a-f]{32}$/);
    await socket.answer(golden('server-waiting'));
    const { re, ...event } = ends === 'joined' ? JOINED : { type: 'bye', reason: ends };
    socket.onmessage({ data: JSON.stringify(event) });
    assert.equal(await entered, ends);
    assert.equal(session.signal.ready, ends === 'joined');
    session.leave();
    assert.equal(sockets.length, 1);
  }
});

test('a page that is about to go gives its place back at once, and joins again should it stay', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { session, socket } = await stay();
  session.leaving();
  assert.deepEqual(beacons, leaves);
  assert.equal(socket.sent.at(-1).type, 'leave');
  session.beacon();
  assert.equal(beacons.length, 1);
  socket.onclose();
  context.mock.timers.tick(500);
  const next = sockets.at(-1);
  assert.notEqual(next, socket, 'the socket comes back');
  next.onopen();
  await next.answer(WELCOME);
  assert.deepEqual(next.sent.map(({ type }) => type), ['hello'], 'and nothing is joined while the page may still go');
  context.mock.timers.tick(3000);
  assert.equal(next.sent.at(-1).type, 'join');
  assert.equal(next.sent.at(-1).resume, undefined);
  session.leave();
});

test('connections look for ways with the newest servers that the box has told of', async () => {
  const { session, socket } = await stay();
  assert.deepEqual([session.up.iceServers, session.down.iceServers], [JOINED.ice_servers, JOINED.ice_servers]);
  const renewed = golden('server-ice-servers');
  socket.onmessage({ data: JSON.stringify(renewed) });
  assert.deepEqual([session.up.iceServers, session.down.iceServers], [renewed.ice_servers, renewed.ice_servers]);
  session.leave();
});
