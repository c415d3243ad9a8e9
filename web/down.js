// What we receive: one RTCPeerConnection a generation, offered by the box, answered by us. Whose
// track an m-section shows is told by `mids` beside the offer, never by the SDP.

import { RequestError } from './protocol.js';

/** @typedef {import('./protocol.js').Offer} Offer */
/** @typedef {'connecting' | 'connected' | 'failed'} DownStatus */

const DISCONNECTED_MS = 3000;
const CONNECT_MS = 10_000;
const FIRST_BACKOFF_MS = 500;
const LAST_BACKOFF_MS = 8000;

export class Down {
  /** @type {RTCPeerConnection | null} */
  pc = null;
  #generation = 0;
  #revision = 0;
  /** @type {Promise<void>} offers are answered one after the other */
  #chain = Promise.resolve();
  #timer = 0;
  #backoff = FIRST_BACKOFF_MS;
  /** @type {RTCIceServer[]} */
  iceServers = [];

  /**
   * @param {import('./socket.js').Signal} socket ready means joined
   * @param {(status: DownStatus, error?: RequestError) => void} onStatus
   * @param {() => void} onTracks a `track()` may be another one now
   */
  constructor(socket, onStatus, onTracks) {
    this.socket = socket;
    this.onStatus = onStatus;
    this.onTracks = onTracks;
  }

  /**
   * The track in an m-section.
   * @param {string} mid
   * @returns {MediaStreamTrack | null}
   */
  track(mid) {
    return this.receiver(mid)?.track ?? null;
  }

  /** @param {string} mid */
  receiver(mid) {
    return this.pc?.getTransceivers().find((transceiver) => transceiver.mid === mid)?.receiver ?? null;
  }

  /** @param {Offer} offer */
  handleOffer(offer) {
    this.#chain = this.#chain.then(() => this.#answer(offer)).catch((error) => {
      if (error instanceof RequestError && error.code === 'socket-lost') return; // joined again, then anew
      // The box offers something newer already, and that comes by itself.
      if (error instanceof RequestError && error.code === 'offer-unknown') return;
      console.warn('parlor: the offer could not be answered', error);
      this.#failed(this.pc, error instanceof RequestError ? error : undefined);
    });
  }

  /** Forgets everything: the next offer of any generation is taken. */
  close() {
    this.#drop();
    this.#generation = 0;
    this.#revision = 0;
    this.#backoff = FIRST_BACKOFF_MS;
  }

  /** True while media comes or may come by this connection. */
  get stands() {
    return this.pc !== null && (this.pc.connectionState === 'connected' || this.pc.connectionState === 'disconnected');
  }

  /** Asks the box for a new connection. */
  restart() {
    clearTimeout(this.#timer);
    this.socket.request({ type: 'restart', direction: 'down' }).catch((error) => {
      console.warn('parlor: restart was refused', error);
    });
    this.#timer = setTimeout(() => this.#failed(this.pc), CONNECT_MS);
  }

  /** @param {Offer} offer */
  async #answer(offer) {
    if (offer.generation < this.#generation) return;
    if (offer.generation > this.#generation || !this.pc) this.#open(offer.generation);
    else if (offer.revision <= this.#revision) return;
    const pc = this.pc;
    if (!pc) return;
    this.#revision = offer.revision;
    await pc.setRemoteDescription({ type: 'offer', sdp: offer.sdp });
    await pc.setLocalDescription();
    if (pc !== this.pc) return;
    const sdp = pc.localDescription?.sdp ?? '';
    this.onTracks();
    await this.socket.request({ type: 'answer', generation: offer.generation, revision: offer.revision, sdp });
  }

  /** @param {number} generation */
  #open(generation) {
    this.#drop();
    this.#generation = generation;
    this.#revision = 0;
    const pc = new RTCPeerConnection({ iceServers: this.iceServers, bundlePolicy: 'max-bundle' });
    this.pc = pc;
    pc.onconnectionstatechange = () => this.#watch(pc);
    this.onStatus('connecting');
    this.#timer = setTimeout(() => this.#failed(pc), CONNECT_MS);
  }

  #drop() {
    clearTimeout(this.#timer);
    const pc = this.pc;
    this.pc = null;
    if (!pc) return;
    pc.onconnectionstatechange = null;
    pc.close();
  }

  /** @param {RTCPeerConnection} pc */
  #watch(pc) {
    if (pc !== this.pc) return;
    const state = pc.connectionState;
    if (state === 'connected') {
      clearTimeout(this.#timer);
      this.#backoff = FIRST_BACKOFF_MS;
      this.onStatus('connected');
    } else if (state === 'disconnected') {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#failed(pc), DISCONNECTED_MS);
    } else if (state === 'failed') {
      this.#failed(pc);
    }
  }

  /** @param {RTCPeerConnection | null} pc @param {RequestError} [error] */
  #failed(pc, error) {
    if (pc !== this.pc) return;
    clearTimeout(this.#timer);
    this.onStatus('failed', error);
    this.#timer = setTimeout(() => {
      if (pc === this.pc && this.socket.ready) this.restart();
    }, this.#backoff);
    this.#backoff = Math.min(this.#backoff * 2, LAST_BACKOFF_MS);
  }
}
