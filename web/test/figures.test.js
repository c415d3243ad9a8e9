import assert from 'node:assert/strict';
import { test } from 'node:test';

import { figuresFrom } from '../room/media/figures.js';

const stats = (at, bytes, { lost = 0, received = 100, type = 'host', fps = 30 } = {}) => [
  { id: 'T', type: 'transport', selectedCandidatePairId: 'P' },
  { id: 'P', type: 'candidate-pair', localCandidateId: 'L', currentRoundTripTime: 0.0123 },
  { id: 'L', type: 'local-candidate', candidateType: type },
  { id: 'C', type: 'codec', mimeType: 'video/VP8' },
  { id: 'V', type: 'inbound-rtp', kind: 'video', mid: '1', timestamp: at, bytesReceived: bytes, packetsLost: lost, packetsReceived: received,
    framesPerSecond: fps, frameWidth: 640, frameHeight: 360, codecId: 'C' },
  { id: 'A', type: 'inbound-rtp', kind: 'audio', mid: '0', timestamp: at, bytesReceived: 1 },
];

test('figures of a picture are of the time since they were read last', () => {
  const past = new Map();
  const first = figuresFrom(stats(1000, 5000), past).get('1');
  assert.deepEqual([first.kbps, first.line, first.bars], [0, [], 3]);
  const second = figuresFrom(stats(3000, 255_000, { lost: 5, received: 195 }), past).get('1');
  assert.deepEqual(second, {
    path: 'box', codec: 'VP8', width: 640, height: 360, fps: 30, kbps: 1000, lossPercent: 5, rttMs: 12, line: [1000], bars: 2,
  });
  assert.equal(figuresFrom(stats(5000, 10), past).get('1').kbps, 0, 'counters that began anew');
  for (let n = 1; n < 50; n += 1) figuresFrom(stats(5000 + n * 2000, 10 + n * 1000), past);
  assert.equal(past.get('1').line.length, 30, 'a minute');
});

test('a relay is told by the candidate that is in use, and bars by what is seen', () => {
  const bars = (more) => {
    const past = new Map();
    figuresFrom(stats(1000, 0, { received: 0 }), past);
    return figuresFrom(stats(3000, 1000, more), past).get('1');
  };
  assert.equal(bars({ type: 'relay' }).path, 'relay');
  assert.equal(bars({ fps: 2 }).bars, 1);
  assert.equal(bars({ fps: 8 }).bars, 2);
  assert.equal(bars({ lost: 20, received: 80 }).bars, 1);
  assert.equal(figuresFrom([], new Map()).size, 0);
});
