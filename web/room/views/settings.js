// The settings dialog: nickname, devices, quality, language and look, keys.

import { QUALITIES } from '../media/devices.js';
import { byId, make, setAttribute, setOptions, setText, show } from '../../shared/dom.js';
import { t } from '../../shared/i18n/index.js';
import { checkNickname } from '../protocol.js';
import { DeviceBoxes } from './device-boxes.js';
import { drawLevel } from './level.js';

/** @typedef {import('../state.js').PageState} PageState */
/** @typedef {import('../media/devices.js').Quality} Quality */
/** @typedef {import('../../shared/i18n/index.js').Key} Key */

/** @type {Record<Quality, Key>} */
const QUALITY_NAMES = { auto: 'qualityAuto', high: 'qualityHigh', standard: 'qualityStandard', low: 'qualityLow' };
/** @type {[string, Key][]} */
const KEYS = [
  ['M', 'keyM'], ['V', 'keyV'], ['D', 'keyD'], ['C', 'keyC'], ['S', 'keyS'], ['space', 'keySpace'], ['escape', 'keyEscape'], ['?', 'keyHelp'],
];
/** @type {[string, import('../media/devices.js').Treatment][]} */
const TREATMENTS = [['set-noise', 'noiseSuppression'], ['set-echo', 'echoCancellation'], ['set-gain', 'autoGainControl']];
/** @type {Record<'empty' | 'long' | 'forbidden', Key>} */
const NAME_FAULTS = { empty: 'nameEmpty', long: 'nameLong', forbidden: 'nameForbidden' };

/** @param {string} name @returns {name is Quality} */
const isQuality = (name) => Object.hasOwn(QUALITIES, name);

export class SettingsView {
  #dialog = byId('settings', HTMLDialogElement);
  #nickname = byId('nickname', HTMLInputElement);
  #error = byId('nickname-error', HTMLElement);
  #quality = byId('set-quality', HTMLSelectElement);
  #keys = byId('keys', HTMLElement);
  #keysButton = byId('show-keys', HTMLButtonElement);
  #video = byId('settings-video', HTMLVideoElement);
  #meter = byId('settings-meter', HTMLElement);
  /** @type {MediaStreamTrack | null} */
  #camera = null;

  /**
   * @param {object} wires
   * @param {(name: string) => Promise<void>} wires.rename
   * @param {(kind: import('./device-boxes.js').DeviceKind, id: string) => void} wires.choose
   * @param {(quality: Quality) => void} wires.quality
   * @param {(treatment: import('../media/devices.js').Treatment, on: boolean) => void} wires.treat
   * @param {(on: boolean) => void} wires.saver
   * @param {(on: boolean) => void} wires.sounds
   * @param {(on: boolean) => void} wires.alone this device joins this room by itself
   */
  constructor(wires) {
    this.wires = wires;
    this.boxes = new DeviceBoxes('set', wires.choose);
    this.#quality.addEventListener('change', () => {
      if (isQuality(this.#quality.value)) wires.quality(this.#quality.value);
    });
    for (const [id, treatment] of TREATMENTS) this.#onSwitch(id, (on) => wires.treat(treatment, on));
    this.#onSwitch('set-saver', (on) => wires.saver(on));
    this.#onSwitch('set-sounds', (on) => wires.sounds(on));
    this.#onSwitch('set-alone', (on) => wires.alone(on));
    byId('rename-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#rename();
    });
    this.#keysButton.addEventListener('click', () => this.#showKeys(this.#keys.hidden));
    for (const button of this.#dialog.querySelectorAll('.close-dialog')) {
      button.addEventListener('click', () => this.#dialog.close());
    }
    this.#dialog.addEventListener('close', () => this.#showPicture(this.#camera));
    // A press on the backdrop is a press on the dialog itself, outside what it holds.
    this.#dialog.addEventListener('click', (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
  }

  /** @param {string} id @param {(on: boolean) => void} told */
  #onSwitch(id, told) {
    const button = byId(id, HTMLButtonElement);
    button.addEventListener('click', () => told(button.getAttribute('aria-checked') !== 'true'));
  }

  /** @param {{ saver: boolean, sounds: boolean, alone: boolean }} on */
  renderSwitches(on) {
    setAttribute(byId('set-saver', HTMLButtonElement), 'aria-checked', String(on.saver));
    setAttribute(byId('set-sounds', HTMLButtonElement), 'aria-checked', String(on.sounds));
    setAttribute(byId('set-alone', HTMLButtonElement), 'aria-checked', String(on.alone));
  }

  /** @param {string} name @param {boolean} keys */
  open(name, keys) {
    this.#nickname.value = name;
    show(this.#error, false);
    this.#showKeys(keys);
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#showPicture(this.#camera);
  }

  /** Of one's own microphone. @param {number} level 0 to 1 */
  setLevel(level) {
    if (this.#dialog.open) drawLevel(this.#meter, level);
  }

  close() {
    if (this.#dialog.open) this.#dialog.close();
  }

  get isOpen() {
    return this.#dialog.open;
  }

  /** @param {import('./device-boxes.js').DevicesModel} model */
  render(model) {
    this.boxes.render(model);
    for (const [id, treatment] of TREATMENTS) setAttribute(byId(id, HTMLButtonElement), 'aria-checked', String(model.choice[treatment]));
    this.#showPicture(model.tracks.camera);
    const options = Object.entries(QUALITY_NAMES).map(([value, key]) => ({ value, label: t(key) }));
    setOptions(this.#quality, options, model.choice.quality);
    this.#keys.replaceChildren(...KEYS.flatMap(([key, what]) => [
      make('dt', {}, make('kbd', { text: key === 'space' || key === 'escape' ? t(key) : key })), make('dd', { text: t(what) }),
    ]));
  }

  /** One's own picture as it is now, while the dialog is open. @param {MediaStreamTrack | null} camera */
  #showPicture(camera) {
    this.#camera = camera;
    const shown = this.#dialog.open ? camera : null;
    const { srcObject } = this.#video;
    const before = srcObject instanceof MediaStream ? (srcObject.getVideoTracks()[0] ?? null) : null;
    if (before !== shown) this.#video.srcObject = shown ? new MediaStream([shown]) : null;
    show(this.#video, camera !== null);
  }

  async #rename() {
    const checked = checkNickname(this.#nickname.value);
    if ('fault' in checked) return this.#fail(NAME_FAULTS[checked.fault]);
    try {
      await this.wires.rename(checked.name);
    } catch {
      return this.#fail('renameFailed');
    }
    show(this.#error, false);
    this.#dialog.close();
  }

  /** @param {Key} key */
  #fail(key) {
    setText(this.#error, t(key));
    show(this.#error, true);
    this.#nickname.focus();
  }

  /** @param {boolean} shown */
  #showKeys(shown) {
    show(this.#keys, shown);
    this.#keysButton.setAttribute('aria-expanded', String(shown));
  }
}
