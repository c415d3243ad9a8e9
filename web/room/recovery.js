// How a media connection, up or down, is watched and made anew: the same waits for both directions.

import { arrived } from './roaming.js';

/** @typedef {import('./protocol.js').RequestError} RequestError */

/** A path that comes back within this time is left alone. */
const DISCONNECTED_MS = 3000;
/** A connection that is not up by then has no path. */
const CONNECT_MS = 10_000;
/** By a path that stands something comes within this time: media, reports, checks. */
const DOUBT_MS = 500;
const FIRST_BACKOFF_MS = 500;
const LAST_BACKOFF_MS = 8000;

export class Recovery {
  #timer = 0;
  #backoff = FIRST_BACKOFF_MS;
  #nDoubts = 0;
  /** The network may have changed under it, and nothing has come by it since. */
  doubted = false;

  /**
   * @param {() => RTCPeerConnection | null} current what belongs to an older connection is not heard
   * @param {(status: 'connected' | 'failed', error?: RequestError) => void} onStatus
   * @param {() => void} restart
   */
  constructor(current, onStatus, restart) {
    this.current = current;
    this.onStatus = onStatus;
    this.restart = restart;
  }

  /** The connection has been asked for. */
  expect() {
    this.stop();
    this.#nDoubts += 1; // whatever is found out of the one before
    const pc = this.current();
    this.#timer = setTimeout(() => this.failed(pc), CONNECT_MS);
  }

  /** @param {RTCPeerConnection} pc from now on its state is followed */
  follow(pc) {
    pc.onconnectionstatechange = () => this.#changed(pc);
    this.doubted = false;
    this.expect();
  }

  /** No restart is waited for any more. */
  stop() {
    clearTimeout(this.#timer);
  }

  /** The next failure is the first again. */
  reset() {
    this.#backoff = FIRST_BACKOFF_MS;
  }

  /** @param {RTCPeerConnection | null} pc @param {RequestError} [error] */
  failed(pc, error) {
    if (pc !== this.current()) return;
    this.stop();
    this.onStatus('failed', error);
    this.#timer = setTimeout(() => {
      if (pc === this.current()) this.restart();
    }, this.#backoff);
    this.#backoff = Math.min(this.#backoff * 2, LAST_BACKOFF_MS);
  }

  /**
   * The network may be another one. The browser finds out in five seconds or more; what comes within a
   * moment, or does not, tells sooner. Where nothing does and `ready` says that the box can be asked, the
   * connection is begun anew at once; else it is left in doubt, for whoever is back.
   * @param {() => boolean} ready
   */
  async doubt(ready) {
    const pc = this.current();
    if (!pc) return;
    this.#nDoubts += 1;
    const nth = this.#nDoubts;
    this.doubted = true;
    const before = await arrived(pc);
    await new Promise((resolve) => { setTimeout(resolve, DOUBT_MS); });
    const after = await arrived(pc);
    if (pc !== this.current() || nth !== this.#nDoubts || !this.doubted) return;
    if (after > before) this.doubted = false;
    else if (ready()) this.restart();
  }

  /** @param {RTCPeerConnection} pc */
  #changed(pc) {
    if (pc !== this.current()) return;
    if (pc.connectionState === 'connected') {
      this.stop();
      this.reset();
      this.doubted = false;
      this.onStatus('connected');
    } else if (pc.connectionState === 'disconnected') {
      this.stop();
      this.#timer = setTimeout(() => this.failed(pc), DISCONNECTED_MS);
    } else if (pc.connectionState === 'failed') {
      this.failed(pc);
    }
  }
}
