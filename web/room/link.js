// The room's address, to hand on.

import { byId, setText } from '../shared/dom.js';
import { t } from '../shared/i18n/index.js';

const SAID_MS = 2000;
/** Buttons that copy, by where they say that they have. */
const WORDS = ['copy-word', 'alone-copy'];

/** @param {string} room */
export const roomLink = (room) => `${location.origin}/r/${encodeURIComponent(room)}`;

/** @param {string} room @returns {Promise<boolean>} */
export async function copyRoomLink(room) {
  try {
    await navigator.clipboard.writeText(roomLink(room));
  } catch {
    return false; // the address bar shows the same
  }
  const say = (/** @type {'copied' | 'copyLink'} */ key) => WORDS.forEach((id) => setText(byId(id, HTMLElement), t(key)));
  say('copied');
  setTimeout(() => say('copyLink'), SAID_MS);
  return true;
}
