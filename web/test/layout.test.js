import assert from 'node:assert/strict';
import { test } from 'node:test';

import { arrange } from '../room/views/layout.js';

const STAGES = [[1416, 780], [1064, 780], [374, 700], [828, 290], [304, 430], [180, 120]];

test('no two tiles of a grid overlap and none leaves the stage', () => {
  for (const [width, height] of STAGES) {
    for (let count = 1; count <= 40; count += 1) {
      for (const large of [-1, 0, count - 1]) {
        const plan = arrange({ width, height, count, large, page: 0 });
        assert.equal(plan.rects.length, count);
        const shown = plan.rects.map((rect, index) => ({ rect, index })).filter(({ rect }) => rect !== null);
        assert.ok(shown.length > 0);
        for (const { rect } of shown) {
          assert.ok(rect.x >= -1 && rect.y >= -1, `${width}x${height} ${count}`);
          assert.ok(rect.x + rect.width <= width + 1, `${width}x${height} ${count}`);
          assert.ok(rect.width > 0 && rect.height > 0);
        }
        const apart = shown.filter(({ index }) => !(plan.kind === 'corner' && index === count - 1));
        for (const one of apart) {
          for (const other of apart) {
            if (one.index >= other.index) continue;
            const clear = one.rect.x + one.rect.width <= other.rect.x || other.rect.x + other.rect.width <= one.rect.x
              || one.rect.y + one.rect.height <= other.rect.y || other.rect.y + other.rect.height <= one.rect.y;
            assert.ok(clear, `${width}x${height}, ${count} tiles: ${one.index} over ${other.index}`);
          }
        }
      }
    }
  }
});

test('the pages together show everybody, each once', () => {
  for (const [width, height] of STAGES) {
    const first = arrange({ width, height, count: 40, large: -1, page: 0 });
    const times = Array(40).fill(0);
    for (let page = 0; page < first.pages; page += 1) {
      arrange({ width, height, count: 40, large: -1, page }).rects.forEach((rect, index) => { if (rect) times[index] += 1; });
    }
    assert.deepEqual(times.slice(0, -1), Array(39).fill(1));
    const small = Math.max(...first.rects.map((rect, index) => (rect ? index : 0))) < 39;
    assert.equal(times[39], small ? 1 : first.pages, 'oneself is on every page, and on the last of small ones');
  }
});

test('two people: the other large, oneself small in its corner', () => {
  const { kind, rects: [other, own] } = arrange({ width: 1416, height: 780, count: 2, large: -1, page: 0 });
  assert.equal(kind, 'corner');
  assert.ok(other.width * other.height > 10 * own.width * own.height);
  assert.ok(own.x > other.x && own.x + own.width < other.x + other.width);
});

test('sixteen to nine on a wide stage', () => {
  for (let count = 1; count <= 9; count += 1) {
    const { rects } = arrange({ width: 1416, height: 780, count, large: -1, page: 0 });
    for (const rect of rects) assert.ok(Math.abs(rect.width / rect.height - 16 / 9) < 0.02);
  }
});

test('a screen takes the large place', () => {
  const { kind, rects } = arrange({ width: 1416, height: 780, count: 4, large: 0, page: 0 });
  assert.equal(kind, 'spotlight');
  assert.ok(rects[0].width > 1000);
});

test('a small window shows the others first, oneself on the last page', () => {
  const plan = (page) => arrange({ width: 344, height: 170, count: 3, large: -1, page }).rects.map((rect) => rect !== null);
  assert.deepEqual(plan(0), [true, true, false]);
  assert.deepEqual(plan(1), [false, false, true]);
});

test('two people on a phone: the picture fills the screen, upright and held across', () => {
  for (const [width, height] of [[374, 690], [828, 300]]) {
    const { rects: [other] } = arrange({ width, height, count: 2, large: -1, page: 0 });
    assert.ok(other.width * other.height > 0.85 * width * height, `${width}x${height}: ${JSON.stringify(other)}`);
  }
});

test('on a low stage one\'s own picture leaves the other one in sight', () => {
  for (const [width, height] of [[844, 84], [320, 104], [844, 294]]) {
    const { rects: [other, own] } = arrange({ width, height, count: 2, large: -1, page: 0 });
    assert.ok(own.width * own.height < other.width * other.height / 3, `${width}×${height}`);
    assert.ok(own.y >= 0 && own.x >= other.x, `${width}×${height}`);
  }
});
