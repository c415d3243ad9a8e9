import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { qrCode } from '../shared/qr.js';

const drawn = (text) => qrCode(text).map((row) => row.map((dark) => (dark ? '#' : '.')).join(''));

// Both are the drawings of another program for the same texts (python3-qrcode, level M, byte mode).
const ADDRESS = [
  '#######.##.#.###...#..#######',
  '#.....#.####.#..##..#.#.....#',
  '#.###.#..#......#.##..#.###.#',
  '#.###.#.#..#..##.####.#.###.#',
  '#.###.#..#..#.#.#####.#.###.#',
  '#.....#......#.#####..#.....#',
  '#######.#.#.#.#.#.#.#.#######',
  '........####...######........',
  '#.##.###....##.#.#..#.#..#.##',
  '.##..#.....#####...#..#.#...#',
  '.##.#######.##..#...#..##.##.',
  '##.#.#..#.###...#..#.####...#',
  '#.#.#.#.#.##..##.##.##...##..',
  '#.##...##.#.#.#.#..#####..###',
  '..##.###...###.#####.##.#.###',
  '..##.#.######.#.#..#.##.#..#.',
  '.#..#.#.#####.##..#.....##.#.',
  '.#..##...##...#.#.#..#...###.',
  '#.###.#############..####.#..',
  '..#......######.##.#...##.#..',
  '.##..###.#.#.##.##..#######..',
  '........#..##...###.#...#####',
  '#######.##.##.#.#.###.#.##.#.',
  '#.....#.#...###...###...##..#',
  '#.###.#....##....#..#####.##.',
  '#.###.#.##.....##..##...##..#',
  '#.###.#.#.#.#......#......#.#',
  '#.....#......##.#.###.###..#.',
  '#######.###..###..#.#.##.#.#.',
];
const DIGESTS = [
  [`https://[fd12:3456:789a::20]:8172/r/${'%E5%8E%A8'.repeat(6)}`, '99f7ebb50e34d492ad2be62b086508c77a54b3352d9628db2da10ae285c4b439'],
  ['x'.repeat(150), 'bbe6b068fd583d2359738a7e75c73a2efa11a760bed329f4d8b9792ad940d357'],
  ['k'.repeat(84), 'f3964e6b2c85d5a5e36e9da673a52c2f3e6a184d19c92e899e5c60d5ff31a2a9'],
  ['k'.repeat(213), '3f0980d9ae69f44009d0ae91bff98c7176f998fd415466a0dcffd71e0da1b3fa'],
];

test('an address is drawn as others draw it', () => {
  assert.deepEqual(drawn('https://192.168.1.20:8172/r/home'), ADDRESS);
});

test('so are longer ones, up to the longest', () => {
  for (const [text, digest] of DIGESTS) {
    assert.equal(createHash('sha256').update(drawn(text).join('\n')).digest('hex'), digest, text);
  }
  assert.equal(qrCode('k'.repeat(214)), null);
});
