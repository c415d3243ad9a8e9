// A level meter: how loud one's own microphone is, as bars.

import { setAttribute } from '../../shared/dom.js';

/** @param {HTMLElement} meter @param {number} level 0 to 1 */
export function drawLevel(meter, level) {
  const bars = meter.children.length;
  // Speech is at 0.01 to 0.2 of full scale; ears hear logarithms.
  const lit = level < 0.004 ? 0 : Math.min(bars, Math.ceil(((Math.log10(level) + 2.4) / 1.8) * bars));
  setAttribute(meter, 'aria-valuenow', String(Math.round((lit / bars) * 100)));
  setAttribute(meter, 'data-lit', String(lit));
}
