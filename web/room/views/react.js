// A raised hand and reactions: the menu below the bar's button, and what floats up from a tile.

import { byId, icon, make, setAttribute, show } from '../../shared/dom.js';
import { t } from '../../shared/i18n/index.js';

/** @typedef {import('../state.js').PageState} PageState */
/** @typedef {import('../protocol.js').Reaction} Reaction */
/** @typedef {import('../../shared/i18n/index.js').Key} Key */

/** The icon of each, and what it is called. @type {Record<Reaction, [string, Key]>} */
export const REACTIONS = {
  'thumbs-up': ['thumbs-up', 'reactThumbsUp'], heart: ['heart', 'reactHeart'], laugh: ['laugh', 'reactLaugh'],
  bravo: ['star', 'reactBravo'], party: ['party-popper', 'reactParty'], wow: ['sparkles', 'reactWow'],
};
const GAP = 8;

export class ReactView {
  #button = byId('bar-react', HTMLButtonElement);
  #menu = byId('react-menu', HTMLElement);
  #hand = byId('react-hand', HTMLButtonElement);
  #drawn = '';

  /** @param {{ react: (reaction: Reaction) => void, hand: (up: boolean) => void }} wires */
  constructor(wires) {
    this.wires = wires;
    this.#button.addEventListener('click', () => this.#toggle());
    addEventListener('resize', () => this.#close()); // its button is elsewhere now
    this.#hand.addEventListener('click', () => {
      wires.hand(this.#hand.getAttribute('aria-pressed') !== 'true');
      this.#menu.hidePopover();
    });
    this.#menu.addEventListener('toggle', (event) => {
      const open = event instanceof ToggleEvent && event.newState === 'open';
      this.#button.setAttribute('aria-expanded', String(open));
      if (!open && (document.activeElement === document.body || this.#menu.contains(document.activeElement))) this.#button.focus({ preventScroll: true });
    });
    this.#menu.addEventListener('keydown', (event) => {
      event.stopPropagation(); // the room's keys are not meant
      if (event.key !== 'Escape') return;
      event.preventDefault();
      this.#menu.hidePopover();
    });
  }

  get isOpen() {
    return this.#menu.matches(':popover-open');
  }

  /** @param {PageState} state */
  render(state) {
    const own = state.members.find(({ id }) => id === state.you);
    setAttribute(this.#hand, 'aria-pressed', String(own?.hand === true));
    setAttribute(this.#button, 'aria-pressed', String(own?.hand === true));
    if (state.phase !== 'room') this.#close();
    const { lang } = document.documentElement;
    if (lang === this.#drawn) return;
    this.#drawn = lang;
    byId('react-list', HTMLElement).replaceChildren(...Object.entries(REACTIONS).map(([reaction, [sign, name]]) => {
      const button = make('button', { type: 'button', class: 'reaction', 'aria-label': t(name), title: t(name) }, icon(sign));
      button.addEventListener('click', () => {
        this.wires.react(/** @type {Reaction} */ (reaction));
        this.#menu.hidePopover();
      });
      return button;
    }));
  }

  #close() {
    if (this.isOpen) this.#menu.hidePopover();
  }

  #toggle() {
    if (this.isOpen) return this.#menu.hidePopover();
    this.#menu.showPopover();
    const at = this.#button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.#menu;
    this.#menu.style.left = `${Math.max(GAP, Math.min(at.left + at.width / 2 - width / 2, innerWidth - width - GAP))}px`;
    this.#menu.style.top = `${Math.max(GAP, at.top - GAP - height)}px`;
    this.#menu.querySelector('button')?.focus();
  }
}

/** A reaction floats up over a tile, and is gone. @param {HTMLElement} tile @param {Reaction} reaction */
export function float(tile, reaction) {
  const [sign] = REACTIONS[reaction];
  const floating = make('span', { class: `floating ${reaction}`, 'aria-hidden': 'true' }, icon(sign));
  floating.style.setProperty('--from', `${20 + Math.random() * 60}%`);
  tile.append(floating);
  const over = () => floating.remove();
  floating.addEventListener('animationend', over);
  setTimeout(over, 4000); // with reduced motion it stands still, and goes all the same
  show(floating, true);
}
