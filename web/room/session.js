// One stay in a room: joins, returns to its place when the socket was lost, and keeps `up` and
// `down` going. Decides nothing about what is shown: it dispatches events.
//
//   join() -> open -> hello -> join{resume?} -> joined -> (offer, chat, ...) -> lost -> open -> ...

import { Away } from './away.js';
import { Direct } from './direct.js';
import { isRelayed } from './direct/sight.js';
import { Down } from './down.js';
import { noPathNotice, notice } from './notice.js';
import { RequestError } from './protocol.js';
import { Roaming } from './roaming.js';
import { SignalSocket } from './socket.js';
import { midOf } from './state.js';
import { device, recallSession, remember } from '../shared/storage.js';
import { TileReport } from './tiles.js';
import { Up } from './up.js';

/** @typedef {import('./protocol.js').Outgoing} Outgoing */
/** @typedef {import('./protocol.js').Joined} Joined */
/** @typedef {import('./state.js').PageEvent} PageEvent */
/** @typedef {import('./state.js').PageState} PageState */

/** Sockets that do not open before the first join is given up. */
const FIRST_TRIES = 3;
const RATE_LIMITED_MS = 5000;
/** A page that is still here this long after it was about to go stays: it was a download. */
const STAYS_MS = 3000;

export class Session {
  /** @type {{ room: string, name: string, password?: string } | null} where we want to be */
  #wanted = null;
  #joined = false;
  #tries = 0;
  #token = '';
  /** @type {{ resolve: () => void, reject: (error: RequestError) => void } | null} the first join */
  #first = null;
  /** @type {Record<'up' | 'down', number>} failures in a row */
  #failures = { up: 0, down: 0 };
  /** @type {{ mic: boolean, cam: boolean } | null} what the box was told last */
  #told = null;
  #retryTimer = 0;
  /** The page is about to go; nothing is joined meanwhile. */
  #going = 0;

  /**
   * @param {object} wires
   * @param {() => PageState} wires.state
   * @param {(event: PageEvent) => void} wires.dispatch
   * @param {() => void} wires.joined a new stay, not a return: publish what there is
   * @param {(from: string, reaction: import('./protocol.js').Reaction) => void} wires.reacted
   * @param {(by: string) => void} wires.muted a moderator asks for the microphone to be off
   * @param {() => void} wires.tracks an m-section shows another track
   * @param {(key: string, error?: RequestError) => void} wires.ended the stay is over and this is why
   */
  constructor(wires) {
    this.wires = wires;
    this.socket = new SignalSocket({
      open: () => void this.#enter(),
      event: (message) => this.#hear(message),
      lost: () => this.#lost(),
      refused: (error) => this.#end(error),
    });
    this.away = new Away({
      down: () => this.down.pc,
      still: (still) => wires.dispatch({ type: 'away', away: still }),
      long: () => wires.dispatch({ type: 'notice', notice: { key: 'boxAway', tone: 'danger', actions: ['tryNow', 'leave'] } }),
    });
    this.roaming = new Roaming({
      down: () => this.down.pc,
      changed: () => this.#roamed(),
      silent: () => this.#roamed(),
    });
    const session = this;
    const signal = {
      get ready() { return session.#joined && session.socket.ready; },
      request: (/** @type {import('./protocol.js').ClientMessage} */ message) => this.socket.request(message),
    };
    this.signal = signal;
    this.tiles = new TileReport(signal);
    this.up = new Up(signal, (status, error) => this.#pathStatus('up', status, error));
    this.down = new Down(signal, (status, error) => this.#pathStatus('down', status, error), () => wires.tracks());
    this.direct = new Direct(signal, {
      state: wires.state, up: this.up,
      forwarded: (member, source) => {
        const mid = midOf(wires.state().mids, member, source);
        return mid === null ? null : this.down.receiver(mid);
      },
      shown: (view) => wires.dispatch({ type: 'direct', direct: view }),
      voice: (speaking) => wires.dispatch({ type: 'peer-voice', speaking }),
    });
  }

  /**
   * Resolves in the room; rejects with the reason where the first try is refused or nobody answers.
   * @param {string} room
   * @param {string} name
   * @param {string} password of the room; empty where none was asked for
   * @returns {Promise<void>}
   */
  join(room, name, password) {
    this.#wanted = { room, name, ...(password === '' ? {} : { password }) };
    this.#tries = 0;
    const kept = recallSession('place');
    this.#token = kept.startsWith(`${room}\n`) ? kept.slice(room.length + 1) : '';
    return new Promise((resolve, reject) => {
      this.#first = { resolve, reject };
      this.socket.open();
    });
  }

  /** Says goodbye and forgets the place. */
  leave() {
    this.beacon(); // also where the socket is lost at this moment: the others would see us for 30 s more
    const first = this.#first;
    this.#close();
    first?.reject(new RequestError('cancelled', ''));
  }

  /** The user does not want to wait for the next try. */
  tryNow() {
    this.socket.retryNow();
  }

  /**
   * The page is about to go. Firefox ends a closed tab's process in the middle of `pagehide`, and what was
   * sent there is lost half of the time; before `beforeunload` has returned it ends nothing. Should the page
   * stay after all, it joins again.
   */
  leaving() {
    if (this.#token === '' || !this.#wanted) return;
    this.beacon();
    clearTimeout(this.#going);
    this.#going = setTimeout(() => {
      this.#going = 0;
      if (this.socket.ready) void this.#enter(false);
    }, STAYS_MS);
  }

  /**
   * The page goes away: the place is given back by a beacon, which outlives the page, and by the
   * socket, which is faster where the browser still sends it.
   */
  beacon() {
    if (this.#token === '' || !this.#wanted) return;
    if (this.signal.ready) this.socket.request({ type: 'leave' }).catch(() => {});
    navigator.sendBeacon('/api/v1/leave', JSON.stringify({ token: this.#token }));
    this.#forget();
  }

  /** @param {string} name */
  async rename(name) {
    await this.socket.request({ type: 'rename', name });
    if (this.#wanted) this.#wanted.name = name;
  }

  /** @param {string} text */
  async say(text) {
    await this.socket.request({ type: 'chat', text });
  }

  /** Lines from before this one come into the state. @param {number} before */
  async older(before) {
    const message = await this.socket.request({ type: 'history', before });
    if (this.#joined) this.wires.dispatch({ type: 'server', message, now: Date.now() });
  }

  /** Asks what needs no more than an answer. @param {import('./protocol.js').ClientMessage} message */
  async ask(message) {
    await this.socket.request(message);
  }

  /** Tells the others what is on, if that is news. @param {boolean} mic @param {boolean} cam */
  tellState(mic, cam) {
    if (!this.signal.ready || (this.#told?.mic === mic && this.#told.cam === cam)) return;
    this.#told = { mic, cam };
    // A socket that is lost here joins again, and `join` carries both.
    this.socket.request({ type: 'state', mic, cam }).catch(() => {});
  }

  /** @param {boolean} [withToken] */
  async #enter(withToken = true) {
    const wanted = this.#wanted;
    if (!wanted || this.#going !== 0) return;
    const { mic, cam } = this.wires.state();
    const resume = withToken && this.#token !== '' ? { resume: this.#token } : {};
    try {
      const answer = await this.socket.request({ type: 'join', ...wanted, mic, cam, device: device(), ...resume });
      if (this.#wanted !== wanted) return;
      if (answer.type === 'joined') this.#entered(answer, mic, cam);
      if (answer.type === 'waiting') this.#waits(answer);
    } catch (error) {
      if (error instanceof RequestError && this.#wanted === wanted) this.#refused(error, withToken);
    }
  }

  /** A moderator has to let us in; `joined` or `bye` comes later. @param {import('./protocol.js').Waiting} message */
  #waits(message) {
    // Whoever was in and lost the place is not left before a room that stands still.
    if (!this.#first) return this.#end(new RequestError('not-admitted', ''));
    this.#tries = 0;
    this.wires.dispatch({ type: 'server', message, now: Date.now() });
  }

  /** @param {RequestError} error @param {boolean} withToken */
  #refused(error, withToken) {
    if (error.code === 'socket-lost') return; // the socket comes back and enters again
    if (error.code === 'resume-invalid' && withToken) return void this.#enter(false);
    if (error.code === 'timeout' || error.code === 'stopping') {
      if (this.#first) return this.#end(error);
      this.socket.close();
      return this.socket.open();
    }
    if (error.code === 'rate-limited' && !this.#first) {
      this.#retryTimer = setTimeout(() => void this.#enter(withToken), RATE_LIMITED_MS);
      return;
    }
    this.#end(error);
  }

  /** @param {Joined} message @param {boolean} mic @param {boolean} cam */
  #entered(message, mic, cam) {
    this.#joined = true;
    this.away.end();
    this.#token = message.token;
    if (this.#wanted) remember('place', `${this.#wanted.room}\n${message.token}`, 'session');
    this.#useServers(message.ice_servers);
    this.#failures = { up: 0, down: 0 };
    this.#told = { mic, cam };
    if (!message.resumed) this.down.close();
    this.wires.dispatch({ type: 'server', message, now: Date.now() });
    if (!message.resumed) {
      this.up.restart();
    } else {
      // What still stands is kept: the box kept it too.
      if (!this.up.stands) this.up.restart();
      if (!this.down.stands) this.down.restart();
    }
    this.roaming.begin();
    this.tiles.again();
    this.wires.joined();
    this.direct.entered(message);
    this.#first?.resolve();
    this.#first = null;
  }

  /** What connections from here on look for ways with. @param {RTCIceServer[]} servers */
  #useServers(servers) {
    this.up.iceServers = servers;
    this.down.iceServers = servers;
    this.direct.iceServers = servers;
  }

  /** @param {Outgoing} message */
  #hear(message) {
    if (message.type === 'error') return this.#fault(message);
    if (message.type === 'bye' && ['replaced', 'removed', 'refused', 'signed-out'].includes(message.reason)) {
      return this.#end(new RequestError(message.reason, ''));
    }
    if (!this.#wanted) return;
    if (message.type === 'ice-servers') return this.#useServers(message.ice_servers);
    if (message.type === 'joined') { // whoever waited has been let in
      const { mic, cam } = this.wires.state();
      return this.#entered(message, mic, cam);
    }
    this.wires.dispatch({ type: 'server', message, now: Date.now() });
    if (message.type === 'reaction') this.wires.reacted(message.from, message.reaction);
    if (message.type === 'muted') this.wires.muted(message.by);
    if (message.type === 'offer') this.down.handleOffer(message);
    if (message.type === 'mids') this.wires.tracks();
    if (message.type === 'layers') this.up.handleLayers(message);
    if (message.type === 'restart' && message.direction === 'up') this.up.restart();
    this.direct.hear(message);
  }

  /** @param {import('./protocol.js').Failure} message that no request asked for */
  #fault({ code, message }) {
    console.warn('parlor:', code, message);
    if (code === 'direct-kept') this.wires.dispatch({ type: 'notice', notice: notice('directKept', 'info', ['dismiss']) });
  }

  /** The network may be another one: what does not answer at once is begun anew. */
  #roamed() {
    if (!this.#wanted) return;
    this.socket.renew();
    this.#doubt();
  }

  /** Whether media still comes and goes is not known any more. */
  #doubt() {
    const ready = () => this.signal.ready;
    for (const path of [this.up, this.down]) void path.recovery.doubt(ready);
  }

  #lost() {
    if (this.#joined) this.#doubt();
    this.#joined = false;
    clearTimeout(this.#retryTimer);
    if (this.#going !== 0) return;
    this.#tries += 1;
    if (this.#first) {
      if (this.#tries >= FIRST_TRIES) this.#end(new RequestError('server-gone', ''));
      return;
    }
    this.away.begin();
    if (this.wires.state().link !== 'stopping') this.wires.dispatch({ type: 'link', link: 'reconnecting' });
  }

  /** @param {RequestError} error */
  #end(error) {
    const first = this.#first;
    this.#close();
    if (first) first.reject(error);
    else this.wires.ended(error.code, error);
  }

  #close() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#going);
    this.#going = 0;
    this.away.end();
    this.roaming.end();
    this.#wanted = null;
    this.#joined = false;
    this.#first = null;
    this.#told = null;
    this.#forget();
    this.socket.close();
    this.direct.close();
    this.up.close();
    this.down.close();
  }

  #forget() {
    this.#token = '';
    remember('place', '', 'session');
  }

  /**
   * @param {'up' | 'down'} direction
   * @param {import('./up.js').UpStatus} status
   * @param {RequestError} [error]
   */
  #pathStatus(direction, status, error) {
    const { dispatch } = this.wires;
    if (direction === 'down' && status === 'connecting') this.wires.tracks();
    if (direction === 'down' && status === 'connected') {
      void isRelayed(this.down.pc).then((relayed) => dispatch({ type: 'box-path', relayed: relayed ?? false }), () => {});
    }
    if (status === 'connected') {
      this.#failures[direction] = 0;
      if (this.#failures.up === 0 && this.#failures.down === 0) for (const key of ['noPath', 'noPathUdp', 'noPathPlain']) dispatch({ type: 'notice-over', key });
    } else if (status === 'failed' && this.signal.ready) {
      this.#failures[direction] += 1;
      if (error?.code.startsWith('sdp-')) {
        dispatch({ type: 'notice', notice: { key: 'unacceptable', tone: 'warn', code: error.code, detail: error.message, actions: ['dismiss'] } });
      } else {
        dispatch({ type: 'notice', notice: noPathNotice(this[direction].pc?.remoteDescription?.sdp ?? '') });
      }
    }
  }
}
