// How a media connection, up or down, is watched and made anew: the same waits for both directions.

/** @typedef {import('./protocol.js').RequestError} RequestError */

/** A path that comes back within this time is left alone. */
const DISCONNECTED_MS = 3000;
/** A connection that is not up by then has no path. */
const CONNECT_MS = 10_000;
const FIRST_BACKOFF_MS = 500;
const LAST_BACKOFF_MS = 8000;

export class Recovery {
  #timer = 0;
  #backoff = FIRST_BACKOFF_MS;

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
    const pc = this.current();
    this.#timer = setTimeout(() => this.failed(pc), CONNECT_MS);
  }

  /** @param {RTCPeerConnection} pc from now on its state is followed */
  follow(pc) {
    pc.onconnectionstatechange = () => this.#changed(pc);
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

  /** @param {RTCPeerConnection} pc */
  #changed(pc) {
    if (pc !== this.current()) return;
    if (pc.connectionState === 'connected') {
      this.stop();
      this.reset();
      this.onStatus('connected');
    } else if (pc.connectionState === 'disconnected') {
      this.stop();
      this.#timer = setTimeout(() => this.failed(pc), DISCONNECTED_MS);
    } else if (pc.connectionState === 'failed') {
      this.failed(pc);
    }
  }
}
