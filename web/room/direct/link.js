// One direct connection to another browser. It has the same four m-sections from its first moment to its
// last, each for both ways: whatever is switched on, off or shared later is `replaceTrack`, and nothing is
// ever offered anew. One offers, the other answers, both trickle.

/** @typedef {import('../protocol.js').PeerSignal} PeerSignal */
/** @typedef {import('../protocol.js').TrackSource} TrackSource */

/** @type {TrackSource[]} */
const SECTIONS = ['microphone', 'camera', 'screen', 'screenaudio'];
const SCREEN_BITRATE = 2_500_000;
/** A path that comes back within this time is left alone. */
const DISCONNECTED_MS = 1500;

/** @param {TrackSource} source */
const kindOf = (source) => (source === 'camera' || source === 'screen' ? 'video' : 'audio');

export class DirectLink {
  /** @type {Map<TrackSource, RTCRtpTransceiver>} */
  #sections = new Map();
  /** @type {Map<TrackSource, MediaStreamTrack | null>} */
  #tracks;
  /** @type {RTCIceCandidateInit[]} that came before the description they belong to */
  #early = [];
  /** One thing after the other. @type {Promise<void>} */
  #chain = Promise.resolve();
  #timer = 0;
  #closed = false;
  #maxBitrate;

  /**
   * @param {object} wires
   * @param {RTCIceServer[]} wires.iceServers
   * @param {boolean} wires.offers
   * @param {Map<TrackSource, MediaStreamTrack | null>} wires.tracks
   * @param {number} wires.maxBitrate of the camera's picture
   * @param {(signal: PeerSignal) => void} wires.say
   * @param {() => void} wires.broken
   */
  constructor(wires) {
    this.wires = wires;
    this.#tracks = new Map(wires.tracks);
    this.#maxBitrate = wires.maxBitrate;
    this.pc = new RTCPeerConnection({ iceServers: wires.iceServers, bundlePolicy: 'max-bundle' });
    this.pc.onicecandidate = ({ candidate }) => {
      const mid = candidate?.sdpMid ?? undefined;
      wires.say({ kind: 'candidate', candidate: candidate?.candidate || null, ...(mid === undefined ? {} : { mid }) });
    };
    this.pc.onconnectionstatechange = () => this.#changed();
    if (wires.offers) this.#next(() => this.#offer());
  }

  /** @param {PeerSignal} signal */
  hear(signal) {
    this.#next(async () => {
      if (signal.kind === 'candidate') await this.#addCandidate(signal);
      else if (signal.kind === 'offer' && !this.wires.offers) await this.#answer(signal);
      else if (signal.kind === 'answer' && this.wires.offers) await this.#describe({ type: 'answer', sdp: signal.sdp });
    });
  }

  /** @param {TrackSource} source @param {MediaStreamTrack | null} track */
  set(source, track) {
    this.#tracks.set(source, track);
    this.#next(() => this.#send(source));
  }

  /** @param {number} maxBitrate bits a second of the camera's picture, at most */
  setMaxBitrate(maxBitrate) {
    this.#maxBitrate = maxBitrate;
    this.#next(() => this.#limit('camera'));
  }

  /** @param {TrackSource} source */
  receiver(source) {
    return this.#sections.get(source)?.receiver ?? null;
  }

  /** What the m-sections are for. */
  get sources() {
    return new Map([...this.#sections].flatMap(([source, { mid }]) => (mid === null ? [] : [[mid, source]])));
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.pc.onconnectionstatechange = null;
    this.pc.onicecandidate = null;
    this.pc.close();
  }

  async #offer() {
    for (const source of SECTIONS) {
      const limits = this.#limits(source);
      this.#sections.set(source, this.pc.addTransceiver(this.#tracks.get(source) ?? kindOf(source), {
        direction: 'sendrecv', ...(limits === null ? {} : { sendEncodings: [limits] }),
      }));
    }
    await this.pc.setLocalDescription();
    const tracks = [...this.#sections].flatMap(([source, { mid }]) => (mid === null ? [] : [{ mid, source }]));
    this.wires.say({ kind: 'offer', sdp: this.pc.localDescription?.sdp ?? '', tracks });
  }

  /** @param {Extract<PeerSignal, { kind: 'offer' }>} offer */
  async #answer({ sdp, tracks }) {
    await this.pc.setRemoteDescription({ type: 'offer', sdp });
    for (const { mid, source } of tracks) {
      const section = this.pc.getTransceivers().find((transceiver) => transceiver.mid === mid);
      if (!section || this.#sections.has(source) || section.receiver.track.kind !== kindOf(source)) continue;
      section.direction = 'sendrecv';
      this.#sections.set(source, section);
      await this.#send(source);
    }
    await this.pc.setLocalDescription();
    this.wires.say({ kind: 'answer', sdp: this.pc.localDescription?.sdp ?? '' });
    await Promise.all([this.#limit('camera'), this.#limit('screen'), this.#addEarly()]);
  }

  /** @param {RTCSessionDescriptionInit} description */
  async #describe(description) {
    await this.pc.setRemoteDescription(description);
    await this.#addEarly();
  }

  /** @param {Extract<PeerSignal, { kind: 'candidate' }>} signal */
  async #addCandidate({ candidate, mid }) {
    // The end of candidates is no candidate that all browsers take.
    if (candidate === null) return;
    const found = { candidate, sdpMid: mid ?? '0' };
    if (this.pc.remoteDescription === null) this.#early.push(found);
    // One that this browser does not understand does not spoil the others.
    else await this.pc.addIceCandidate(found).catch(() => {});
  }

  async #addEarly() {
    for (const found of this.#early.splice(0)) await this.pc.addIceCandidate(found).catch(() => {});
  }

  /** @param {TrackSource} source */
  async #send(source) {
    const sender = this.#sections.get(source)?.sender;
    const track = this.#tracks.get(source) ?? null;
    if (sender && sender.track !== track) await sender.replaceTrack(track);
  }

  /** @param {TrackSource} source @returns {RTCRtpEncodingParameters | null} */
  #limits(source) {
    if (source === 'camera') return { maxBitrate: this.#maxBitrate };
    return source === 'screen' ? { maxBitrate: SCREEN_BITRATE } : null;
  }

  /** @param {TrackSource} source */
  async #limit(source) {
    const sender = this.#sections.get(source)?.sender;
    const limits = this.#limits(source);
    const parameters = sender?.getParameters();
    const [encoding] = parameters?.encodings ?? [];
    if (!sender || !parameters || !encoding || limits === null || encoding.maxBitrate === limits.maxBitrate) return;
    encoding.maxBitrate = limits.maxBitrate;
    await sender.setParameters(parameters).catch((error) => console.warn('parlor: encodings were not changed', error));
  }

  #changed() {
    clearTimeout(this.#timer);
    const state = this.pc.connectionState;
    if (state === 'failed') this.wires.broken();
    else if (state === 'disconnected') this.#timer = setTimeout(() => this.wires.broken(), DISCONNECTED_MS);
  }

  /** @param {() => Promise<void>} act */
  #next(act) {
    this.#chain = this.#chain.then(async () => {
      if (!this.#closed) await act();
    }).catch((error) => {
      if (this.#closed) return;
      console.warn('parlor: the direct connection could not be made', error);
      this.wires.broken();
    });
  }
}
