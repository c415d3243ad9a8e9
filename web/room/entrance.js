// The way into a room and out of it: the picture before joining, the question for devices, joining,
// leaving. What is drawn meanwhile is `preview` and `step`.

import { permission } from './media/devices.js';
import { mediaNotice, refusalNotice } from './notice.js';
import { RequestError } from './protocol.js';
import { remember } from '../shared/storage.js';

/** @typedef {import('./state.js').PageState} PageState */
/** @typedef {import('./state.js').PageEvent} PageEvent */
/** @typedef {import('../shared/i18n/index.js').Key} Key */

export class Entrance {
  /** What joining waits for. @type {Key | null} */
  step = null;
  /** @type {{ asked: boolean, starting: boolean, fault: Key | null }} */
  preview = { asked: false, starting: false, fault: null };

  /**
   * @param {object} wires
   * @param {() => PageState} wires.state
   * @param {(event: PageEvent) => void} wires.dispatch
   * @param {import('./media/own.js').OwnMedia} wires.media
   * @param {import('./session.js').Session} wires.session
   * @param {() => void} wires.entered
   * @param {() => void} wires.left
   */
  constructor(wires) {
    this.wires = wires;
  }

  /** @param {string} room @param {string} name */
  async join(room, name) {
    const { state, dispatch, media, session, entered } = this.wires;
    if (state().phase !== 'join') return;
    remember('name', name);
    remember('room', room);
    for (const { key } of state().notices) dispatch({ type: 'notice-over', key });
    dispatch({ type: 'joining', room });
    this.step = 'asking';
    const faults = await media.prepare({ camera: state().cam, microphone: state().mic });
    this.preview = { asked: true, starting: false, fault: null };
    dispatch({ type: 'media', mic: state().mic && faults.microphone === null, cam: state().cam && faults.camera === null });
    this.step = 'connecting';
    try {
      await session.join(room, name);
    } catch (error) {
      this.step = null;
      dispatch({ type: 'left' });
      if (error instanceof RequestError) dispatch({ type: 'notice', notice: refusalNotice(error) });
      return;
    }
    this.step = null;
    const trouble = mediaNotice(faults.camera, faults.microphone);
    if (trouble) dispatch({ type: 'notice', notice: trouble });
    const path = `/r/${encodeURIComponent(state().room)}`;
    if (location.pathname !== path) history.pushState(null, '', path);
    entered();
  }

  leave() {
    this.wires.session.leave();
    this.back();
  }

  /** The stay is over. */
  back() {
    const { dispatch, media, left } = this.wires;
    media.stopAll();
    this.preview = { asked: false, starting: false, fault: null };
    left();
    dispatch({ type: 'left' });
    void this.startPreview();
  }

  /** The picture on the join page without a question, where the browser remembers the answer. */
  async startPreview() {
    const { state, media } = this.wires;
    await media.refreshDevices();
    const [camera, microphone] = await Promise.all([permission('camera'), permission('microphone')]);
    if (state().phase !== 'join' || (camera !== 'granted' && microphone !== 'granted')) return;
    await this.#open({ camera: state().cam && camera === 'granted', microphone: state().mic && microphone === 'granted' });
  }

  async showPicture() {
    const { state, dispatch } = this.wires;
    dispatch({ type: 'media', cam: true });
    await this.#open({ camera: true, microphone: state().mic });
  }

  /** @param {{ camera: boolean, microphone: boolean }} want */
  async #open(want) {
    const { dispatch, media } = this.wires;
    this.preview = { asked: true, starting: want.camera, fault: null };
    dispatch({ type: 'media' });
    const faults = await media.prepare(want);
    const fault = mediaNotice(faults.camera, faults.microphone);
    this.preview = { asked: true, starting: false, fault: faults.camera && fault ? /** @type {Key} */ (fault.key) : null };
    dispatch({ type: 'media' });
  }
}

/** Wall tablets and TVs join at once where no question would come. */
export async function joinsAlone() {
  const all = await (navigator.mediaDevices?.enumerateDevices() ?? Promise.resolve([])).catch(() => []);
  const answers = await Promise.all([
    all.some((device) => device.kind === 'videoinput') ? permission('camera') : 'none',
    all.some((device) => device.kind === 'audioinput') ? permission('microphone') : 'none',
  ]);
  return !answers.includes('prompt');
}
