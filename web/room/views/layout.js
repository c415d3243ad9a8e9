// Where tiles go: sizes in, rectangles out. Pure; in CSS pixels, relative to the stage.
//
// Grid: the column count that makes tiles largest, last row centred, at least 180 px wide, the rest
// on further pages, each with oneself. Alone: oneself in a corner, the rest is the room's. One other (on an upright phone two): large, oneself in a
// corner. A screen or a pinned tile: large, the others in a strip beside it, or in a grid below it
// where the stage is tall. On an upright phone tiles may be taller than they are wide.

/** @typedef {{ x: number, y: number, width: number, height: number }} Rect */
/**
 * @typedef {object} Arrangement
 * @property {(Rect | null)[]} rects one a tile, in their order; null is not on this page
 * @property {number} pages at least 1
 * @property {number} page the one shown, from 0
 * @property {'grid' | 'corner' | 'spotlight'} kind
 */

const GAP = 12;
const PHONE_GAP = 8;
const MIN_WIDTH = 180;
/** A page of so few tiles has no place for oneself beside the others. */
const SMALL_PAGE = 3;
const WIDE = 16 / 9;
/** The narrowest a tile may be on an upright phone, and where it is the only large one. */
const UPRIGHT = 0.7;
const UPRIGHT_ALONE = 0.5;
/** What one's own picture in a corner may take of a low stage. */
const OWN_HEIGHT = 0.45;
/** The widest, where it is the only large one on a phone held across. */
const ACROSS_ALONE = 2.4;

/**
 * @param {object} input
 * @param {number} input.width of the stage
 * @param {number} input.height of the stage
 * @param {number} input.count of tiles; one's own is the last
 * @param {number} input.large index of the tile that is large, or -1
 * @param {number} input.page
 * @returns {Arrangement}
 */
export function arrange({ width, height, count, large, page }) {
  const gap = width < 600 || height < 480 ? PHONE_GAP : GAP;
  if (count === 0 || width <= 0 || height <= 0) return { rects: Array(count).fill(null), pages: 1, page: 0, kind: 'grid' };
  if (large >= 0 && count > 1) return spotlight(width, height, count, large, gap);
  const upright = height > width;
  const phone = upright && width < 600;
  if (count === 1) return { rects: [ownCorner(width, height, gap, { right: width, bottom: height })], pages: 1, page: 0, kind: 'corner' };
  if (count === 2 || (phone && count === 3)) return corner(width, height, count, page, gap);
  return grid(width, height, count, page, gap, phone ? UPRIGHT : WIDE);
}

/**
 * Oneself in the lower right corner, the others large.
 * @param {number} width @param {number} height @param {number} count @param {number} page @param {number} gap
 * @returns {Arrangement}
 */
function corner(width, height, count, page, gap) {
  const upright = height > width;
  const phone = width < 600 || height < 480;
  const alone = count === 2 && phone;
  const narrowest = upright ? (alone ? UPRIGHT_ALONE : UPRIGHT) : WIDE;
  const others = alone
    ? { rects: fill(width, height, 1, gap, narrowest, upright ? WIDE : ACROSS_ALONE), pages: 1, page: 0 }
    : grid(width, height, count - 1, page, gap, narrowest);
  // Inside the corner of the picture where there is one, else of the stage.
  const only = count === 2 ? others.rects[0] : null;
  const right = only ? only.x + only.width : width;
  const bottom = only ? only.y + only.height : height;
  const own = ownCorner(width, height, gap, { right, bottom });
  return { ...others, rects: [...others.rects, own], kind: 'corner' };
}

/**
 * Oneself, small, in a corner that is there.
 * @param {number} width @param {number} height of the stage @param {number} gap
 * @param {{ right: number, bottom: number }} corner
 * @returns {Rect}
 */
function ownCorner(width, height, gap, { right, bottom }) {
  const upright = height > width;
  const phone = width < 600 || height < 480;
  const widest = upright ? Math.min(112, width * 0.3) : Math.min(phone ? 168 : 256, width * 0.22);
  const ownWidth = Math.round(Math.min(widest, height * OWN_HEIGHT * (upright ? 3 / 4 : WIDE)));
  const ownHeight = Math.round(upright ? ownWidth * (4 / 3) : ownWidth / WIDE);
  return { x: right - ownWidth - gap, y: bottom - ownHeight - gap, width: ownWidth, height: ownHeight };
}

/**
 * The last tile is oneself: where there are pages, it is on each of them, unless they are so small that
 * the others need the place. Then it is the last of all.
 * @param {number} width @param {number} height @param {number} count @param {number} page @param {number} gap
 * @param {number} narrowest smallest ratio of width to height a tile may have
 * @returns {Arrangement}
 */
function grid(width, height, count, page, gap, narrowest) {
  const room = Math.max(2, capacity(width, height, gap, narrowest));
  const everywhere = count > room && room > SMALL_PAGE;
  const paged = everywhere ? count - 1 : count;
  const perPage = everywhere ? room - 1 : room;
  const pages = Math.ceil(paged / perPage);
  const shownPage = Math.min(Math.max(page, 0), pages - 1);
  const first = shownPage * perPage;
  const shown = [];
  for (let index = first; index < Math.min(first + perPage, paged); index += 1) shown.push(index);
  if (everywhere) shown.push(count - 1);
  const places = fill(width, height, shown.length, gap, narrowest);
  /** @type {(Rect | null)[]} */
  const rects = Array(count).fill(null);
  shown.forEach((index, place) => { rects[index] = places[place] ?? null; });
  return { rects, pages, page: shownPage, kind: 'grid' };
}

/**
 * Places for this many tiles, as large as they can be, last row centred.
 * @param {number} width @param {number} height @param {number} count @param {number} gap @param {number} narrowest @param {number} [widest]
 * @returns {Rect[]}
 */
function fill(width, height, count, gap, narrowest, widest = WIDE) {
  const { columns, tileWidth, tileHeight } = bestFit(width, height, count, gap, narrowest, widest);
  const rows = Math.ceil(count / columns);
  const top = (height - rows * tileHeight - (rows - 1) * gap) / 2;
  const rects = [];
  for (let place = 0; place < count; place += 1) {
    const row = Math.floor(place / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const left = (width - inRow * tileWidth - (inRow - 1) * gap) / 2;
    rects.push({
      x: Math.round(left + (place - row * columns) * (tileWidth + gap)),
      y: Math.round(top + row * (tileHeight + gap)),
      width: Math.floor(tileWidth), height: Math.floor(tileHeight),
    });
  }
  return rects;
}

/**
 * How many tiles of at least MIN_WIDTH fit; at least one.
 * @param {number} width @param {number} height @param {number} gap @param {number} narrowest
 */
function capacity(width, height, gap, narrowest) {
  const columns = Math.max(1, Math.floor((width + gap) / (MIN_WIDTH + gap)));
  const smallest = Math.min(MIN_WIDTH, width) / (narrowest < 1 ? 1 : WIDE);
  const rows = Math.max(1, Math.floor((height + gap) / (smallest + gap)));
  return columns * rows;
}

/**
 * @param {number} width @param {number} height @param {number} count @param {number} gap @param {number} narrowest @param {number} widest
 */
function bestFit(width, height, count, gap, narrowest, widest) {
  let best = { columns: 1, tileWidth: 0, tileHeight: 0, area: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (width - (columns - 1) * gap) / columns;
    const cellHeight = (height - (rows - 1) * gap) / rows;
    if (cellWidth <= 0 || cellHeight <= 0) continue;
    const ratio = Math.min(widest, Math.max(narrowest, cellWidth / cellHeight));
    const tileWidth = Math.min(cellWidth, cellHeight * ratio);
    const tileHeight = tileWidth / ratio;
    if (tileWidth * tileHeight > best.area + 1) best = { columns, tileWidth, tileHeight, area: tileWidth * tileHeight };
  }
  return best;
}

/**
 * One tile large, the others in a strip at its right; below it, as a grid, where the stage is tall.
 * What does not fit is left out; oneself stays in.
 * @param {number} width @param {number} height @param {number} count @param {number} large @param {number} gap
 * @returns {Arrangement}
 */
function spotlight(width, height, count, large, gap) {
  const beside = width > height;
  const side = Math.round(Math.min(240, width * 0.22));
  const mainHeight = Math.round(Math.min(height * 0.65, width * 0.75));
  const rest = beside
    ? { x: width - side, y: 0, width: side, height }
    : { x: 0, y: mainHeight + gap, width, height: height - mainHeight - gap };
  const others = [];
  for (let index = 0; index < count; index += 1) if (index !== large) others.push(index);
  const smallest = beside ? side / WIDE : 84;
  const rows = Math.max(1, Math.floor((rest.height + gap) / (smallest + gap)));
  const fits = beside ? rows : rows * Math.max(1, Math.floor((rest.width + gap) / (112 + gap)));
  const shown = others.length <= fits ? others : [...others.slice(0, fits - 1), others[others.length - 1] ?? large];
  const places = fill(rest.width, rest.height, shown.length, gap, beside ? WIDE : 1);
  /** @type {(Rect | null)[]} */
  const rects = Array(count).fill(null);
  rects[large] = beside ? { x: 0, y: 0, width: width - side - gap, height } : { x: 0, y: 0, width, height: mainHeight };
  shown.forEach((index, place) => {
    const rect = places[place];
    rects[index] = rect ? { ...rect, x: rect.x + rest.x, y: rect.y + rest.y } : null;
  });
  return { rects, pages: 1, page: 0, kind: 'spotlight' };
}
