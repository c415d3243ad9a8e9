// The network becomes another one: what is dead is found out at once, and what stands is left alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { heard, sockets } from './browser.mjs';

const { SignalSocket } = await import('../room/socket.js');
const { Recovery } = await import('../room/recovery.js');
const { Roaming } = await import('../room/roaming.js');

const settle = () => new Promise(setImmediate);
/** Lets promises and mocked timers go on by turns. */
async function pass(context, ms) {
  for (let done = 0; done < ms; done += 50) {
    await settle();
    context.mock.timers.tick(50);
  }
  await settle();
}

async function opened() {
  sockets.length = 0;
  const seen = { opened: 0, lost: 0 };
  const signal = new SignalSocket({ open: () => { seen.opened += 1; }, event: () => {}, lost: () => { seen.lost += 1; }, refused: () => {} });
  signal.open();
  sockets[0].onopen();
  await sockets[0].answer({ type: 'welcome', version: 1, server: 'parlor' });
  assert.deepEqual(seen, { opened: 1, lost: 0 });
  return { signal, seen };
}

/** A connection by which so many bytes have come. */
const connection = (state = 'connected') => ({
  bytes: 1000,
  packets: 0,
  connectionState: state,
  async getStats() {
    return new Map([['t', { type: 'transport', bytesReceived: this.bytes }], ['r', { type: 'inbound-rtp', packetsReceived: this.packets }]]);
  },
});

test('a socket that does not answer is given up at once, and one that does is kept', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { signal, seen } = await opened();
  signal.renew();
  assert.equal(sockets[0].sent.at(-1).type, 'ping');
  context.mock.timers.tick(100);
  await sockets[0].answer({ type: 'pong' });
  context.mock.timers.tick(5000);
  assert.deepEqual([sockets.length, seen.lost], [1, 0], 'it stands');

  signal.renew();
  context.mock.timers.tick(600);
  assert.deepEqual([sockets.length, seen.lost], [2, 1], 'the next is under way, without a wait');
  // The first try of a new network may go nowhere.
  signal.renew();
  assert.equal(sockets.length, 3, 'what was being opened is opened anew');
  context.mock.timers.tick(1600);
  context.mock.timers.tick(400);
  assert.equal(sockets.length, 4, 'and is not waited for as long as else, by the way that has stood');
  sockets[3].onopen();
  await sockets[3].answer({ type: 'welcome', version: 1, server: 'parlor' });
  assert.equal(seen.opened, 2);
  signal.close();
  signal.renew();
  assert.equal(sockets.length, 4, 'nobody wants it any more');
});

test('a connection by which nothing comes is begun anew at once, another is left alone', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  for (const [grows, ready, restarts, doubted] of [[true, true, 0, false], [false, true, 1, true], [false, false, 0, true]]) {
    const pc = connection();
    let n = 0;
    const recovery = new Recovery(() => pc, () => {}, () => { n += 1; });
    void recovery.doubt(() => ready);
    await settle();
    if (grows) pc.bytes += 1;
    await pass(context, 700);
    assert.deepEqual([n, recovery.doubted], [restarts, doubted], `grows ${grows}, ready ${ready}`);
    recovery.follow(pc);
    assert.equal(recovery.doubted, false, 'the next one is not doubted');
    recovery.stop();
  }
});

test('what is asked for meanwhile is not asked for twice', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const pc = connection();
  let n = 0;
  const recovery = new Recovery(() => pc, () => {}, () => { n += 1; });
  void recovery.doubt(() => true);
  void recovery.doubt(() => true);
  await pass(context, 700);
  assert.equal(n, 1);
  void recovery.doubt(() => true);
  recovery.expect(); // whoever is back has asked already
  await pass(context, 700);
  assert.equal(n, 1);
  recovery.stop();
});

test('media that came all the time and comes no more is told once; silence from the beginning is none', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  let pc = connection();
  let n = 0;
  const roaming = new Roaming({ down: () => pc, changed: () => {}, silent: () => { n += 1; } });
  roaming.begin();
  const seconds = async (count, packets) => {
    for (let done = 0; done < count; done += 1) {
      pc.packets += packets;
      context.mock.timers.tick(1000);
      await settle();
      await settle();
    }
  };
  await seconds(10, 0);
  assert.equal(n, 0, 'nobody sends');
  await seconds(3, 50);
  await seconds(1, 0);
  assert.equal(n, 0, 'a second may be anything');
  await seconds(9, 0);
  assert.equal(n, 1);
  await seconds(2, 50);
  await seconds(2, 0);
  assert.equal(n, 2);
  await seconds(2, 50);
  pc = connection();
  await seconds(5, 0);
  assert.equal(n, 2, 'another connection begins from nothing');
  roaming.end();
});

test('news that come together are one', () => {
  let n = 0;
  heard.online.length = 0;
  new Roaming({ down: () => null, changed: () => { n += 1; }, silent: () => {} });
  for (const listener of heard.online) listener();
  for (const listener of heard.online) listener();
  assert.equal(n, 1);
});
