// Watching by WHEP (draft-ietf-wish-whep): one offer, one answer, and by itself again when it is lost.

import { hasNoPicture, pause } from './state.js';

/** @typedef {import('./state.js').Link} Link */

/** No picture for so long on a connection that stands, while the camera says it is live. */
const STALLED_MS = 5000;
/** A connection that is not there after this time is tried anew. */
const CONNECT_MS = 10_000;

export class Whep {
  /** @type {RTCPeerConnection | null} */
  pc = null;
  #resource = '';
  #wanted = false;
  #nTries = 0;
  #timer = 0;
  #watch = 0;
  #lastFrame = 0;

  /**
   * @param {string} url of the endpoint
   * @param {HTMLVideoElement} video
   * @param {(link: Link, detail?: string) => void} onLink
   * @param {() => string} name as whom one watches; may be empty
   */
  constructor(url, video, onLink, name) {
    this.url = url;
    this.video = video;
    this.onLink = onLink;
    this.name = name;
  }

  start() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#nTries = 0;
    void this.#open();
  }

  /** Ends it, and says so. */
  stop() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#close();
    this.onLink('idle');
  }

  /** Frames are seen: the next loss is a first one. */
  plays() {
    this.#nTries = 0;
    this.onLink('playing');
  }

  /** Begins anew at once, where that is wanted at all. */
  again() {
    if (!this.#wanted) return;
    clearTimeout(this.#timer);
    this.#close();
    void this.#open();
  }

  #close() {
    clearTimeout(this.#watch);
    this.pc?.close();
    this.pc = null;
    // The page may be on its way out.
    if (this.#resource) fetch(this.#resource, { method: 'DELETE', keepalive: true }).catch(() => {});
    this.#resource = '';
  }

  /** @param {Link} link @param {string} [detail] */
  #fail(link, detail) {
    this.#close();
    if (!this.#wanted) return;
    this.onLink(link, detail);
    this.#nTries += 1;
    this.#timer = setTimeout(() => void this.#open(), pause(this.#nTries));
  }

  async #open() {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.pc = pc;
    this.frame();
    pc.addTransceiver('video', { direction: 'recvonly' });
    pc.addTransceiver('audio', { direction: 'recvonly' });
    const stream = new MediaStream();
    pc.addEventListener('track', ({ track }) => {
      stream.addTrack(track);
      if (this.pc === pc && this.video.srcObject !== stream) this.video.srcObject = stream;
    });
    pc.addEventListener('connectionstatechange', () => {
      if (this.pc === pc && ['failed', 'closed'].includes(pc.connectionState)) this.#fail('lost');
    });
    if (this.#nTries === 0) this.onLink('connecting');
    this.#watch = setTimeout(() => {
      if (this.pc === pc && pc.connectionState !== 'connected') this.#fail('lost');
    }, CONNECT_MS);
    try {
      await pc.setLocalDescription();
      // The box learns our addresses from our checks, so there is nothing to wait for.
      const answer = await this.#post(pc.localDescription?.sdp ?? '');
      if (this.pc !== pc || answer === null) return;
      if (hasNoPicture(answer)) return void this.#fail('refused', 'codec');
      await pc.setRemoteDescription({ type: 'answer', sdp: answer });
    } catch {
      if (this.pc === pc) this.#fail('lost');
    }
  }

  /** The answer; null where there is none, which has been told. @param {string} offer */
  async #post(offer) {
    const name = this.name();
    const url = name ? `${this.url}?name=${encodeURIComponent(name)}` : this.url;
    const pc = this.pc;
    const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: offer });
    const text = await answer.text();
    if (answer.ok) {
      const resource = answer.headers.get('Location') ?? '';
      if (this.pc === pc) this.#resource = resource;
      else fetch(resource, { method: 'DELETE' }).catch(() => {});
      return text;
    }
    if (this.pc !== pc) return null;
    const problem = parse(text);
    if (answer.status === 404) this.#fail('unknown');
    else if (problem.code === 'viewers-full') this.#fail('full');
    else this.#fail('refused', problem.detail);
    return null;
  }

  /** Nothing is shown though it should be: begins anew after a while. @param {boolean} stalls */
  stalled(stalls) {
    if (!stalls || !this.pc || this.pc.connectionState !== 'connected') return;
    if (performance.now() - this.#lastFrame > STALLED_MS) this.#fail('lost');
  }

  /** A frame was shown, or a new wait for one begins. */
  frame() {
    this.#lastFrame = performance.now();
  }
}

/** @param {string} text @returns {{ code: string, detail: string }} */
function parse(text) {
  try {
    const { code = '', detail = '' } = JSON.parse(text);
    return { code, detail };
  } catch {
    return { code: '', detail: '' };
  }
}
