// How large each tile is, told to the box, so that no more is sent than is seen. Knows rectangles
// and the socket; `views/room.js` says what it has placed.

/** @typedef {import('./protocol.js').TileSize} TileSize */

/** Changes within this time are one message: a window that is dragged has many. */
const COLLECT_MS = 200;
/** A page that is hidden for so long needs no pictures. */
const HIDDEN_MS = 5000;

/**
 * A tile as it was placed.
 * @typedef {object} Placed
 * @property {string} member
 * @property {string} track
 * @property {{ width: number, height: number } | null} rect in CSS pixels; null is not on this page
 */

/**
 * What the box is told. Pure.
 * @param {Placed[]} placed
 * @param {number} ratio device pixels a CSS pixel
 * @param {boolean} hidden nobody sees the page
 * @returns {TileSize[]}
 */
export function sizes(placed, ratio, hidden) {
  const pixels = (/** @type {number} */ length) => Math.min(65_535, Math.max(0, Math.round(length * ratio)));
  return placed.map(({ member, track, rect }) => {
    const seen = rect !== null && !hidden && rect.width > 0 && rect.height > 0;
    return {
      member, track, visible: seen, width: seen ? pixels(rect.width) : 0, height: seen ? pixels(rect.height) : 0,
    };
  });
}

export class TileReport {
  /** @type {Placed[]} */
  #placed = [];
  #told = '';
  #timer = 0;
  #hidden = false;
  #hiddenTimer = 0;

  /** @param {import('./socket.js').Signal} socket ready means joined */
  constructor(socket) {
    this.socket = socket;
    document.addEventListener('visibilitychange', () => this.#watchPage());
  }

  /** @param {Placed[]} placed */
  set(placed) {
    this.#placed = placed;
    this.#soon();
  }

  /** The box may have forgotten: tells all again. */
  again() {
    this.#told = '';
    this.#soon();
  }

  #watchPage() {
    clearTimeout(this.#hiddenTimer);
    if (document.hidden) {
      this.#hiddenTimer = setTimeout(() => this.#show(false), HIDDEN_MS);
    } else this.#show(true);
  }

  /** @param {boolean} seen */
  #show(seen) {
    this.#hidden = !seen;
    if (seen) this.#tell();
    else this.#soon();
  }

  #soon() {
    if (this.#timer === 0) this.#timer = setTimeout(() => this.#tell(), COLLECT_MS);
  }

  #tell() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (!this.socket.ready) return; // `again` comes after the next `joined`
    const tiles = sizes(this.#placed, devicePixelRatio, this.#hidden);
    const text = JSON.stringify(tiles);
    if (text === this.#told) return;
    this.#told = text;
    this.socket.request({ type: 'tiles', tiles }).catch(() => { this.#told = ''; });
  }
}
