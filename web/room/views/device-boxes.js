// The boxes Camera, Microphone, Speaker: on the join page and in the settings dialog.

import { speakerAllowed } from '../media/devices.js';
import { byId, setOptions } from '../../shared/dom.js';
import { t } from '../../shared/i18n/index.js';

/** @typedef {'camera' | 'microphone' | 'speaker'} DeviceKind */
/** @typedef {Record<DeviceKind, MediaDeviceInfo[]>} Devices */
/** @typedef {import('../media/devices.js').Choice} Choice */

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

  /**
   * @param {Devices} devices
   * @param {Choice} choice
   * @param {{ camera: string, microphone: string }} inUse names of the devices that are open, or empty
   */
  render(devices, choice, inUse) {
    for (const kind of KINDS) {
      const name = kind === 'speaker' || choice[kind] !== '' ? '' : inUse[kind];
      const plain = kind === 'speaker' ? t('systemSpeaker') : t('defaultDevice');
      const first = name === '' ? plain : t('defaultNamed', { name });
      // Chromium lists its own "default" beside the device that is it; ours stands for it.
      const named = devices[kind].filter((device) => device.deviceId !== 'default' && device.deviceId !== 'communications');
      const options = named.map((device, index) => ({
        value: device.deviceId, label: device.label || t('numberedDevice', { kind: t(kind), number: index + 1 }),
      }));
      setOptions(this.#box(kind), [{ value: '', label: first }, ...options], choice[kind]);
      this.#box(kind).disabled = kind === 'speaker' && !speakerAllowed();
    }
  }

  /** @param {DeviceKind} kind */
  #box(kind) {
    return byId(`${this.prefix}-${kind}`, HTMLSelectElement);
  }
}
