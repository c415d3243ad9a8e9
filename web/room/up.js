// What we send: one RTCPeerConnection a generation, offered by us, answered by the box.
//
// A source (microphone, camera, screen, its sound) gets its m-section when it first has a track and
// keeps it: off is `replaceTrack(null)`, another device is `replaceTrack`, and neither needs a new
// offer. A connection that failed, or that the box asks for anew, is a new one of the next
// generation with the same tracks.
//
// Candidates are not trickled: the box is ICE-lite and learns our addresses from our checks.

import { Encodings, firstEncodings } from './encodings.js';
import { RequestError } from './protocol.js';
import { Recovery } from './recovery.js';

/** @typedef {import('./protocol.js').TrackSource} TrackSource */
/** @typedef {'idle' | 'connecting' | 'connected' | 'failed'} UpStatus */

/**
 * A screen that is no longer shared is no track any more; a camera that is off is still one.
 * @param {TrackSource} source
 */
const isScreen = (source) => source === 'screen' || source === 'screenaudio';

export class Up {
  /** @type {RTCPeerConnection | null} */
  pc = null;
  /** @type {Map<TrackSource, MediaStreamTrack | null>} sources that were ever used */
  #tracks = new Map();
  /** @type {Map<TrackSource, RTCRtpTransceiver>} of this generation */
  #transceivers = new Map();
  /** Seconds since 2023, so that a page that returns to its place by token goes on above its past self. */
  #generation = Math.floor(Date.now() / 1000) - 1_700_000_000;
  /**
   * Offers of one connection go one after the other. The next connection begins a chain of its own: a
   * promise of one that was closed may never settle.
   * @type {Promise<void>}
   */
  #chain = Promise.resolve();
  /** Nothing is sent for now: the other of a pair has it directly. */
  #held = false;
  /** Something is to be offered; offers that were asked for meanwhile are one. */
  #dirty = false;
  #encodings = new Encodings();
  /** @type {RTCIceServer[]} */
  iceServers = [];

  /**
   * @param {import('./socket.js').Signal} socket ready means joined
   * @param {(status: UpStatus, error?: RequestError) => void} onStatus
   */
  constructor(socket, onStatus) {
    this.socket = socket;
    this.onStatus = onStatus;
    this.recovery = new Recovery(() => this.pc, onStatus, () => this.restart());
  }

  /**
   * Shows a track as this source, or nothing.
   * @param {TrackSource} source
   * @param {MediaStreamTrack | null} track
   */
  async set(source, track) {
    const before = this.#tracks.get(source);
    if (track === (before ?? null) && (track === null || this.#transceivers.has(source))) return;
    this.#tracks.set(source, track);
    if (!this.pc) {
      if (track) this.restart();
      return;
    }
    const transceiver = this.#transceivers.get(source);
    const news = !transceiver || (isScreen(source) && (!before || track === null));
    if (transceiver) await this.#send(source, transceiver);
    if (news) this.#publish();
  }

  /**
   * Sends nothing while held, and all again after that; what is published stays published.
   * @param {boolean} held
   */
  hold(held) {
    if (held === this.#held) return;
    this.#held = held;
    for (const [source, transceiver] of this.#transceivers) {
      this.#send(source, transceiver).catch((error) => console.warn('parlor: a track could not be replaced', error));
    }
  }

  /** @param {TrackSource} source @param {RTCRtpTransceiver} transceiver */
  async #send(source, { sender }) {
    const track = this.#held ? null : this.#tracks.get(source) ?? null;
    if (sender.track !== track) await sender.replaceTrack(track);
  }

  /**
   * Bits a second of the camera's picture, at most.
   * @param {number} maxBitrate
   */
  async setMaxBitrate(maxBitrate) {
    this.#encodings.maxBitrate = maxBitrate;
    await this.#settle();
  }

  /**
   * The box has said which layers somebody needs.
   * @param {import('./protocol.js').Layers} message
   */
  handleLayers(message) {
    if (!this.pc || message.generation !== this.#generation) return;
    this.#encodings.want(message.tracks);
    void this.#settle();
  }

  async #settle() {
    await Promise.all([...this.#transceivers].map(([source, transceiver]) => this.#encodings.settle(source, transceiver)));
  }

  /** True while media goes by this connection. */
  get stands() {
    return this.pc?.connectionState === 'connected' && !this.recovery.doubted;
  }

  /** A new connection with what is to be sent; none if nothing is. */
  restart() {
    this.#drop();
    this.#encodings.want({}); // a new connection begins with all layers
    if (![...this.#tracks.values()].some((track) => track !== null)) return this.onStatus('idle');
    if (!this.socket.ready) return; // `session.js` calls again after the next `joined`
    this.#generation += 1;
    const pc = new RTCPeerConnection({ iceServers: this.iceServers, bundlePolicy: 'max-bundle' });
    this.pc = pc;
    this.recovery.follow(pc);
    this.onStatus('connecting');
    this.#publish();
  }

  /** Nothing is sent any more; tracks are forgotten, not stopped. */
  close() {
    this.#tracks.clear();
    this.#drop();
  }

  #drop() {
    this.recovery.stop();
    const pc = this.pc;
    this.pc = null;
    this.#chain = Promise.resolve();
    this.#dirty = false;
    this.#transceivers.clear();
    if (!pc) return;
    pc.onconnectionstatechange = null;
    pc.close();
  }

  #publish() {
    const pc = this.pc;
    this.#dirty = true;
    this.#chain = this.#chain.then(() => this.#offer(pc)).catch((error) => {
      if (pc !== this.pc || !pc) return;
      if (error instanceof RequestError && error.code === 'socket-lost') return; // joined again, then anew
      this.recovery.failed(pc, error instanceof RequestError ? error : undefined);
    });
  }

  /** @param {RTCPeerConnection | null} pc */
  async #offer(pc) {
    if (!pc || pc !== this.pc || !this.#dirty) return;
    this.#dirty = false;
    for (const [source, track] of this.#tracks) {
      if (track && !this.#transceivers.has(source)) this.#transceivers.set(source, this.#section(pc, source, track));
    }
    await pc.setLocalDescription();
    if (pc !== this.pc) return;
    const tracks = [...this.#transceivers].flatMap(([source, { mid }]) => (
      mid === null || (isScreen(source) && !this.#tracks.get(source)) ? [] : [{ mid, source }]));
    const sdp = pc.localDescription?.sdp ?? '';
    const answer = await this.socket.request({ type: 'publish', generation: this.#generation, sdp, tracks });
    if (pc !== this.pc || answer.type !== 'published' || answer.generation !== this.#generation) return;
    await pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
    // A device may have been changed while the offer was under way.
    for (const [source, transceiver] of this.#transceivers) {
      if (pc !== this.pc) return;
      await this.#send(source, transceiver);
    }
  }

  /**
   * @param {RTCPeerConnection} pc
   * @param {TrackSource} source
   * @param {MediaStreamTrack} track
   */
  #section(pc, source, track) {
    const sendEncodings = firstEncodings(source, this.#encodings.maxBitrate);
    const transceiver = pc.addTransceiver(track, { direction: 'sendonly', sendEncodings });
    if (this.#held) void this.#send(source, transceiver);
    return transceiver;
  }
}
