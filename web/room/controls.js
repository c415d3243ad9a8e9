// What the user does with their own devices, on the join page and in the room: on, off, another one,
// the screen. Brings together the devices (`media/own.js`), the box (`session.js`) and the state; asks
// nobody and draws nothing.

import { recallSession, remember } from '../shared/storage.js';
import { notice, mediaNotice } from './notice.js';

/** @typedef {import('./state.js').PageState} PageState */
/** @typedef {import('./state.js').PageEvent} PageEvent */
/** @typedef {import('./state.js').TileModel} TileModel */
/** @typedef {import('./media/own.js').OwnMedia} OwnMedia */
/** @typedef {import('./media/own.js').Source} Source */
/** @typedef {import('./session.js').Session} Session */

export class Controls {
  #talking = false;
  /** @type {Record<Source, boolean>} */
  #present = { camera: true, microphone: true };

  /**
   * @param {object} wires
   * @param {() => PageState} wires.state
   * @param {(event: PageEvent) => void} wires.dispatch
   * @param {OwnMedia} wires.media
   * @param {Session} wires.session
   * @param {() => boolean} wires.asked permission was given or refused, or needs no question
   * @param {() => void} wires.plugged a device came where none was, before joining
   */
  constructor(wires) {
    this.wires = wires;
  }

  /** @param {TileModel} model */
  tracksOf(model) {
    const { media, session } = this.wires;
    if (model.own) return { video: this.wires.state().cam ? media.tracks.camera : null, audio: null };
    const track = (/** @type {import('./protocol.js').TrackSource} */ source, /** @type {string | null} */ mid) => {
      const direct = session.direct.track(model.member.id, source);
      return direct !== undefined || mid === null ? direct ?? null : session.down.track(mid);
    };
    return {
      video: track(model.screen ? 'screen' : 'camera', model.videoMid),
      audio: track(model.screen ? 'screenaudio' : 'microphone', model.audioMid),
    };
  }

  /** What there is goes to the box; nothing happens outside a room. */
  async send() {
    const { state, media, session: { up, direct } } = this.wires;
    if (state().phase !== 'room') return;
    /** @type {[import('./protocol.js').TrackSource, MediaStreamTrack | null][]} */
    const tracks = [
      ['microphone', media.tracks.microphone], ['camera', media.tracks.camera],
      ['screen', media.screen?.video ?? null], ['screenaudio', media.screen?.audio ?? null],
    ];
    for (const [source, track] of tracks) direct.set(source, track);
    await Promise.all(tracks.map(([source, track]) => up.set(source, track))).catch((error) => console.warn('parlor: a track could not be replaced', error));
  }

  /** The switch of a source is pressed. @param {Source} source */
  toggle(source) {
    const { mic, cam } = this.wires.state();
    const on = source === 'camera' ? !cam : !mic;
    // A reload must not unmute.
    remember(OFF[source], on ? '' : 'off', 'session');
    return this.turn(source, on);
  }

  /** Devices have come or gone: a switch is on only where there is what it switches. */
  look() {
    const { state, dispatch, media, plugged } = this.wires;
    for (const source of SOURCES) {
      const there = media.present[source];
      if (there === this.#present[source]) continue;
      this.#present[source] = there;
      if (there) dispatch({ type: 'device-well', source });
      if (state().phase !== 'join') continue;
      dispatch({ type: 'media', [field(source)]: there && switchedOn(source) });
      if (there) plugged();
    }
  }

  /** @param {Source} source @param {boolean} on */
  async turn(source, on) {
    const { state, dispatch, media, session, asked } = this.wires;
    dispatch({ type: 'media', [field(source)]: on });
    // Before joining and before permission the switch is a wish; pressing Join asks.
    if (state().phase === 'join' && !asked() && on) return;
    const fault = await media.turn(source, on);
    if (fault !== null) this.#failed(source, fault);
    else if (on) dispatch({ type: 'device-well', source });
    session.tellState(state().mic, state().cam);
  }

  /** @param {Source | 'speaker'} kind @param {string} id */
  async choose(kind, id) {
    const { state, media, session } = this.wires;
    const fault = await media.choose(kind, id);
    if (fault === null || kind === 'speaker') return;
    this.#failed(kind, fault);
    session.tellState(state().mic, state().cam);
  }

  /** The next camera: on a phone the other side. */
  async flip() {
    const fault = await this.wires.media.flip();
    if (fault !== null) this.#failed('camera', fault);
  }

  /** What is done to one's own sound. @param {import('./media/devices.js').Treatment} treatment @param {boolean} on */
  async treat(treatment, on) {
    const fault = await this.wires.media.treat(treatment, on);
    if (fault !== null) this.#failed('microphone', fault);
  }

  /** A device was unplugged. @param {Source} source */
  gone(source) {
    const { state, dispatch, session } = this.wires;
    dispatch({ type: 'media', [field(source)]: false });
    dispatch({ type: 'notice', notice: notice(source === 'camera' ? 'cameraGone' : 'microphoneGone', 'warn', ['dismiss']) });
    session.tellState(state().mic, state().cam);
  }

  toggleScreen() {
    if (this.wires.media.screen) this.stopSharing();
    else void this.#share();
  }

  stopSharing() {
    this.wires.media.stopSharing();
  }

  /** Push to talk. @param {boolean} down */
  talk(down) {
    if (down === this.#talking || (down && this.wires.state().mic)) return;
    this.#talking = down;
    void this.turn('microphone', down);
  }

  async #share() {
    const { dispatch, media } = this.wires;
    try {
      await media.share();
    } catch (error) {
      // NotAllowedError is the user's own "cancel", unless the system said it.
      const system = error instanceof Error && (error.name !== 'NotAllowedError' || /system/i.test(error.message));
      if (system) dispatch({ type: 'notice', notice: notice('shareFailed', 'warn', ['dismiss']) });
    }
  }

  /** @param {Source} source @param {import('./media/devices.js').MediaFault} fault */
  #failed(source, fault) {
    const { dispatch } = this.wires;
    dispatch({ type: 'media', [field(source)]: false });
    const trouble = mediaNotice(source === 'camera' ? fault : null, source === 'microphone' ? fault : null);
    if (trouble) dispatch({ type: 'notice', notice: trouble });
  }
}

/** @type {Source[]} */
const SOURCES = ['camera', 'microphone'];
/** Where this tab remembers that somebody has switched it off. @type {Record<Source, string>} */
const OFF = { camera: 'camera-off', microphone: 'microphone-off' };

/** As this tab's user has left the switch. @param {Source} source */
export const switchedOn = (source) => recallSession(OFF[source]) === '';

/** @param {Source} source */
const field = (source) => (source === 'camera' ? 'cam' : 'mic');
