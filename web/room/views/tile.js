// <parlor-tile>: one picture with its name. It owns its <video> and <audio> for life; a redraw
// changes attributes and tracks, never the elements. It knows nobody: `views/room.js` tells it what
// to show and where.
//
//   data-state  connecting -> live (a frame was seen) ; muted (off by choice) ; lost
//   data-mic    on | off
//   data-path   direct | box | relay: how its media comes

import { unshowable } from '../media/codecs.js';
import { icon, make, setAttribute, setText, show } from '../../shared/dom.js';
import { faultSentence } from '../../shared/fault.js';
import { joinNames, t, timeOfDay } from '../../shared/i18n/index.js';
import { fullScreen } from '../keys.js';
import { hue, initials } from '../state.js';
import { TileFigures } from './tile-figures.js';

/** @typedef {import('../state.js').TileModel} TileModel */
/** @typedef {import('./layout.js').Rect} Rect */

const GLIDE_MS = 160;
const TOUCHED_MS = 4000;
/** A picture that came by another path is there by then. */
const MOVED_MS = 600;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

export class ParlorTile extends HTMLElement {
  #video = make('video', { autoplay: '', muted: '', playsinline: '', tabindex: '-1', 'aria-hidden': 'true' });
  #audio = make('audio', { autoplay: '' });
  #avatar = make('span', { class: 'avatar', 'aria-hidden': 'true' });
  #words = make('p', { class: 'tile-words' });
  #path = make('span', { class: 'path-badge' });
  #name = make('span', { class: 'tile-name' });
  #micMark = make('span', { class: 'mic-mark', role: 'img' }, icon('mic-off'));
  #watchers = make('span', { class: 'watchers', role: 'img' }, icon('eye'), make('span', {}));
  #figures = new TileFigures();
  #hand = make('span', { class: 'hand', role: 'img' }, icon('hand'));
  #pin = make('button', { class: 'tile-tool', type: 'button', 'aria-pressed': 'false' }, icon('pin'));
  #full = make('button', { class: 'tile-tool', type: 'button' }, icon('maximize'));
  #face = make('div', { class: 'face' }, make('div', { class: 'face-middle' }, this.#avatar, this.#words));
  /** @type {MediaStreamTrack | null} */
  #videoTrack = null;
  /** @type {MediaStreamTrack | null} */
  #audioTrack = null;
  #framesSeen = false;
  #touchTimer = 0;
  /** @type {TileModel | null} */
  #model = null;
  /** @type {Rect | null} */
  #rect = null;
  /** @type {() => void} the browser holds the sound back until a tap */
  onBlocked = () => {};
  /** @type {() => void} the first frame of a track was shown */
  onPicture = () => {};
  /** @type {() => void} the button that shows it large, or with the others again */
  onPin = () => {};

  connectedCallback() {
    if (this.#face.isConnected) return;
    this.setAttribute('role', 'group');
    this.#video.muted = true; // the attribute alone does not count for autoplay
    this.#video.disablePictureInPicture = true;
    this.#pin.addEventListener('click', () => this.onPin());
    this.#full.addEventListener('click', () => fullScreen(this));
    show(this.#full, document.fullscreenEnabled);
    const tools = make('div', { class: 'tile-tools' }, this.#pin, this.#full);
    // Pressed twice they are pressed twice; that is not a double click on the picture.
    tools.addEventListener('dblclick', (event) => event.stopPropagation());
    this.append(this.#video, this.#face, make('div', { class: 'tag' }, this.#micMark, this.#name, this.#path), this.#hand, this.#watchers, this.#figures.bars, this.#figures.panel, tools, this.#audio);
    this.addEventListener('pointerup', (event) => { if (event.pointerType !== 'mouse') this.#touched(); });
    // Frames of a hidden page are not painted, so there the clock of the element has to do.
    this.#video.addEventListener('timeupdate', () => {
      if (document.hidden || !('requestVideoFrameCallback' in this.#video)) this.#frame();
    });
  }

  /**
   * @param {TileModel} model
   * @param {MediaStreamTrack | null} videoTrack
   * @param {MediaStreamTrack | null} audioTrack
   * @param {boolean} pinned
   */
  show(model, videoTrack, audioTrack, pinned) {
    const { member } = model;
    const wasLive = this.#model?.expected === 'live';
    // The same picture by another path: it has been seen there, or it would not be shown from there.
    const moved = this.#model !== null && this.#model.path !== model.path;
    this.#model = model;
    if (moved && videoTrack && videoTrack !== this.#videoTrack) this.#moveVideo(videoTrack);
    else if (videoTrack !== this.#videoTrack || (model.expected === 'live' && !wasLive)) this.#setVideo(videoTrack);
    if (audioTrack !== this.#audioTrack) this.#setAudio(audioTrack);
    const name = model.screen ? t('screenOf', { name: member.name }) : member.name;
    setAttribute(this, 'aria-label', name);
    setText(this.#name, model.own ? t('youAre', { name }) : name);
    setText(this.#avatar, initials(member.name));
    this.style.setProperty('--hue', String(hue(member.name)));
    this.classList.toggle('own', model.own);
    this.classList.toggle('whole', model.screen || member.kind === 'camera' || member.kind === 'stream');
    setAttribute(this, 'data-kind', model.screen ? 'screen' : member.kind);
    this.classList.toggle('facing-away', model.own && videoTrack?.getSettings().facingMode === 'environment');
    setAttribute(this, 'data-mic', member.mic ? 'on' : 'off');
    show(this.#micMark, !member.mic && member.kind === 'person' && !model.screen);
    setAttribute(this.#micMark, 'aria-label', t('micOff'));
    this.#showPath(model.path);
    this.toggleAttribute('data-speaking', model.speaking && member.mic);
    show(this.#hand, member.hand === true && !model.screen);
    setAttribute(this.#hand, 'aria-label', t('handUp'));
    this.#showWatchers(model.screen ? [] : model.watchers);
    setAttribute(this.#pin, 'aria-pressed', String(pinned));
    for (const [button, key] of /** @type {const} */ ([[this.#pin, pinned ? 'showWithOthers' : 'showLarge'], [this.#full, 'fullScreen']])) {
      setAttribute(button, 'aria-label', t(key));
      setAttribute(button, 'title', t(key));
    }
    this.#showState();
  }

  /** How its picture is doing; null is not known. @param {import('../media/figures.js').Figures | null} figures */
  setFigures(figures) {
    this.#figures.show(this.dataset.state === 'live' ? figures : null);
  }

  /** @param {string[]} names */
  #showWatchers(names) {
    show(this.#watchers, names.length > 0);
    const words = names.length === 0 ? '' : t('watchedBy', { names: joinNames(names) });
    setAttribute(this.#watchers, 'aria-label', words);
    setAttribute(this.#watchers, 'title', words);
    setText(this.#watchers.lastElementChild ?? this.#watchers, String(names.length));
  }

  /**
   * Glides to its place; null hides it (its sound goes on).
   * @param {Rect | null} rect
   * @param {boolean} glide
   */
  place(rect, glide) {
    const before = this.#rect;
    this.#rect = rect;
    show(this, rect !== null);
    if (!rect || same(before, rect)) return;
    const to = `translate(${rect.x}px, ${rect.y}px)`;
    this.style.transform = to;
    this.style.width = `${rect.width}px`;
    this.style.height = `${rect.height}px`;
    this.style.setProperty('--w', `${rect.width}px`);
    this.style.setProperty('--h', `${rect.height}px`);
    setAttribute(this, 'data-size', rect.width < 150 || rect.height < 116 ? 'tiny' : rect.width < 300 ? 'small' : 'normal');
    if (!glide || calm.matches) return;
    const timing = { duration: GLIDE_MS, easing: 'ease-out' };
    if (!before) this.animate([{ opacity: 0 }, { opacity: 1 }], timing);
    else {
      const from = `translate(${before.x}px, ${before.y}px) scale(${before.width / rect.width}, ${before.height / rect.height})`;
      this.animate([{ transform: from }, { transform: to }], timing);
    }
  }

  /** @param {string} sinkId @returns {Promise<void>} */
  async setSpeaker(sinkId) {
    if ('setSinkId' in this.#audio) await this.#audio.setSinkId(sinkId);
  }

  /** Tries again after a tap. */
  playSound() {
    if (!this.#audioTrack) return;
    this.#audio.play().catch((error) => {
      if (error instanceof DOMException && error.name === 'NotAllowedError') this.onBlocked();
    });
  }

  /** Lets go of the tracks. */
  dispose() {
    this.#setVideo(null);
    this.#setAudio(null);
    this.remove();
  }

  /** @param {MediaStreamTrack | null} track */
  #setVideo(track) {
    if (track !== this.#videoTrack) {
      this.#videoTrack = track;
      this.#video.srcObject = track ? new MediaStream([track]) : null;
      if (track) this.#video.play().catch(() => {}); // muted pictures play by themselves; a newer track may cut in
    }
    this.#framesSeen = false;
    if (!track || !('requestVideoFrameCallback' in this.#video)) return;
    this.#video.requestVideoFrameCallback(() => {
      if (track === this.#videoTrack) this.#frame();
    });
  }

  /**
   * Another track of the same picture, in the stream that plays: the last frame stays until there is a next.
   * @param {MediaStreamTrack} track
   */
  #moveVideo(track) {
    const stream = this.#video.srcObject;
    // One whose picture has not been seen yet waits for its first frame as any does.
    if (!(stream instanceof MediaStream) || !this.#videoTrack || !this.#framesSeen) return this.#setVideo(track);
    // In this order: with two of them Chromium goes on with the first, and then with none.
    stream.removeTrack(this.#videoTrack);
    stream.addTrack(track);
    this.#videoTrack = track;
    if (!('requestVideoFrameCallback' in this.#video)) return;
    // Where a browser does not follow its stream it is given another.
    const late = setTimeout(() => {
      if (track === this.#videoTrack) this.#video.srcObject = new MediaStream([track]);
    }, MOVED_MS);
    this.#video.requestVideoFrameCallback(() => clearTimeout(late));
  }

  /** @param {MediaStreamTrack | null} track */
  #setAudio(track) {
    this.#audioTrack = track;
    this.#audio.srcObject = track ? new MediaStream([track]) : null;
    this.playSound();
  }

  /** @param {import('../state.js').MediaPath | null} path */
  #showPath(path) {
    if (path === null) this.removeAttribute('data-path');
    else setAttribute(this, 'data-path', path);
    const told = path === 'direct' || path === 'relay';
    show(this.#path, told);
    if (!told) return;
    setText(this.#path, t(path === 'direct' ? 'pathDirect' : 'pathRelay'));
    setAttribute(this.#path, 'title', t(path === 'direct' ? 'pathDirectWhy' : 'pathRelayWhy'));
  }

  /** Where nothing hovers, a tap shows the tools for a moment. */
  #touched() {
    this.classList.add('touched');
    clearTimeout(this.#touchTimer);
    this.#touchTimer = setTimeout(() => this.classList.remove('touched'), TOUCHED_MS);
  }

  #frame() {
    if (this.#framesSeen || !this.#videoTrack || this.#video.videoWidth === 0) return;
    this.#framesSeen = true;
    this.#showState();
    this.onPicture();
  }

  #showState() {
    const model = this.#model;
    if (!model) return;
    const state = model.expected === 'live' && !this.#framesSeen ? 'connecting' : model.expected;
    setAttribute(this, 'data-state', state);
    setText(this.#words, state === 'live' ? '' : words(model, state));
  }
}

/**
 * What a tile without a picture says.
 * @param {TileModel} model
 * @param {import('../state.js').PictureState} state
 */
function words({ member, own, screen, since, expected, saved }, state) {
  if (member.fault) return faultSentence(member.fault);
  if (state === 'muted') return t(saved ? 'savedPicture' : 'cameraOff');
  if (state === 'lost') {
    const text = t(member.kind === 'person' ? 'lostSince' : 'goneSince', { time: timeOfDay(since) });
    return member.reason ? `${text}\n${member.reason}` : text;
  }
  if (own) return t('ownStarting');
  const codec = unshowable(member, screen ? 'screen' : 'camera');
  if (codec !== null) return t('cannotShow', { codec });
  if (member.reason) return member.reason;
  return expected === 'connecting' ? t('waitPath', { name: member.name }) : t('waitPicture');
}

/** @param {Rect | null} one @param {Rect} other */
function same(one, other) {
  return one !== null && one.x === other.x && one.y === other.y && one.width === other.width && one.height === other.height;
}

customElements.define('parlor-tile', ParlorTile);
