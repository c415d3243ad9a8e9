// Why a camera of the box gives no picture, as a sentence in the language of the page.

import { day, isKey, t, timeOfDay } from './i18n/index.js';

/** @typedef {import('./i18n/index.js').Key} Key */
/** @typedef {{ code: string, detail?: string, since_ms: number }} MediaFault */

/** @type {Record<string, Key>} */
const KEYS = {
  unplugged: 'faultUnplugged', absent: 'faultAbsent', busy: 'faultBusy', denied: 'faultDenied', 'no-format': 'faultFormat',
  'no-picture': 'faultNoPicture', stalled: 'faultStalled', 'no-encoder': 'faultEncoder', 'encoder-fails': 'faultEncoder',
  'encoder-unknown': 'faultEncoder', 'encoder-stopped': 'faultEncoder', 'element-missing': 'faultMissing', 'not-built': 'faultMissing',
  'no-path': 'faultInside', 'no-room': 'faultInside', closed: 'faultClosed',
};

/** The key of a fault's sentence; one that is not known here has one too. @param {string} code @returns {Key} */
export function faultKey(code) {
  const key = KEYS[code] ?? 'faultOther';
  return isKey(key) ? key : 'faultOther';
}

/** @param {MediaFault} fault @param {number} [now] */
export function faultSentence(fault, now = Date.now()) {
  return t(faultKey(fault.code), { time: moment(fault.since_ms, now), detail: fault.detail ?? fault.code });
}

/** The time of day; with its day where that is another one. @param {number} at @param {number} [now] ms since 1970 */
export function moment(at, now = Date.now()) {
  const sameDay = new Date(at).toDateString() === new Date(now).toDateString();
  return sameDay ? timeOfDay(at) : `${day(at)}, ${timeOfDay(at)}`;
}
