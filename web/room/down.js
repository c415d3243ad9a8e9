// What we receive: one RTCPeerConnection a generation, offered by the box, answered by us. Whose
// track an m-section shows is told by `mids` beside the offer, never by the SDP.

import { RequestError } from './protocol.js';
import { Recovery } from './recovery.js';
import { inStereo } from './stereo.js';

/** @typedef {import('./protocol.js').Offer} Offer */
/** @typedef {'connecting' | 'connected' | 'failed'} DownStatus */

export class Down {
  /** @type {RTCPeerConnection | null} */
  pc = null;
  #generation = 0;
  #revision = 0;
  /**
   * Offers of one connection are answered one after the other. The next connection begins a chain of
   * its own: a promise of one that was closed may never settle.
   * @type {Promise<void>}
   */
  #chain = Promise.resolve();
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
    this.recovery = new Recovery(() => this.pc, onStatus, () => {
      if (this.socket.ready) this.restart();
    });
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
    if (offer.generation < this.#generation) return;
    if (offer.generation > this.#generation || !this.pc) this.#open(offer.generation);
    const pc = this.pc;
    if (!pc) return;
    this.#chain = this.#chain.then(() => this.#answer(pc, offer)).catch((error) => {
      if (error instanceof RequestError && error.code === 'socket-lost') return; // joined again, then anew
      // The box offers something newer already, and that comes by itself.
      if (error instanceof RequestError && error.code === 'offer-unknown') return;
      if (pc !== this.pc) return;
      console.warn('parlor: the offer could not be answered', error);
      this.recovery.failed(pc, error instanceof RequestError ? error : undefined);
    });
  }

  /** Forgets everything: the next offer of any generation is taken. */
  close() {
    this.#drop();
    this.#generation = 0;
    this.#revision = 0;
    this.recovery.reset();
  }

  /** True while media comes or may come by this connection. */
  get stands() {
    return this.pc?.connectionState === 'connected' && !this.recovery.doubted;
  }

  /** Asks the box for a new connection. */
  restart() {
    this.recovery.expect();
    this.socket.request({ type: 'restart', direction: 'down' }).catch((error) => {
      console.warn('parlor: restart was refused', error);
    });
  }

  /** @param {RTCPeerConnection} pc @param {Offer} offer */
  async #answer(pc, offer) {
    if (pc !== this.pc || offer.revision <= this.#revision) return;
    this.#revision = offer.revision;
    await pc.setRemoteDescription({ type: 'offer', sdp: offer.sdp });
    if (pc !== this.pc) return;
    const answer = await pc.createAnswer();
    if (pc !== this.pc) return;
    await pc.setLocalDescription({ type: 'answer', sdp: inStereo(answer.sdp ?? '') });
    if (pc !== this.pc) return;
    const sdp = pc.localDescription?.sdp ?? '';
    this.onTracks();
    await this.socket.request({ type: 'answer', generation: offer.generation, revision: offer.revision, sdp });
  }

  /** @param {number} generation */
  #open(generation) {
    this.#drop();
    this.#generation = generation;
    this.#revision = -1;
    const pc = new RTCPeerConnection({ iceServers: this.iceServers, bundlePolicy: 'max-bundle' });
    this.pc = pc;
    this.recovery.follow(pc);
    this.onStatus('connecting');
  }

  #drop() {
    this.recovery.stop();
    const pc = this.pc;
    this.pc = null;
    this.#chain = Promise.resolve();
    if (!pc) return;
    pc.onconnectionstatechange = null;
    pc.close();
  }
}
