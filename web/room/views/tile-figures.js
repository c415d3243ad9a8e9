// How a tile's picture is doing: three bars always, the figures and a line of the last minute on hover,
// focus or a tap.

import { make, setAttribute, setText } from '../../shared/dom.js';
import { t } from '../../shared/i18n/index.js';

/** @typedef {import('../media/figures.js').Figures} Figures */

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [120, 24];

export class TileFigures {
  bars = make('span', { class: 'bars', role: 'img' }, make('i'), make('i'), make('i'));
  #words = make('p', {});
  #line = document.createElementNS(SVG, 'polyline');
  panel = make('div', { class: 'figures', 'aria-hidden': 'true' }, this.#words);

  constructor() {
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    svg.append(this.#line);
    this.panel.append(svg);
    this.show(null);
  }

  /** @param {Figures | null} figures */
  show(figures) {
    this.bars.hidden = figures === null;
    this.panel.hidden = figures === null;
    if (!figures) return;
    const { path, codec, width, height, fps, kbps, lossPercent, rttMs, bars, line } = figures;
    setAttribute(this.bars, 'data-bars', String(bars));
    const quality = t(bars === 3 ? 'qualityGood' : bars === 2 ? 'qualityFair' : 'qualityPoor');
    setAttribute(this.bars, 'aria-label', quality);
    const ways = { box: t('pathBox'), direct: t('pathDirect'), relay: t('pathRelay') };
    setText(this.#words, [
      `${codec} ${width}×${height}, ${fps} fps`, `${kbps} kbit/s, ${t('lossOf', { percent: lossPercent })}${rttMs === null ? '' : `, ${rttMs} ms`}`, ways[path],
    ].join('\n'));
    const most = Math.max(1, ...line);
    const step = WIDTH / Math.max(1, line.length - 1);
    this.#line.setAttribute('points', line.map((value, index) => `${(index * step).toFixed(1)},${(HEIGHT - 1 - (value / most) * (HEIGHT - 2)).toFixed(1)}`).join(' '));
  }
}
