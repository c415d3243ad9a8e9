// A QR code of a short text (ISO/IEC 18004): byte mode, error correction M, versions 1 to 10, which is up
// to 213 bytes. Pure: text in, a square of booleans out.

/** Blocks at level M by version: [error correction bytes a block, [blocks, data bytes a block]...]. Table 9. */
const BLOCKS = [
  [10, [1, 16]], [16, [1, 28]], [26, [1, 44]], [18, [2, 32]], [24, [2, 43]],
  [16, [4, 27]], [18, [4, 31]], [22, [2, 38], [2, 39]], [22, [3, 36], [2, 37]], [26, [4, 43], [1, 44]],
];
/** Centres of alignment patterns by version. Annex E. */
const ALIGN = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];

/** Powers and logarithms in GF(2^8) with 0x11d. */
const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power += 1) {
  EXP[power] = value;
  EXP[power + 255] = value;
  LOG[value] = power;
  value = (value << 1) ^ (value & 0x80 ? 0x11d : 0);
}
/** @param {number} one @param {number} other */
const times = (one, other) => (one === 0 || other === 0 ? 0 : at(EXP, at(LOG, one) + at(LOG, other)));
/** @param {ArrayLike<number>} list @param {number} index */
const at = (list, index) => list[index] ?? 0;

/**
 * Rows of modules, true is dark; null where the text is too long.
 * @param {string} text
 * @returns {boolean[][] | null}
 */
export function qrCode(text) {
  const bytes = new TextEncoder().encode(text);
  for (let version = 1; version <= BLOCKS.length; version += 1) {
    const words = codewords(bytes, version);
    if (words) return best(words, version);
  }
  return null;
}

/**
 * Data and error correction, interleaved; null where the version is too small.
 * @param {Uint8Array} bytes @param {number} version
 */
function codewords(bytes, version) {
  const [nCorrection, ...groups] = /** @type {[number, ...number[][]]} */ (BLOCKS[version - 1]);
  const sizes = groups.flatMap(([blocks = 0, size = 0]) => Array(blocks).fill(size));
  const capacity = sizes.reduce((sum, size) => sum + size, 0);
  const countBits = version < 10 ? 8 : 16;
  if (4 + countBits + bytes.length * 8 > capacity * 8) return null;
  /** @type {number[]} */
  const bits = [];
  const put = (/** @type {number} */ value, /** @type {number} */ length) => {
    for (let bit = length - 1; bit >= 0; bit -= 1) bits.push((value >> bit) & 1);
  };
  put(4, 4);
  put(bytes.length, countBits);
  for (const byte of bytes) put(byte, 8);
  put(0, Math.min(4, capacity * 8 - bits.length));
  while (bits.length % 8 !== 0) bits.push(0);
  for (let pad = 0xec; bits.length < capacity * 8; pad ^= 0xec ^ 0x11) put(pad, 8);
  const data = Array.from({ length: capacity }, (_, index) => parseInt(bits.slice(index * 8, index * 8 + 8).join(''), 2));
  let from = 0;
  const blocks = sizes.map((size) => data.slice(from, from += size));
  const corrections = blocks.map((block) => correction(block, nCorrection));
  return [...interleaved(blocks), ...interleaved(corrections)];
}

/** @param {number[][]} blocks */
function interleaved(blocks) {
  const longest = Math.max(...blocks.map(({ length }) => length));
  const out = [];
  for (let index = 0; index < longest; index += 1) for (const block of blocks) if (index < block.length) out.push(at(block, index));
  return out;
}

/** The remainder of Reed-Solomon. @param {number[]} data @param {number} count */
function correction(data, count) {
  let generator = [1];
  for (let power = 0; power < count; power += 1) {
    const next = [...generator, 0];
    generator.forEach((factor, index) => { next[index + 1] = at(next, index + 1) ^ times(factor, at(EXP, power)); });
    generator = next;
  }
  const rest = [...data, ...Array(count).fill(0)];
  for (let index = 0; index < data.length; index += 1) {
    const lead = at(rest, index);
    generator.forEach((factor, place) => { rest[index + place] = at(rest, index + place) ^ times(factor, lead); });
  }
  return rest.slice(data.length);
}

/** What each mask turns over. Table 10. @type {((row: number, column: number) => boolean)[]} */
const MASKS = [
  (row, column) => (row + column) % 2 === 0,
  (row) => row % 2 === 0,
  (_row, column) => column % 3 === 0,
  (row, column) => (row + column) % 3 === 0,
  (row, column) => (Math.floor(row / 2) + Math.floor(column / 3)) % 2 === 0,
  (row, column) => ((row * column) % 2) + ((row * column) % 3) === 0,
  (row, column) => (((row * column) % 2) + ((row * column) % 3)) % 2 === 0,
  (row, column) => (((row + column) % 2) + ((row * column) % 3)) % 2 === 0,
];

/** The mask that is easiest to read. @param {number[]} words @param {number} version */
function best(words, version) {
  const drawn = MASKS.map((_, mask) => draw(words, version, mask));
  const marks = drawn.map(penalty);
  return drawn[marks.indexOf(Math.min(...marks))] ?? null;
}

/** @param {number[]} words @param {number} version @param {number} mask */
function draw(words, version, mask) {
  const size = 17 + version * 4;
  /** @type {(boolean | null)[][]} null is free for data */
  const modules = Array.from({ length: size }, () => Array(size).fill(null));
  const set = (/** @type {number} */ row, /** @type {number} */ column, /** @type {boolean} */ dark) => {
    const line = modules[row];
    if (line && column >= 0 && column < size) line[column] = dark;
  };
  patterns(set, version, size);
  information(set, version, size, mask);
  let bit = 0;
  for (let right = size - 1; right > 0; right -= 2) {
    if (right === 6) right = 5; // the timing column
    const upwards = ((right + 1) & 2) === 0;
    for (let step = 0; step < size; step += 1) {
      const row = upwards ? size - 1 - step : step;
      for (const column of [right, right - 1]) {
        if (modules[row]?.[column] !== null) continue;
        const dark = ((at(words, bit >> 3) >> (7 - (bit & 7))) & 1) === 1; // the rest of the last byte is light
        set(row, column, dark !== (MASKS[mask]?.(row, column) ?? false));
        bit += 1;
      }
    }
  }
  return modules.map((row) => row.map((dark) => dark === true));
}

/**
 * Finders, timing, alignment.
 * @param {(row: number, column: number, dark: boolean) => void} set @param {number} version @param {number} size
 */
function patterns(set, version, size) {
  for (let index = 8; index < size - 8; index += 1) {
    set(6, index, index % 2 === 0);
    set(index, 6, index % 2 === 0);
  }
  const ring = (/** @type {number} */ row, /** @type {number} */ column, /** @type {number} */ radius) => {
    for (let down = -radius; down <= radius; down += 1) {
      for (let right = -radius; right <= radius; right += 1) {
        const distance = Math.max(Math.abs(down), Math.abs(right));
        set(row + down, column + right, distance !== 4 && distance !== 2 - (radius === 2 ? 1 : 0));
      }
    }
  };
  for (const [row, column] of /** @type {const} */ ([[3, 3], [3, size - 4], [size - 4, 3]])) ring(row, column, 4);
  const centres = ALIGN[version - 1] ?? [];
  const last = centres.at(-1);
  for (const row of centres) {
    for (const column of centres) {
      const finder = (row === 6 && column === 6) || (row === 6 && column === last) || (row === last && column === 6);
      if (!finder) ring(row, column, 2);
    }
  }
}

/**
 * Format and version information with their error correction. 7.9, 7.10.
 * @param {(row: number, column: number, dark: boolean) => void} set
 * @param {number} version @param {number} size @param {number} mask
 */
function information(set, version, size, mask) {
  let rest = mask; // level M is 00
  for (let bit = 0; bit < 10; bit += 1) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
  const format = ((mask << 10) | rest) ^ 0x5412;
  for (let bit = 0; bit < 15; bit += 1) {
    const dark = ((format >> bit) & 1) === 1;
    const near = bit < 6 ? bit : bit < 8 ? bit + 1 : size - 15 + bit;
    set(near, 8, dark);
    const across = bit < 8 ? size - 1 - bit : bit === 8 ? 7 : 14 - bit;
    set(8, across, dark);
  }
  set(size - 8, 8, true);
  if (version < 7) return;
  let remainder = version;
  for (let bit = 0; bit < 12; bit += 1) remainder = (remainder << 1) ^ ((remainder >> 11) * 0x1f25);
  const told = (version << 12) | remainder;
  for (let bit = 0; bit < 18; bit += 1) {
    const dark = ((told >> bit) & 1) === 1;
    const [long, short] = [Math.floor(bit / 3), size - 11 + (bit % 3)];
    set(long, short, dark);
    set(short, long, dark);
  }
}

/** How hard a code is to read. 7.8.3. @param {boolean[][]} modules */
function penalty(modules) {
  const size = modules.length;
  const lines = [...modules, ...modules.map((_, column) => modules.map((row) => row[column] ?? false))];
  let sum = 0;
  for (const line of lines) {
    const text = line.map((dark) => (dark ? '1' : '0')).join('');
    for (const run of text.match(/0{5,}|1{5,}/g) ?? []) sum += run.length - 2;
    for (const like of ['10111010000', '00001011101']) {
      for (let from = text.indexOf(like); from >= 0; from = text.indexOf(like, from + 1)) sum += 40;
    }
  }
  for (let row = 1; row < size; row += 1) {
    for (let column = 1; column < size; column += 1) {
      const dark = modules[row]?.[column];
      if (dark === modules[row - 1]?.[column] && dark === modules[row]?.[column - 1] && dark === modules[row - 1]?.[column - 1]) sum += 3;
    }
  }
  const share = modules.flat().filter(Boolean).length / (size * size);
  return sum + Math.floor(Math.abs(share * 100 - 50) / 5) * 10;
}
