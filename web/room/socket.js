// The signaling socket: opens, says hello, answers requests by id, pings, and comes back by itself.
// It knows no room: `session.js` joins again when it hears `open`.
//
// Where a WebSocket does not open, the next try is by POST and server-sent events, and the other way round;
// the way that has worked in this tab is the first that is tried again.

import { recallSession, remember } from '../shared/storage.js';
import { EventSocket } from './events.js';
import { RequestError, VERSION, readServerMessage, writeRequest } from './protocol.js';

/** @typedef {import('./protocol.js').ClientMessage} ClientMessage */
/** @typedef {import('./protocol.js').Outgoing} Outgoing */
/** What a connection needs of the socket. @typedef {{ readonly ready: boolean, request: (message: ClientMessage) => Promise<Outgoing> }} Signal */
/** @typedef {{ resolve: (message: Outgoing) => void, reject: (error: RequestError) => void, timer: number }} Waiting */

const PING_MS = 2000;
/** Without any word from the box for this long the socket is taken for dead. */
const SILENT_MS = 6000;
const REQUEST_MS = 10_000;
const OPEN_MS = 6000;
/** The same, first, where the network has just become another one: its first packets may go nowhere. */
const REOPEN_MS = 1500;
/** A socket that stands answers within this time, or the network is another one. */
const PROBE_MS = 500;
/** A way that was let through may fail so often in a row before the other one is tried. */
const WAY_TRIES = 3;
const FIRST_BACKOFF_MS = 250;
const LAST_BACKOFF_MS = 5000;
/** What this tab remembers: `events`, or nothing for WebSocket. */
const WAY = 'signal-way';

export class SignalSocket {
  /** @type {WebSocket | EventSocket | null} */
  #socket = null;
  #byEvents = recallSession(WAY) === 'events';
  /** @type {Map<number, Waiting>} */
  #waiting = new Map();
  #nextId = 1;
  #backoff = FIRST_BACKOFF_MS;
  #wanted = false;
  #ready = false;
  #heardAt = 0;
  #tickAt = 0;
  #pingTimer = 0;
  #retryTimer = 0;
  #openTimer = 0;
  #probeTimer = 0;
  #patience = OPEN_MS;
  /** This way has been let through: it is not given up for one failure. */
  #hasStood = false;
  #nFailed = 0;

  /**
   * @param {object} ears
   * @param {() => void} ears.open hello was answered
   * @param {(message: Outgoing) => void} ears.event whatever is no answer
   * @param {() => void} ears.lost it closed or did not open; another try follows
   * @param {(error: RequestError) => void} ears.refused the box does not speak with this page; no further try
   */
  constructor(ears) {
    this.ears = ears;
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.retryNow();
    });
  }

  /** Hello was answered and the socket stands. */
  get ready() {
    return this.#ready;
  }

  /** Opens, and stays open until `close`. */
  open() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#backoff = FIRST_BACKOFF_MS;
    this.#patience = OPEN_MS;
    this.#connect();
  }

  close() {
    this.#wanted = false;
    clearTimeout(this.#retryTimer);
    this.#drop();
  }

  /**
   * Asks; the answer comes, or a RequestError.
   * @param {ClientMessage} message
   * @returns {Promise<Outgoing>}
   */
  request(message) {
    const socket = this.#socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(new RequestError('socket-lost', 'the socket is not open'));
    }
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new RequestError('timeout', `${message.type} was not answered`));
      }, REQUEST_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      socket.send(writeRequest(id, message));
    });
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = this.#byEvents ? new EventSocket() : new WebSocket(`${scheme}//${location.host}/api/v1/signal`);
    this.#socket = socket;
    this.#openTimer = setTimeout(() => this.#lost(socket), this.#patience);
    socket.onopen = () => void this.#hello(socket);
    socket.onmessage = (/** @type {{ data: unknown }} */ event) => this.#hear(socket, event.data);
    socket.onclose = () => this.#lost(socket);
    socket.onerror = () => this.#lost(socket);
  }

  /** @param {WebSocket | EventSocket} socket */
  async #hello(socket) {
    this.#heardAt = performance.now();
    try {
      await this.request({ type: 'hello', version: VERSION });
    } catch (error) {
      if (socket !== this.#socket || !(error instanceof RequestError)) return;
      if (error.code === 'timeout' || error.code === 'socket-lost') return this.#lost(socket);
      this.close();
      this.ears.refused(error);
      return;
    }
    if (socket !== this.#socket) return;
    clearTimeout(this.#openTimer);
    this.#ready = true;
    this.#hasStood = true;
    this.#nFailed = 0;
    remember(WAY, this.#byEvents ? 'events' : '', 'session');
    this.#backoff = FIRST_BACKOFF_MS;
    this.#patience = OPEN_MS;
    this.#pingTimer = setInterval(() => this.#ping(socket), PING_MS);
    this.ears.open();
  }

  /** @param {WebSocket | EventSocket} socket */
  #ping(socket) {
    const now = performance.now();
    // A page that slept heard nothing because it did not listen: it asks first.
    if (now - this.#tickAt > SILENT_MS) this.#heardAt = now;
    this.#tickAt = now;
    if (now - this.#heardAt > SILENT_MS) return this.#lost(socket);
    // The answer counts as a word from the box; that it fails shows by silence.
    this.request({ type: 'ping' }).catch(() => {});
  }

  /** @param {WebSocket | EventSocket} socket @param {unknown} data */
  #hear(socket, data) {
    if (socket !== this.#socket || typeof data !== 'string') return;
    this.#heardAt = performance.now();
    /** @type {Outgoing | null} */
    let message;
    try {
      message = readServerMessage(data);
    } catch (error) {
      console.warn('parlor: the box wrote what this page cannot read', error);
      return;
    }
    if (message === null) return;
    if (message.re === undefined) return this.ears.event(message);
    const waiting = this.#waiting.get(message.re);
    if (!waiting) return;
    this.#waiting.delete(message.re);
    clearTimeout(waiting.timer);
    if (message.type === 'error') waiting.reject(new RequestError(message.code, message.message));
    else waiting.resolve(message);
  }

  /** @param {WebSocket | EventSocket} socket @param {boolean} [given] up by us: it may have stood */
  #lost(socket, given = false) {
    if (socket !== this.#socket) return;
    // It has never stood: perhaps the other way is let through.
    if (!this.#ready && !given) {
      this.#nFailed += 1;
      if (!this.#hasStood || this.#nFailed >= WAY_TRIES) {
        this.#byEvents = !this.#byEvents;
        this.#nFailed = 0;
      }
    }
    this.#drop();
    if (!this.#wanted) return;
    // Jitter, so that a house full of pages does not return in one instant after a restart.
    const wait = this.#backoff * (0.75 + Math.random() / 2);
    this.#backoff = Math.min(this.#backoff * 2, LAST_BACKOFF_MS);
    this.#patience = Math.min(this.#patience * 2, OPEN_MS);
    this.#retryTimer = setTimeout(() => this.#connect(), wait);
    this.ears.lost();
  }

  #drop() {
    clearTimeout(this.#openTimer);
    clearTimeout(this.#probeTimer);
    clearInterval(this.#pingTimer);
    const socket = this.#socket;
    this.#socket = null;
    this.#ready = false;
    socket?.close();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject, timer } of waiting) {
      clearTimeout(timer);
      reject(new RequestError('socket-lost', 'the socket closed'));
    }
  }

  /** The next try is now, where none is under way. */
  retryNow() {
    if (!this.#wanted || this.#socket) return;
    this.#backoff = FIRST_BACKOFF_MS;
    this.#connect();
  }

  /**
   * The network may be another one. A socket that does not answer at once is dead; one that was being
   * opened is opened anew.
   */
  renew() {
    const socket = this.#socket;
    if (!socket) return this.retryNow();
    if (!this.#ready) return this.#again(socket);
    const asked = performance.now();
    clearTimeout(this.#probeTimer);
    this.#probeTimer = setTimeout(() => {
      if (this.#heardAt < asked) this.#again(socket);
    }, PROBE_MS);
    this.request({ type: 'ping' }).catch(() => {});
  }

  /** @param {WebSocket | EventSocket} socket it is given up, and the next one is opened at once */
  #again(socket) {
    if (socket !== this.#socket) return;
    this.#lost(socket, true);
    this.#patience = REOPEN_MS;
    this.retryNow();
  }
}
