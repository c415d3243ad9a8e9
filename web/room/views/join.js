// The join page: who is there, how one looks and sounds, which room, which name, Join.

import { byId, make, setAttribute, setText, show } from '../../shared/dom.js';
import { joinNames, t } from '../../shared/i18n/index.js';
import { checkNickname, checkRoomName } from '../protocol.js';
import { DeviceBoxes } from './device-boxes.js';
import { drawLevel } from './level.js';

/** @typedef {import('../state.js').PageState} PageState */
/** @typedef {import('../../shared/i18n/index.js').Key} Key */
/** @typedef {{ name: string, kind: string }} Present */

/** @type {Record<'empty' | 'long' | 'forbidden', [Key, Key]>} */
const FAULTS = { empty: ['roomEmpty', 'nameEmpty'], long: ['roomLong', 'nameLong'], forbidden: ['roomForbidden', 'nameForbidden'] };
/** Names told before the rest is a number. */
const NAMES_TOLD = 4;
const ROOMS_SHOWN = 8;

/**
 * What the page has of the user's picture and sound.
 * @typedef {object} PreviewModel
 * @property {MediaStreamTrack | null} camera
 * @property {Record<'camera' | 'microphone', boolean>} present whether there is such a device
 * @property {boolean} asked permission was given or refused, or needs no question
 * @property {boolean} starting
 * @property {Key | null} fault
 */

export class JoinView {
  #view = byId('join-view', HTMLElement);
  #room = byId('join-room', HTMLInputElement);
  #name = byId('join-name', HTMLInputElement);
  #password = byId('join-password', HTMLInputElement);
  #button = byId('join-button', HTMLButtonElement);
  #video = byId('preview-video', HTMLVideoElement);
  #cover = byId('preview-cover', HTMLElement);
  #words = byId('preview-words', HTMLElement);
  #ask = byId('preview-ask', HTMLButtonElement);
  #presence = byId('presence', HTMLElement);
  #meter = byId('meter', HTMLElement);
  #ways = byId('join-ways', HTMLElement);
  #without = byId('join-without', HTMLButtonElement);
  #devicesButton = byId('devices-button', HTMLButtonElement);
  /** @type {MediaStreamTrack | null} */
  #track = null;
  /** @type {Key | null} */
  #step = null;
  #roomsDrawn = '';

  /**
   * @param {object} wires
   * @param {(room: string, name: string, password: string) => void} wires.join
   * @param {() => void} wires.without
   * @param {() => void} wires.cancel
   * @param {() => void} wires.showPicture
   * @param {(what: 'mic' | 'cam') => void} wires.toggle
   * @param {(kind: import('./device-boxes.js').DeviceKind, id: string) => void} wires.choose
   * @param {() => void} wires.testSound
   * @param {() => void} wires.roomTyped
   */
  constructor(wires) {
    this.wires = wires;
    this.boxes = new DeviceBoxes('join', wires.choose);
    byId('join-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    byId('mic-switch', HTMLButtonElement).addEventListener('click', () => wires.toggle('mic'));
    byId('cam-switch', HTMLButtonElement).addEventListener('click', () => wires.toggle('cam'));
    byId('speaker-test', HTMLButtonElement).addEventListener('click', () => wires.testSound());
    this.#without.addEventListener('click', () => wires.without());
    byId('join-cancel', HTMLButtonElement).addEventListener('click', () => wires.cancel());
    this.#ask.addEventListener('click', () => wires.showPicture());
    this.#room.addEventListener('input', () => {
      this.askPassword(null);
      wires.roomTyped();
    });
    this.#devicesButton.addEventListener('click', () => {
      const open = this.#view.classList.toggle('devices-open');
      this.#devicesButton.setAttribute('aria-expanded', String(open));
    });
  }

  get room() {
    return this.#room.value;
  }

  /** @param {string} room @param {string} name */
  fill(room, name) {
    if (room !== '') this.#room.value = room;
    if (name !== '') this.#name.value = name;
  }

  /** Puts the cursor where something is missing. */
  focus() {
    const empty = this.#room.value === '' ? this.#room : this.#name.value === '' ? this.#name : this.#button;
    empty.focus({ preventScroll: true });
  }

  /** Checks both fields, then joins. */
  submit() {
    const room = checkRoomName(this.#room.value);
    const name = checkNickname(this.#name.value);
    this.#fault('join-room-error', this.#room, 'fault' in room ? FAULTS[room.fault][0] : null);
    this.#fault('join-name-error', this.#name, 'fault' in name ? FAULTS[name.fault][1] : null);
    if ('fault' in room) return this.#room.focus();
    if ('fault' in name) return this.#name.focus();
    this.wires.join(room.name, name.name, this.#password.value);
  }

  /** The room has a password; null: it is not known to have one. @param {'passwordRequired' | 'passwordWrong' | null} why */
  askPassword(why) {
    show(byId('join-password-field', HTMLElement), why !== null);
    this.#password.value = '';
    this.#fault('join-password-error', this.#password, why);
    if (why !== null) this.#password.focus({ preventScroll: true });
  }

  /** @param {string} id @param {HTMLInputElement} input @param {Key | null} key */
  #fault(id, input, key) {
    const line = byId(id, HTMLElement);
    show(line, key !== null);
    setText(line, key === null ? '' : t(key));
    input.setAttribute('aria-invalid', String(key !== null));
  }

  /**
   * @param {PageState} state
   * @param {PreviewModel} preview
   * @param {{ step: Key | null, slow: boolean }} joining what joining waits for, and whether long already
   */
  render(state, preview, joining) {
    const { waiting } = state;
    const [step, slow] = waiting ? [/** @type {Key} */ ('waiting'), true] : [joining.step, joining.slow];
    show(this.#view, state.phase !== 'room');
    if (state.phase === 'room') return this.#setTrack(null);
    const busy = state.phase === 'joining';
    setText(this.#button, t(busy ? 'joining' : 'join'));
    this.#button.disabled = busy;
    this.#room.readOnly = busy;
    this.#name.readOnly = busy;
    this.#password.readOnly = busy;
    if (step !== null) setText(this.#presence, t(step));
    else if (this.#step !== null) setText(this.#presence, '');
    this.#step = step;
    show(this.#ways, busy && slow);
    show(this.#without, step === 'asking');
    show(byId('waiting-note', HTMLElement), waiting);
    for (const [id, on, there] of /** @type {const} */ ([['mic-switch', state.mic, preview.present.microphone], ['cam-switch', state.cam, preview.present.camera]])) {
      const button = byId(id, HTMLButtonElement);
      setAttribute(button, 'aria-checked', String(on));
      button.disabled = !there;
    }
    this.#renderPreview(state, preview);
    document.title = t('joinTitle');
  }

  /** @param {PageState} state @param {PreviewModel} preview */
  #renderPreview(state, preview) {
    this.#setTrack(state.cam ? preview.camera : null);
    show(this.#cover, this.#track === null);
    /** @type {Key} */
    let key = 'previewWhy';
    if (preview.fault) key = preview.fault;
    else if (preview.starting) key = 'previewStarting';
    else if (!preview.present.camera) key = 'previewNone';
    else if (preview.asked && !state.cam) key = 'previewOff';
    setText(this.#words, t(key));
    const retry = preview.fault !== null;
    show(this.#ask, (retry || (!preview.starting && !preview.asked)) && preview.present.camera);
    setText(this.#ask, t(retry ? 'tryAgain' : 'showPicture'));
  }

  /** @param {MediaStreamTrack | null} track */
  #setTrack(track) {
    if (track === this.#track) return;
    this.#track = track;
    this.#video.srcObject = track ? new MediaStream([track]) : null;
  }

  /** @param {import('./device-boxes.js').DevicesModel} model */
  renderDevices(model) {
    this.boxes.render(model);
  }

  /** @param {Present[] | null} members null is not known @param {import('../presence.js').Room[]} others */
  renderPresence(members, others) {
    this.#renderRooms(others);
    if (members === null) return setText(this.#presence, '');
    if (members.length === 0) return setText(this.#presence, t('presenceNobody'));
    const names = members.map(({ name, kind }) => (
      kind === 'camera' ? t('presenceCamera', { name }) : kind === 'stream' ? t('presenceStream', { name }) : name));
    const told = names.slice(0, names.length > NAMES_TOLD + 1 ? NAMES_TOLD : names.length);
    const rest = names.length - told.length;
    const text = rest > 0
      ? t('presenceMore', { names: told.join(document.documentElement.lang === 'en' ? ', ' : '、'), count: rest })
      : t(names.length === 1 ? 'presenceOne' : 'presenceMany', { names: joinNames(told) });
    setText(this.#presence, text);
  }

  /** Rooms with somebody in them: a press fills in the name. @param {import('../presence.js').Room[]} rooms */
  #renderRooms(rooms) {
    const wanted = JSON.stringify([document.documentElement.lang, rooms.map(({ name, members }) => [name, members.map((member) => member.name)])]);
    if (wanted === this.#roomsDrawn) return;
    this.#roomsDrawn = wanted;
    show(byId('rooms', HTMLElement), rooms.length > 0);
    byId('rooms-list', HTMLUListElement).replaceChildren(...rooms.slice(0, ROOMS_SHOWN).map(({ name, members }) => {
      const people = members.map((member) => member.name);
      const told = people.length > NAMES_TOLD ? [...people.slice(0, NAMES_TOLD), `+${people.length - NAMES_TOLD}`] : people;
      const button = make('button', { type: 'button', class: 'room-choice' },
        make('span', { class: 'room-choice-name', dir: 'auto', text: name }),
        make('span', { class: 'note', dir: 'auto', text: told.join(document.documentElement.lang === 'en' ? ', ' : '、') }));
      button.addEventListener('click', () => {
        this.#room.value = name;
        this.askPassword(null);
        this.wires.roomTyped();
        this.focus();
      });
      return make('li', {}, button);
    }));
  }

  /** @param {number} level 0 to 1 */
  setLevel(level) {
    drawLevel(this.#meter, level);
  }
}
