// The room's address, to hand on.

import { byId, setText } from '../shared/dom.js';
import { t } from '../shared/i18n/index.js';

const SAID_MS = 2000;

/** @param {string} room */
export async function copyRoomLink(room) {
  const word = byId('copy-word', HTMLElement);
  try {
    await navigator.clipboard.writeText(`${location.origin}/r/${encodeURIComponent(room)}`);
  } catch {
    return; // the address bar shows the same
  }
  setText(word, t('copied'));
  setTimeout(() => setText(word, t('copyLink')), SAID_MS);
}
