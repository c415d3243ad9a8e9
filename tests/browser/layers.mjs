// A publisher encodes what somebody sees: two pages and no more, one watching the other's sizes.
//
// usage: node tests/browser/layers.mjs URL [--budget MS]
//   --budget  milliseconds from `joined` to a picture of somebody who was alone (default 1000)
// Prints one line a check and a JSON summary; exit 1 if any check failed.

import { parseArgs } from 'node:util';

import { checklist } from './checks.mjs';
import { WORDS, framesGrow, join, launch, noFaults, openPage, tilesOf, until } from './page.mjs';
import { PATIENCE } from './patience.mjs';

/** The box waits 5 s before it turns a layer off, and tiles are told after 0.2 s. */
const OFF_MS = 9000;
/** Chromium feels its way up: on a busy machine the largest layer takes its time to come at all. */
const RAMP_MS = 30_000;
/** From a larger tile to the larger picture. */
const LARGE_MS = 2000 * PATIENCE;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { budget: { type: 'string', default: '1000' } } });
const [url] = positionals;
if (!URL.canParse(url)) throw new Error('usage: node tests/browser/layers.mjs URL [--budget MS]');
const budgetMs = Number(values.budget);
const { check, finish } = checklist({ url });
/** @type {string[]} */
const faults = [];

/** What a page sends of its camera, by the layer's name: whether it is on, bytes and lines. */
const sent = (page) => page.evaluate(async () => {
  const layers = {};
  for (const stats of (await window.parlor.up?.getStats())?.values() ?? []) {
    if (stats.type !== 'outbound-rtp' || stats.kind !== 'video') continue;
    layers[stats.rid] = { active: stats.active, bytes: stats.bytesSent, lines: stats.frameHeight ?? 0, limit: stats.qualityLimitationReason };
  }
  return layers;
});

/** What a page has of somebody's picture. */
const got = (page, name) => page.evaluate(async (wanted) => {
  const { state, down } = window.parlor;
  const member = state.members.find((other) => other.name === wanted);
  for (const stats of (await down?.getStats())?.values() ?? []) {
    const shown = stats.type === 'inbound-rtp' && stats.kind === 'video' ? state.mids[stats.mid] : undefined;
    if (shown?.member === member?.id) {
      return { lines: stats.frameHeight ?? 0, frames: stats.framesDecoded ?? 0, freezeMs: Math.round((stats.totalFreezesDuration ?? 0) * 1000) };
    }
  }
  return { lines: 0, frames: 0, freezeMs: 0 };
}, name);

/**
 * These layers come and no others; one that the browser itself holds back does not count as sent.
 * Resolves with the lines of each.
 */
async function only(page, on, deadlineMs = OFF_MS) {
  const names = ['q', 'h', 'f'];
  let before = await sent(page);
  const after = await until(`${on.join('+') || 'nothing'} is sent`, async () => {
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
    const now = await sent(page);
    const grown = names.filter((rid) => (now[rid]?.bytes ?? 0) > (before[rid]?.bytes ?? 0));
    before = now;
    return { grown, now };
  }, ({ grown }) => grown.join() === on.join(), deadlineMs);
  const wrong = on.filter((rid) => !after.now[rid].active);
  if (wrong.length > 0) throw new Error(`${wrong.join('+')} is sent and said to be off`);
  return Object.fromEntries(names.map((rid) => [rid, after.now[rid]?.lines]));
}

const LARGE = { width: 1280, height: 800 };
const SMALL = { width: 320, height: 200 };

/** The tile is made larger; how long until the larger picture is there, and whether it stood still. */
async function enlarge(ana, lines) {
  const before = await got(ana, 'Ben');
  const started = performance.now();
  await ana.setViewportSize(LARGE);
  await until('Ben is large', () => got(ana, 'Ben'), (seen) => seen.lines >= lines);
  const ms = Math.round(performance.now() - started);
  const after = await got(ana, 'Ben');
  if (!(ms <= LARGE_MS)) throw new Error(`${ms} ms`);
  return { ms, frozenMs: after.freezeMs - before.freezeMs };
}

/** Leaves by the button; the other is alone then. */
async function goes(page, witness) {
  await page.getByRole('button', { name: WORDS.en.leave }).click();
  await until('Ana is gone', () => tilesOf(witness), (tiles) => tiles.length === 1);
  await page.context().close();
}

/** Joins where somebody is alone and has stopped; how long from `joined` to the picture. */
async function arrive(browser) {
  const page = await openPage(browser, url, faults);
  await join(page, 'Ana');
  const seen = await until('Ben\'s picture', () => page.evaluate(() => window.seen), ({ live }) => live.Ben !== undefined);
  return { page, ms: Math.round(seen.live.Ben - seen.joinedAt) };
}

async function main() {
  const browser = await launch();
  try {
    let ana = await openPage(browser, url, faults);
    const ben = await openPage(browser, url, faults);
    let whole = {};
    await check('two pages join and see each other', async () => {
      await Promise.all([join(ana, 'Ana'), join(ben, 'Ben')]);
      await Promise.all([framesGrow(ana, 1), framesGrow(ben, 1)]);
      await until('Ben has all his lines', () => got(ana, 'Ben'), ({ lines }) => lines >= 600, 30_000);
      whole = await sent(ben);
      return Object.fromEntries(Object.entries(whole).map(([rid, { lines }]) => [rid, lines]));
    });
    await check('a large tile needs no middle layer', () => only(ben, ['q', 'f'], RAMP_MS));
    await check('a small tile stops the upper layers', async () => {
      await ana.setViewportSize(SMALL);
      const lines = await only(ben, ['q']);
      if (lines.q !== whole.q?.lines) throw new Error(`the lowest had ${whole.q?.lines} lines and has ${lines.q}`);
      return lines;
    });
    await check(`a larger tile has the larger picture within ${LARGE_MS} ms`, () => enlarge(ana, 600));
    await check('whoever is alone sends no picture', async () => {
      await goes(ana, ben);
      return only(ben, []);
    });
    const times = [];
    await check('whoever comes then sees it, several times', async () => {
      for (let run = 0; run < 3; run += 1) {
        const { page, ms } = await arrive(browser);
        times.push(ms);
        if (run === 2) ana = page;
        else {
          await goes(page, ben);
          await only(ben, []);
        }
      }
      return times;
    });
    await check(`within ${budgetMs} ms of joined (median)`, () => {
      const ms = [...times].sort((one, other) => one - other)[1] ?? Infinity;
      if (!(ms <= budgetMs)) throw new Error(`${ms} ms; all: ${times}`);
      return ms;
    });
    await check('Ben\'s picture is large again', () => until('Ben is large', () => got(ana, 'Ben'), ({ lines }) => lines >= 600));
    await check('no errors in any page', () => noFaults(faults));
  } finally {
    await browser.close();
  }
}

await main();
finish();
