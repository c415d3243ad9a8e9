// Where tiles go: sizes in, rectangles out. Pure; in CSS pixels, relative to the stage.
//
// Grid: the column count that makes tiles largest, last row centred, at least 180 px wide, the rest
// on further pages. One other: large, oneself in a corner. A screen or a pinned tile: large, with
// the others in a strip. On an upright phone tiles may be as tall as they are wide or taller.

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
const WIDE = 16 / 9;

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
  if (count === 2 || (upright && width < 600 && count > 2)) return corner(width, height, count, page, gap);
  return grid(width, height, count, page, gap, WIDE);
}

/**
 * Oneself in the lower right corner, the others large.
 * @param {number} width @param {number} height @param {number} count @param {number} page @param {number} gap
 * @returns {Arrangement}
 */
function corner(width, height, count, page, gap) {
  const upright = height > width;
  const others = grid(width, height, count - 1, page, gap, upright ? 0.7 : WIDE);
  const phone = width < 600 || height < 480;
  const ownWidth = Math.round(upright ? Math.min(112, width * 0.3) : Math.min(phone ? 168 : 256, width * 0.22));
  const ownHeight = Math.round(upright ? ownWidth * (4 / 3) : ownWidth / WIDE);
  // Inside the corner of the picture where there is one, else of the stage.
  const only = count === 2 ? others.rects[0] : null;
  const right = only ? only.x + only.width : width;
  const bottom = only ? only.y + only.height : height;
  const own = { x: right - ownWidth - gap, y: bottom - ownHeight - gap, width: ownWidth, height: ownHeight };
  return { ...others, rects: [...others.rects, own], kind: 'corner' };
}

/**
 * @param {number} width @param {number} height @param {number} count @param {number} page @param {number} gap
 * @param {number} narrowest smallest ratio of width to height a tile may have
 * @returns {Arrangement}
 */
function grid(width, height, count, page, gap, narrowest) {
  const room = capacity(width, height, gap, narrowest);
  const perPage = Math.min(count, room);
  const pages = Math.ceil(count / perPage);
  const shownPage = Math.min(Math.max(page, 0), pages - 1);
  const first = shownPage * perPage;
  const onPage = Math.min(perPage, count - first);
  const { columns, tileWidth, tileHeight } = bestFit(width, height, onPage, gap, narrowest);
  const rows = Math.ceil(onPage / columns);
  const top = (height - rows * tileHeight - (rows - 1) * gap) / 2;
  /** @type {(Rect | null)[]} */
  const rects = Array(count).fill(null);
  for (let place = 0; place < onPage; place += 1) {
    const row = Math.floor(place / columns);
    const inRow = row === rows - 1 ? onPage - row * columns : columns;
    const left = (width - inRow * tileWidth - (inRow - 1) * gap) / 2;
    rects[first + place] = {
      x: Math.round(left + (place - row * columns) * (tileWidth + gap)),
      y: Math.round(top + row * (tileHeight + gap)),
      width: Math.floor(tileWidth), height: Math.floor(tileHeight),
    };
  }
  return { rects, pages, page: shownPage, kind: 'grid' };
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
 * @param {number} width @param {number} height @param {number} count @param {number} gap @param {number} narrowest
 */
function bestFit(width, height, count, gap, narrowest) {
  let best = { columns: 1, tileWidth: 0, tileHeight: 0, area: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (width - (columns - 1) * gap) / columns;
    const cellHeight = (height - (rows - 1) * gap) / rows;
    if (cellWidth <= 0 || cellHeight <= 0) continue;
    const ratio = Math.min(WIDE, Math.max(narrowest, cellWidth / cellHeight));
    const tileWidth = Math.min(cellWidth, cellHeight * ratio);
    const tileHeight = tileWidth / ratio;
    if (tileWidth * tileHeight > best.area + 1) best = { columns, tileWidth, tileHeight, area: tileWidth * tileHeight };
  }
  return best;
}

/**
 * One tile large, the others in a strip: at the right of a wide stage, below a tall one. What the
 * strip cannot show is left out; oneself stays in.
 * @param {number} width @param {number} height @param {number} count @param {number} large @param {number} gap
 * @returns {Arrangement}
 */
function spotlight(width, height, count, large, gap) {
  const beside = width > height;
  const side = beside ? Math.round(Math.min(240, width * 0.22)) : Math.round(Math.min(160, (width - gap) / 2.5));
  const sideHeight = Math.round(side / WIDE);
  const main = beside
    ? { x: 0, y: 0, width: width - side - gap, height }
    : { x: 0, y: 0, width, height: height - sideHeight - gap };
  const strip = [];
  for (let index = 0; index < count; index += 1) if (index !== large) strip.push(index);
  const fits = Math.max(1, Math.floor(beside ? (height + gap) / (sideHeight + gap) : (width + gap) / (side + gap)));
  const shown = strip.length <= fits ? strip : [...strip.slice(0, fits - 1), strip[strip.length - 1]];
  /** @type {(Rect | null)[]} */
  const rects = Array(count).fill(null);
  rects[large] = main;
  const used = beside ? shown.length * (sideHeight + gap) - gap : shown.length * (side + gap) - gap;
  const start = Math.max(0, ((beside ? height : width) - used) / 2);
  shown.forEach((index, place) => {
    if (index === undefined) return;
    rects[index] = beside
      ? { x: width - side, y: Math.round(start + place * (sideHeight + gap)), width: side, height: sideHeight }
      : { x: Math.round(start + place * (side + gap)), y: height - sideHeight, width: side, height: sideHeight };
  });
  return { rects, pages: 1, page: 0, kind: 'spotlight' };
}
