// The way into a room and out of it: the picture before joining, the question for devices, joining,
// leaving. What is drawn meanwhile is `preview` and `step`.

import { permission } from './media/devices.js';
import { mediaNotice } from './notice.js';
import { folded } from './presence.js';
import { RequestError } from './protocol.js';
import { recall, remember } from '../shared/storage.js';

/** Whoever has waited this long is offered other ways on. */
const SLOW_MS = 1500;

/** @typedef {import('./state.js').PageState} PageState */
/** @typedef {import('./state.js').PageEvent} PageEvent */
/** @typedef {import('../shared/i18n/index.js').Key} Key */

export class Entrance {
  /** What joining waits for. @type {Key | null} */
  step = null;
  /** @type {{ asked: boolean, starting: boolean, fault: Key | null }} */
  preview = { asked: false, starting: false, fault: null };
  /** The browser's question, or the box's answer, takes long: there are other ways on. */
  slow = false;
  /** @type {(way: 'without' | 'cancel') => void} */
  #choose = () => {};

  /**
   * @param {object} wires
   * @param {() => PageState} wires.state
   * @param {(event: PageEvent) => void} wires.dispatch
   * @param {import('./media/own.js').OwnMedia} wires.media
   * @param {import('./session.js').Session} wires.session
   * @param {() => void} wires.entered
   * @param {() => void} wires.left before the room's view goes
   * @param {(error: RequestError) => void} wires.refused why one is not let in
   * @param {() => void} wires.outside the join page is drawn
   */
  constructor(wires) {
    this.wires = wires;
  }

  /** @param {string} room @param {string} name @param {string} password */
  async join(room, name, password) {
    const { state, dispatch, session, entered, refused } = this.wires;
    if (state().phase !== 'join') return;
    remember('name', name);
    remember('room', room);
    for (const { key } of state().notices) dispatch({ type: 'notice-over', key });
    this.step = 'asking';
    dispatch({ type: 'joining', room });
    const late = setTimeout(() => {
      this.slow = true;
      dispatch({ type: 'media' });
    }, SLOW_MS);
    try {
      const faults = await this.#ask({ camera: state().cam, microphone: state().mic });
      this.step = 'connecting';
      dispatch({ type: 'media', mic: state().mic && faults.microphone === null, cam: state().cam && faults.camera === null });
      await session.join(room, name, password);
      const trouble = mediaNotice(faults.camera, faults.microphone);
      if (trouble) dispatch({ type: 'notice', notice: trouble });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      dispatch({ type: 'left' });
      if (error.code !== 'cancelled') refused(error);
      return;
    } finally {
      clearTimeout(late);
      this.step = null;
      this.slow = false;
      dispatch({ type: 'media' });
    }
    const path = `/r/${encodeURIComponent(state().room)}`;
    if (location.pathname !== path) history.pushState(null, '', path);
    entered();
  }

  /** Joins although the browser's question is open: the others neither see nor hear us. */
  without() {
    this.#choose('without');
  }

  /** Does not join after all. */
  cancel() {
    this.#choose('cancel');
    if (this.step === 'connecting') this.wires.session.leave();
  }

  leave() {
    this.wires.session.leave();
    this.back();
  }

  /**
   * Opens devices, with the browser's question; the user may go on without an answer.
   * @param {{ camera: boolean, microphone: boolean }} want
   */
  async #ask(want) {
    const { dispatch, media } = this.wires;
    /** @type {Promise<'without' | 'cancel'>} */
    const otherwise = new Promise((resolve) => { this.#choose = resolve; });
    const answer = await Promise.race([media.prepare(want), otherwise]);
    this.preview = { asked: answer !== 'cancel', starting: false, fault: null };
    if (answer !== 'without' && answer !== 'cancel') return answer;
    media.abandon();
    if (answer === 'cancel') throw new RequestError('cancelled', '');
    dispatch({ type: 'media', mic: false, cam: false });
    return { camera: null, microphone: null };
  }

  /** The stay is over. */
  back() {
    const { dispatch, media, left, outside } = this.wires;
    media.stopAll();
    this.preview = { asked: false, starting: false, fault: null };
    left();
    dispatch({ type: 'left' });
    queueMicrotask(outside); // after the view has changed
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

/** What this device was told in its settings: the room that it joins by itself. */
const ALONE = 'joins-alone';

/** @param {string} room empty: none */
export const joinAlone = (room) => remember(ALONE, room);

/** Whether this device joins this room by itself. @param {string} room */
export const isToldToJoin = (room) => room !== '' && folded(recall(ALONE)) === folded(room.trim());

/**
 * Wall tablets and TVs join at once: where they were told so, so that no link takes anybody into a room
 * unasked, and where no question would come.
 * @param {string} room
 */
export async function joinsAlone(room) {
  if (!isToldToJoin(room)) return false;
  const all = await (navigator.mediaDevices?.enumerateDevices() ?? Promise.resolve([])).catch(() => []);
  const answers = await Promise.all([
    all.some((device) => device.kind === 'videoinput') ? permission('camera') : 'none',
    all.some((device) => device.kind === 'audioinput') ? permission('microphone') : 'none',
  ]);
  return !answers.includes('prompt');
}
