// Chat and people as drawers: each closes by its ×, by Escape, by a tap beside it or a swipe down where
// it covers the tiles. The focus goes into a drawer that opens, and back to its button when it closes.

import { byId } from '../../shared/dom.js';

/** @typedef {import('../state.js').PageState} PageState */
/** @typedef {import('../state.js').Panel} Panel */

/** As in `room.css`: there a drawer lies over the tiles. */
const SHEET = '(max-width: 800px) and (min-height: 481px)';
const SWIPE_PX = 60;

export class Drawers {
  /** @type {Record<Exclude<Panel, 'none'>, HTMLElement>} */
  #drawers = { chat: byId('chat', HTMLElement), people: byId('people', HTMLElement) };
  #stage = byId('stage', HTMLElement);
  /** @type {Panel} */
  #panel = 'none';
  #swipeFrom = 0;

  /** @param {{ close: () => void, blocked: () => boolean }} wires `blocked`: a dialog is open, which Escape belongs to */
  constructor(wires) {
    this.wires = wires;
    for (const drawer of Object.values(this.#drawers)) this.#listen(drawer);
    document.addEventListener('keydown', (event) => {
      // Escape that ends an input method's composition closes nothing.
      if (event.key !== 'Escape' || event.isComposing || event.defaultPrevented || this.#panel === 'none' || wires.blocked()) return;
      event.preventDefault();
      wires.close();
    });
    this.#stage.addEventListener('click', () => {
      if (this.#panel !== 'none' && matchMedia(SHEET).matches) wires.close();
    });
  }

  /** @param {HTMLElement} drawer */
  #listen(drawer) {
    for (const button of drawer.querySelectorAll('.close-panel')) button.addEventListener('click', () => this.wires.close());
    const head = drawer.querySelector('header');
    head?.addEventListener('touchstart', (event) => { this.#swipeFrom = event.touches[0]?.clientY ?? 0; }, { passive: true });
    head?.addEventListener('touchend', (event) => {
      const y = event.changedTouches[0]?.clientY ?? 0;
      if (y - this.#swipeFrom > SWIPE_PX && matchMedia(SHEET).matches) this.wires.close();
    }, { passive: true });
  }

  /** After the views have shown or hidden them. @param {PageState} state */
  render(state) {
    const panel = state.phase === 'room' ? state.panel : 'none';
    const before = this.#panel;
    if (panel === before) return;
    this.#panel = panel;
    if (panel === 'people') this.#drawers.people.querySelector('h2')?.focus({ preventScroll: true });
    if (panel === 'chat') byId('message', HTMLTextAreaElement).focus({ preventScroll: true });
    // What has the focus was hidden with the drawer, and the browser moves it to the body, now or soon.
    const nowhere = document.activeElement === null || document.activeElement === document.body
      || document.activeElement.closest('.drawer') !== null;
    if (panel === 'none' && before !== 'none' && nowhere && state.phase === 'room') {
      byId(`bar-${before}`, HTMLButtonElement).focus({ preventScroll: true });
    }
  }
}
