// Our own picture, sound and screen: which device, on or off, and what went wrong. Owns the tracks;
// sends nothing (that is `up.js`) and draws nothing.

import { QUALITIES, faultOf, listDevices, openBoth, openCamera, openMicrophone, openScreen, presentDevices } from './devices.js';
import { recall, remember } from '../../shared/storage.js';

/** @typedef {import('./devices.js').Choice} Choice */
/** @typedef {import('./devices.js').MediaFault} MediaFault */
/** @typedef {import('./devices.js').Quality} Quality */
/** @typedef {import('../views/device-boxes.js').Devices} Devices */
/** @typedef {'camera' | 'microphone'} Source */

/** @returns {Choice} */
function recalledChoice() {
  const quality = recall('quality');
  return {
    camera: recall('camera'), microphone: recall('microphone'), speaker: recall('speaker'),
    noiseSuppression: recall('noiseSuppression') !== 'off', echoCancellation: recall('echoCancellation') !== 'off',
    autoGainControl: recall('autoGainControl') !== 'off',
    quality: Object.hasOwn(QUALITIES, quality) ? /** @type {Quality} */ (quality) : 'auto',
  };
}

export class OwnMedia {
  /** @type {Record<Source, MediaStreamTrack | null>} */
  tracks = { camera: null, microphone: null };
  /** @type {{ video: MediaStreamTrack, audio: MediaStreamTrack | null } | null} */
  screen = null;
  choice = recalledChoice();
  /** @type {Devices} */
  devices = { camera: [], microphone: [], speaker: [] };
  /** Whether there is any such device. @type {Record<Source, boolean>} */
  present = { camera: true, microphone: true };
  /** Questions to the user that were given up are older than this. */
  #asking = 0;
  /** Whether each is to be on. @type {Record<Source, boolean>} */
  #on = { camera: true, microphone: true };
  /** @type {Promise<unknown>} devices are opened one after the other */
  #chain = Promise.resolve();

  /**
   * @param {object} ears
   * @param {() => void} ears.changed a track, a device list or a choice is another one
   * @param {(source: Source) => void} ears.gone a device was unplugged
   * @param {() => void} ears.screenEnded the browser's own button stopped the sharing
   */
  constructor(ears) {
    this.ears = ears;
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.refreshDevices());
  }

  async refreshDevices() {
    [this.devices, this.present] = await Promise.all([listDevices().catch(() => this.devices), presentDevices()]);
    this.ears.changed();
  }

  /**
   * Opens what is wanted and not open yet, with one question.
   * @param {{ camera: boolean, microphone: boolean }} want
   * @returns {Promise<Record<Source, MediaFault | null>>}
   */
  prepare(want) {
    if (want.camera) this.#on.camera = true;
    if (want.microphone) this.#on.microphone = true;
    return this.#next(async () => {
      const missing = { camera: want.camera && !this.tracks.camera, microphone: want.microphone && !this.tracks.microphone };
      if (!missing.camera && !missing.microphone) return { camera: null, microphone: null };
      const asking = this.#asking;
      const opened = await openBoth(this.choice, missing);
      if (asking !== this.#asking) {
        opened.camera?.stop();
        opened.microphone?.stop();
        return { camera: null, microphone: null };
      }
      if (opened.camera) this.#take('camera', opened.camera);
      if (opened.microphone) this.#take('microphone', opened.microphone);
      await this.refreshDevices();
      return { camera: opened.cameraFault, microphone: opened.microphoneFault };
    });
  }

  /** Whatever the user answers to a question that is open now comes too late. */
  abandon() {
    this.#asking += 1;
    // What is asked for next does not wait for that answer.
    this.#chain = Promise.resolve();
  }

  /**
   * Turns a source on or off. Camera off stops the device (its light goes out); microphone off
   * only silences it, so that it is back at once.
   * @param {Source} source
   * @param {boolean} on
   * @returns {Promise<MediaFault | null>}
   */
  turn(source, on) {
    this.#on[source] = on;
    if (source === 'microphone' && this.tracks.microphone) {
      this.tracks.microphone.enabled = on;
      this.ears.changed();
      return Promise.resolve(null);
    }
    return this.#next(async () => {
      if (this.#on[source] !== on) return null; // turned again meanwhile
      if (!on) {
        this.#drop(source);
        return null;
      }
      return this.tracks[source] ? null : this.#open(source);
    });
  }

  /**
   * Another device. The old one is closed first: some phones open one camera at a time.
   * @param {Source | 'speaker'} kind
   * @param {string} id empty is the default
   * @returns {Promise<MediaFault | null>}
   */
  choose(kind, id) {
    this.choice = { ...this.choice, [kind]: id };
    remember(kind, id);
    if (kind === 'speaker') {
      this.ears.changed();
      return Promise.resolve(null);
    }
    return this.#next(async () => {
      if (!this.tracks[kind]) return null;
      this.#stop(kind);
      return this.#open(kind);
    });
  }

  /** @param {Quality} quality */
  async chooseQuality(quality) {
    this.choice = { ...this.choice, quality };
    remember('quality', quality);
    const { width, height, frameRate } = QUALITIES[quality];
    await this.tracks.camera?.applyConstraints({
      width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: frameRate },
    }).catch(() => {}); // the encoder's limit holds all the same
    this.ears.changed();
  }

  /**
   * What is done to one's own sound. The device is opened anew: browsers take this for granted only then.
   * @param {import('./devices.js').Treatment} treatment @param {boolean} on
   * @returns {Promise<MediaFault | null>}
   */
  treat(treatment, on) {
    this.choice = { ...this.choice, [treatment]: on };
    remember(treatment, on ? '' : 'off');
    this.ears.changed();
    return this.#next(async () => {
      if (!this.tracks.microphone) return null;
      this.#stop('microphone');
      return this.#open('microphone');
    });
  }

  /** The next camera; on a phone that is the other side. @returns {Promise<MediaFault | null>} */
  flip() {
    const ids = this.devices.camera.map(({ deviceId }) => deviceId);
    const now = ids.indexOf(this.tracks.camera?.getSettings().deviceId ?? '');
    const next = ids[(now + 1) % ids.length];
    return next === undefined ? Promise.resolve(null) : this.choose('camera', next);
  }

  async share() {
    const screen = await openScreen();
    this.screen = screen;
    screen.video.onended = () => this.ears.screenEnded();
    this.ears.changed();
  }

  stopSharing() {
    this.screen?.video.stop();
    this.screen?.audio?.stop();
    this.screen = null;
    this.ears.changed();
  }

  /** Everything off, every light out. */
  stopAll() {
    this.#stop('camera');
    this.#stop('microphone');
    this.stopSharing();
  }

  /** @param {Source} source @returns {Promise<MediaFault | null>} */
  async #open(source) {
    try {
      this.#take(source, await (source === 'camera' ? openCamera(this.choice) : openMicrophone(this.choice)));
    } catch (error) {
      this.ears.changed();
      return faultOf(error);
    }
    await this.refreshDevices();
    return null;
  }

  /** @param {Source} source @param {MediaStreamTrack} track */
  #take(source, track) {
    this.#stop(source);
    if (source === 'camera' && !this.#on.camera) {
      track.stop(); // turned off while the device was starting
      return;
    }
    if (source === 'microphone') track.enabled = this.#on.microphone;
    this.tracks[source] = track;
    track.onended = () => {
      if (this.tracks[source] !== track) return;
      this.tracks[source] = null;
      this.ears.gone(source);
      this.ears.changed();
    };
    this.ears.changed();
  }

  /** @param {Source} source */
  #drop(source) {
    this.#stop(source);
    this.ears.changed();
  }

  /** @param {Source} source */
  #stop(source) {
    this.tracks[source]?.stop();
    this.tracks[source] = null;
  }

  /**
   * @template T
   * @param {() => Promise<T>} step
   * @returns {Promise<T>}
   */
  #next(step) {
    const result = this.#chain.then(step);
    this.#chain = result.catch(() => {});
    return result;
  }
}
