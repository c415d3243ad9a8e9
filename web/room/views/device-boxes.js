// The boxes Camera, Microphone, Speaker: on the join page and in the settings dialog.

import { speakerAllowed } from '../media/devices.js';
import { byId, setOptions } from '../../shared/dom.js';
import { t } from '../../shared/i18n/index.js';

/** @typedef {'camera' | 'microphone' | 'speaker'} DeviceKind */
/** @typedef {Record<DeviceKind, MediaDeviceInfo[]>} Devices */
/** @typedef {import('../media/devices.js').Choice} Choice */
/**
 * What the boxes show.
 * @typedef {object} DevicesModel
 * @property {Devices} devices
 * @property {Choice} choice
 * @property {Record<'camera' | 'microphone', MediaStreamTrack | null>} tracks what is open
 * @property {Record<'camera' | 'microphone', boolean>} present whether there is any
 */

/** @type {DeviceKind[]} */
const KINDS = ['camera', 'microphone', 'speaker'];

export class DeviceBoxes {
  /**
   * @param {string} prefix of the ids
   * @param {(kind: DeviceKind, id: string) => void} choose
   */
  constructor(prefix, choose) {
    this.prefix = prefix;
    for (const kind of KINDS) {
      const box = this.#box(kind);
      box.addEventListener('change', () => choose(kind, box.value));
    }
  }

  /** @param {DevicesModel} model */
  render(model) {
    const { devices, choice } = model;
    for (const kind of KINDS) {
      const track = kind === 'speaker' ? null : model.tracks[kind];
      const missing = kind !== 'speaker' && !model.present[kind];
      const name = choice[kind] === '' ? (track?.label ?? '') : '';
      /** @type {import('../../shared/i18n/index.js').Key} */
      const plain = missing ? (kind === 'camera' ? 'noCamera' : 'noMicrophone') : kind === 'speaker' ? 'systemSpeaker' : 'defaultDevice';
      const first = name === '' ? t(plain) : t('defaultNamed', { name });
      // Chromium lists its own "default" beside the device that is it; ours stands for it.
      const named = devices[kind].filter((device) => device.deviceId !== 'default' && device.deviceId !== 'communications');
      const options = named.map((device, index) => ({
        value: device.deviceId, label: device.label || t('numberedDevice', { kind: t(kind), number: index + 1 }),
      }));
      setOptions(this.#box(kind), [{ value: '', label: first }, ...options], choice[kind] === '' ? '' : opened(track) ?? choice[kind]);
      this.#box(kind).disabled = missing || (kind === 'speaker' && !speakerAllowed());
    }
  }

  /** @param {DeviceKind} kind */
  #box(kind) {
    return byId(`${this.prefix}-${kind}`, HTMLSelectElement);
  }
}

/** The device that is really open: the chosen one may be gone. @param {MediaStreamTrack | null} track */
const opened = (track) => track?.getSettings().deviceId;
