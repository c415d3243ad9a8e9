// What the user is to know: one card a sentence, with its ways on.

import { byId, icon, make } from '../../shared/dom.js';
import { isKey, language, t } from '../../shared/i18n/index.js';

/** @typedef {import('../state.js').Notice} Notice */
/** @typedef {import('../../shared/i18n/index.js').Key} Key */

const ICONS = { info: 'info', warn: 'triangle-alert', danger: 'triangle-alert' };

export class NoticesView {
  #place = byId('notices', HTMLElement);
  #drawn = '';

  /** @param {(notice: Notice, action: string) => void} act */
  constructor(act) {
    this.act = act;
  }

  /** @param {Notice[]} notices */
  render(notices) {
    const wanted = JSON.stringify([document.documentElement.lang, notices]);
    if (wanted === this.#drawn) return;
    this.#drawn = wanted;
    this.#place.replaceChildren(...notices.map((notice) => this.#card(notice)));
  }

  /** @param {Notice} notice */
  #card(notice) {
    const words = make('div', { class: 'notice-words' }, make('p', { text: isKey(notice.key) ? t(notice.key, notice.params) : notice.key }));
    const { code, detail } = notice;
    // The box speaks English; beside a sentence in another language that is no help.
    if (code) words.append(make('p', { class: 'code', text: detail && language() === 'en' ? `${code}: ${detail}` : code }));
    const buttons = (notice.actions ?? []).filter(isKey).map((action, index) => {
      const button = make('button', { type: 'button', class: index === 0 ? 'button' : 'button quiet', text: t(action) });
      button.addEventListener('click', () => this.act(notice, action));
      return button;
    });
    const ways = make('div', { class: 'notice-ways' }, ...buttons);
    return make('div', { class: `notice ${notice.tone}`, role: notice.tone === 'info' ? 'status' : 'alert' }, icon(ICONS[notice.tone]), words, ways);
  }
}
