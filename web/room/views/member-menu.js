// The menu "More" of a member: one element for all of them, opened at the button that was pressed. The
// browser closes it by Escape or a press elsewhere; the focus goes back to its button.

import { byId, make } from '../../shared/dom.js';
import { t } from '../../shared/i18n/index.js';

/** @typedef {import('../keeping.js').Deed} Deed */
/** @typedef {import('../../shared/i18n/index.js').Key} Key */

/** @type {Record<Deed, Key>} */
const WORDS = { mute: 'mute', remove: 'remove', 'make-moderator': 'makeModerator', 'unmake-moderator': 'unmakeModerator' };
const GAP = 4;

export class MemberMenu {
  #menu = byId('member-menu', HTMLElement);
  /** Of the button it was opened by; that may have been drawn anew meanwhile. */
  #opener = '';

  /** @param {{ act: (deed: Deed, member: string) => void }} wires */
  constructor(wires) {
    this.wires = wires;
    this.#menu.addEventListener('keydown', (event) => this.#key(event));
    addEventListener('resize', () => this.close()); // its button is elsewhere now
    this.#menu.addEventListener('toggle', (event) => {
      const open = event instanceof ToggleEvent && event.newState === 'open';
      const button = document.getElementById(this.#opener);
      button?.setAttribute('aria-expanded', String(open));
      const nowhere = document.activeElement === document.body || this.#menu.contains(document.activeElement);
      if (!open && nowhere) button?.focus({ preventScroll: true });
    });
  }

  get isOpen() {
    return this.#menu.matches(':popover-open');
  }

  close() {
    if (this.isOpen) this.#menu.hidePopover();
  }

  /** @param {HTMLElement} button @param {string} member @param {Deed[]} deeds */
  open(button, member, deeds) {
    const wasOpen = this.isOpen && this.#opener === button.id;
    this.close();
    if (wasOpen) return;
    this.#opener = button.id;
    this.#menu.replaceChildren(...deeds.map((deed) => {
      const item = make('button', { class: deed === 'remove' ? 'menu-item danger' : 'menu-item', type: 'button', role: 'menuitem', tabindex: '-1', text: t(WORDS[deed]) });
      item.addEventListener('click', () => {
        this.close();
        this.wires.act(deed, member);
      });
      return item;
    }));
    this.#menu.showPopover();
    const at = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.#menu;
    const below = at.bottom + GAP + height <= innerHeight;
    this.#menu.style.left = `${Math.max(GAP, Math.min(at.right - width, innerWidth - width - GAP))}px`;
    this.#menu.style.top = `${below ? at.bottom + GAP : Math.max(GAP, at.top - GAP - height)}px`;
    this.#items()[0]?.focus();
  }

  #items() {
    return [...this.#menu.querySelectorAll('button')];
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const items = this.#items();
    const at = items.findIndex((item) => item === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to !== undefined) items.at(to % items.length)?.focus();
    else if (event.key === 'Escape' || event.key === 'Tab') this.close();
    else return;
    event.preventDefault(); // the drawer below stays open
  }
}
