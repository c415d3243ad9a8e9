// A network path of our own, for scenes: media between browsers and the box goes through here and is
// delayed, lost and narrowed as told. A process of its own, to be run where both ends are reachable.
//
// usage (from `weak.mjs`, with an IPC channel): node path.mjs BOX HTTP_PORT MEDIA_PORT GATE...
// Each gate is an address of this process under which one browser knows the box. UDP to its media port
// goes on to the box by a socket for each of the browser's own ports, so that the box sees as many
// peers as there are; TCP to its HTTP port goes on untouched. Messages in: { id, gate, down?, up? } sets
// a direction and asks for its counts; messages out: { id, down, up }.
//
// A direction is what a home router is: a FIFO that a bottleneck empties, in which what does not fit is
// dropped (tail drop). Loss comes before it, delay after it. Sizes count with IP and UDP headers.

import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

/** IPv4 and UDP. */
const HEADERS = 28;
/** What a kernel may hold for us while this process waits for its turn. */
const SOCKET_BUFFER = 4 * 1024 * 1024;

/**
 * @typedef {object} Limits
 * @property {number} [kbps] what the bottleneck carries; 0 is everything
 * @property {number} [queueMs] how long what waits before it may take to leave
 * @property {number} [delayMs]
 * @property {number} [loss] share of packets, 0 to 1
 */

const OPEN = { kbps: 0, queueMs: 250, delayMs: 0, loss: 0 };

/** Random numbers in [0, 1) that are the same in each run (mulberry32). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One direction of one path. */
class Direction {
  /** @type {Required<Limits>} */
  limits = { ...OPEN };
  counts = { passed: 0, lost: 0, dropped: 0, longestQueueMs: 0 };
  /** Waits for the bottleneck. @type {{ bytes: number, came: number, send: () => void }[]} */
  #queue = [];
  #queued = 0;
  /** When the bottleneck has done with what it has begun. */
  #freeAt = 0;
  /** Has left it, and is on its way. @type {{ at: number, send: () => void }[]} */
  #line = [];
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /** @param {number} seed */
  constructor(seed) {
    this.dice = random(seed);
  }

  /** @param {Limits} limits */
  set(limits) {
    this.#leave(performance.now());
    this.limits = { ...OPEN, ...limits };
    this.#wake();
  }

  takeCounts() {
    const counts = this.counts;
    this.counts = { passed: 0, lost: 0, dropped: 0, longestQueueMs: 0 };
    return counts;
  }

  /** @param {number} length @param {() => void} send */
  take(length, send) {
    const { kbps, queueMs, loss } = this.limits;
    const now = performance.now();
    this.#leave(now);
    if (loss > 0 && this.dice() < loss) {
      this.counts.lost += 1;
      return;
    }
    const bytes = length + HEADERS;
    if (kbps > 0 && this.#queued + bytes > (kbps * queueMs) / 8) {
      this.counts.dropped += 1;
      return;
    }
    this.counts.passed += 1;
    this.#queue.push({ bytes, came: now, send });
    this.#queued += bytes;
    this.#leave(now);
    this.#wake();
  }

  /** When the first of the queue has left the bottleneck. */
  #leavesAt() {
    const first = this.#queue[0];
    const { kbps } = this.limits;
    return first && Math.max(this.#freeAt, first.came) + (kbps > 0 ? (first.bytes * 8) / kbps : 0);
  }

  /** What has left the bottleneck by now is on the line; what has arrived is sent. */
  #leave(now) {
    for (let at = this.#leavesAt(); at !== undefined && at <= now; at = this.#leavesAt()) {
      const { bytes, came, send } = this.#queue.shift();
      this.#queued -= bytes;
      this.#freeAt = at;
      this.counts.longestQueueMs = Math.max(this.counts.longestQueueMs, Math.round(at - came));
      this.#line.push({ at: at + this.limits.delayMs, send });
    }
    while (this.#line.length > 0 && this.#line[0].at <= now) this.#line.shift().send();
  }

  #wake() {
    clearTimeout(this.#timer);
    const next = Math.min(this.#leavesAt() ?? Infinity, this.#line[0]?.at ?? Infinity);
    if (next === Infinity) return;
    this.#timer = setTimeout(() => {
      this.#leave(performance.now());
      this.#wake();
    }, Math.max(0, next - performance.now()));
  }
}

const [box, httpPort, mediaPort, ...gates] = process.argv.slice(2);
/** @type {Map<string, { down: Direction, up: Direction }>} */
const paths = new Map();

/** A browser's own port, as the box sees it. */
function outward(socket, { address, port }, down) {
  const peer = createSocket({ type: 'udp4', recvBufferSize: SOCKET_BUFFER });
  peer.on('message', (message) => down.take(message.length, () => socket.send(message, port, address)));
  return peer;
}

gates.forEach((gate, index) => {
  const path = { down: new Direction(2 * index + 1), up: new Direction(2 * index + 2) };
  paths.set(gate, path);
  const socket = createSocket({ type: 'udp4', recvBufferSize: SOCKET_BUFFER });
  /** @type {Map<number, ReturnType<typeof outward>>} */
  const peers = new Map();
  socket.on('message', (message, from) => {
    const peer = peers.get(from.port) ?? outward(socket, from, path.down);
    peers.set(from.port, peer);
    path.up.take(message.length, () => peer.send(message, Number(mediaPort), box));
  });
  socket.bind(Number(mediaPort), gate);
  createServer((browser) => {
    const house = connect(Number(httpPort), box);
    browser.pipe(house).pipe(browser);
    browser.on('error', () => house.destroy());
    house.on('error', () => browser.destroy());
  }).listen(Number(httpPort), gate);
});

process.on('message', ({ id, gate, down, up }) => {
  const path = paths.get(gate);
  if (down) path.down.set(down);
  if (up) path.up.set(up);
  process.send({ id, down: path.down.takeCounts(), up: path.up.takeCounts() });
});
process.on('disconnect', () => process.exit(0));
