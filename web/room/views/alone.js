// Nobody else is here yet: the room's address, to be copied or scanned.

import { byId, setText, show } from '../../shared/dom.js';
import { qrCode } from '../../shared/qr.js';
import { roomLink } from '../link.js';

/** @typedef {import('../state.js').PageState} PageState */

const SVG = 'http://www.w3.org/2000/svg';
/** Light modules around the code (ISO/IEC 18004, 6.3.8). */
const QUIET = 4;

export class AloneView {
  #card = byId('alone', HTMLElement);
  #code = byId('alone-code', HTMLElement);
  #drawn = '';

  /** @param {{ copy: () => void }} wires */
  constructor(wires) {
    byId('alone-copy', HTMLButtonElement).addEventListener('click', () => wires.copy());
  }

  /** @param {PageState} state */
  render(state) {
    const alone = state.phase === 'room' && state.link === 'open' && state.members.every(({ id }) => id === state.you);
    show(this.#card, alone);
    const link = roomLink(state.room);
    if (!alone || link === this.#drawn) return;
    this.#drawn = link;
    setText(byId('alone-link', HTMLElement), link);
    const code = qrCode(link);
    this.#code.replaceChildren(...(code ? [draw(code)] : [])); // an address too long to scan is still copied
    show(this.#code, code !== null);
  }
}

/** @param {boolean[][]} code */
function draw(code) {
  const size = code.length + 2 * QUIET;
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
  svg.setAttribute('shape-rendering', 'crispEdges');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', code.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x + QUIET} ${y + QUIET}h1v1h-1z`] : []))).join(''));
  svg.append(path);
  return svg;
}
