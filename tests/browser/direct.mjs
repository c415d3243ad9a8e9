// Two people who are alone talk from browser to browser; a third comes and goes, a path goes bad, the
// policy is `only`. What each page shows is recorded frame by frame, so that a gap at a switch is seen.
//
// usage: node tests/browser/direct.mjs BINARY [--budget MS]
//   --budget  the longest gap in a picture when the path changes (default 300, as on a quiet machine)
// Starts parlors and browsers of its own. Prints one line a check and a JSON summary; exit 1 if any
// check failed.

import { Box } from './box.mjs';
import { checklist } from './checks.mjs';
import { FIREFOX, launchFirefox, openFirefoxPage } from './gecko.mjs';
import {
  LIGHT, WORDS, chatArrives, join, launch, noFaults, openPage, pictureGrows, soundGrows, tilesOf, toggleIsSeen, until,
} from './page.mjs';
import { existsSync } from 'node:fs';

const PATH_MS = 30_000;
const QUIET_MS = 3000;
/** Else Firefox neither has a candidate of loopback nor checks one of ours. */
const LOOPBACK = { 'media.peerconnection.ice.loopback': true };

const [binary, ...options] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/direct.mjs BINARY [--budget MS]');
const given = options.indexOf('--budget');
const budget = given < 0 ? 300 : Number(options[given + 1]);
const { check, finish, summary } = checklist({ budget });
/** @type {string[]} */
const faults = [];

const none = (what, found) => { if (found) throw new Error(what); };

/** The others of a page are seen by this path. */
const comesBy = (page, path, nOthers) => until(`everybody by ${path}`, () => tilesOf(page), (tiles) => (
  tiles.filter(({ own }) => !own).length === nOthers && tiles.every(({ own, state, path: how }) => own || (how === path && state === 'live'))), PATH_MS);

/** Both ends of the path that the direct connection has chosen. */
function chosenPair(page) {
  return page.evaluate(async () => {
    const stats = await window.parlor.direct.getStats();
    const all = [...stats.values()];
    const transport = all.find(({ type, selectedCandidatePairId }) => type === 'transport' && selectedCandidatePairId);
    const pair = transport ? stats.get(transport.selectedCandidatePairId) : all.find(({ type, selected }) => type === 'candidate-pair' && selected);
    return [pair.localCandidateId, pair.remoteCandidateId].map((id) => {
      const { address, port, candidateType } = stats.get(id);
      return { address, port, candidateType };
    });
  });
}

/** Packets to and from the box, by a page's own counters. */
function boxPackets(page) {
  return page.evaluate(async () => {
    const packets = { sent: 0, received: 0 };
    for (const direction of ['up', 'down']) {
      for (const stats of (await window.parlor[direction]?.getStats())?.values() ?? []) {
        if (stats.type === 'outbound-rtp') packets.sent += stats.packetsSent ?? 0;
        if (stats.type === 'inbound-rtp') packets.received += stats.packetsReceived ?? 0;
      }
    }
    return packets;
  });
}

/** What the box has taken in and given out, by its own counters. */
async function boxCounters(page, url) {
  const text = await page.evaluate(async (where) => (await fetch(where)).text(), `${url}metrics`);
  const value = (name) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)`, 'm').exec(text)?.[1] ?? NaN);
  return { text, value };
}

/** Nothing goes between these pages and the box for a while. */
async function boxIsQuiet(pages) {
  const all = () => Promise.all(pages.map(boxPackets));
  const flat = (packets) => JSON.stringify(packets);
  let before = await all();
  // What was under way when the path changed arrives late.
  await until('the box is quiet', async () => {
    await new Promise((resolve) => { setTimeout(resolve, QUIET_MS); });
    const now = await all();
    const same = flat(before) === flat(now);
    before = now;
    return same;
  }, (same) => same, PATH_MS);
  return before;
}

/** In the page: follows every frame of a member's picture, and its sound, whatever path it comes by. */
function record(name) {
  const tile = document.querySelector(`parlor-tile[aria-label="${name}"]`);
  const [video, audio] = [tile.querySelector('video'), tile.querySelector('audio')];
  const found = { frames: 0, longestMs: 0, last: performance.now(), soundMs: 0, soundAt: 0, path: tile.dataset.path, paths: [tile.dataset.path], black: 0 };
  (window.records ??= {})[name] = found;
  const each = (now) => {
    found.longestMs = Math.max(found.longestMs, now - found.last);
    found.last = now;
    found.frames += 1;
    video.requestVideoFrameCallback(each);
  };
  video.requestVideoFrameCallback(each);
  setInterval(() => {
    if (found.paths.at(-1) !== tile.dataset.path) found.paths.push(tile.dataset.path);
    if (video.videoWidth === 0) found.black += 1;
    const track = audio.srcObject?.getAudioTracks()[0];
    const { up, down, direct } = window.parlor;
    const receiver = [down, direct, up].flatMap((pc) => pc?.getReceivers() ?? []).find((other) => other.track === track);
    const [source] = receiver?.getSynchronizationSources() ?? [];
    if (!source || source.timestamp <= found.soundAt) return;
    if (found.soundAt > 0) found.soundMs = Math.max(found.soundMs, source.timestamp - found.soundAt);
    found.soundAt = source.timestamp;
  }, 20);
}

/** In the page: counts from here on. */
function mark() {
  for (const found of Object.values(window.records)) Object.assign(found, { frames: 0, longestMs: 0, soundMs: 0, paths: found.paths.slice(-1), black: 0 });
}

/** The longest gap since the mark; one that is not over counts as far as it has come. */
const gaps = (page) => page.evaluate(() => Object.fromEntries(Object.entries(window.records).map(([name, found]) => [name, {
  frames: found.frames, pictureMs: Math.round(Math.max(found.longestMs, performance.now() - found.last)), soundMs: Math.round(found.soundMs),
  paths: found.paths.join('>'), black: found.black,
}])));

/** No gap was longer than may be. @param {Record<string, import('playwright-core').Page>} pages */
async function noGap(pages, what) {
  const all = Object.fromEntries(await Promise.all(Object.entries(pages).map(async ([name, page]) => [name, await gaps(page)])));
  summary[what] = all;
  const worst = Math.max(...Object.values(all).flatMap((seen) => Object.values(seen).map(({ pictureMs, soundMs }) => Math.max(pictureMs, soundMs))));
  if (!(worst <= budget)) throw new Error(`${worst} ms: ${JSON.stringify(all)}`);
  return all;
}

async function pair(url, mediaPort, ana, ben) {
  const pages = { Ana: ana, Ben: ben };
  await check('two people who are alone see each other directly', async () => {
    const started = performance.now();
    await Promise.all(Object.values(pages).map((page) => comesBy(page, 'direct', 1)));
    return Math.round(performance.now() - started);
  });
  for (const [name, page] of Object.entries(pages)) {
    await check(`${name}'s chosen path has no address of the box`, async () => {
      const ends = await chosenPair(page);
      none(JSON.stringify(ends), ends.some(({ port }) => port === mediaPort));
      return ends;
    });
    await check(`${name} hears and sees the other`, async () => {
      await soundGrows(page);
      await pictureGrows(page, [name === 'Ana' ? 'Ben' : 'Ana']);
    });
  }
  await check('nothing goes by way of the box, by the pages\' counters', () => boxIsQuiet([ana, ben]));
  await check('nothing goes by way of the box, by its own', async () => {
    const names = ['parlor_rtp_packets_in_total', 'parlor_rtp_packets_out_total'];
    const read = async () => {
      const { value, text } = await boxCounters(ana, url);
      const found = names.map(value);
      none(`no ${names.join(', ')} in ${text.slice(0, 2000)}`, found.some(Number.isNaN));
      return found;
    };
    const before = await read();
    await new Promise((resolve) => { setTimeout(resolve, QUIET_MS); });
    const after = await read();
    none(`${before} became ${after}`, JSON.stringify(before) !== JSON.stringify(after));
    return Object.fromEntries(names.map((name, index) => [name, after[index]]));
  });
}

async function whileDirect(ana, ben) {
  await check('camera off and on is seen', () => toggleIsSeen(ana, 'Ana', 'Camera', ben, 'data-state', 'muted', 'live'));
  await check('microphone off and on is seen', () => toggleIsSeen(ben, 'Ben', 'Microphone', ana, 'data-mic', 'off', 'on'));
  await check('a screen is shared and seen, directly', async () => {
    const share = ana.getByRole('button', { name: 'Share screen' });
    await share.click();
    const shown = (tiles) => tiles.some(({ name, state, path }) => name === 'Ana: screen' && state === 'live' && path === 'direct');
    await until('her screen', () => tilesOf(ben), shown);
    await share.click();
    await until('no screen', () => tilesOf(ben), (tiles) => !tiles.some(({ name }) => name === 'Ana: screen'));
  });
  await check('chat arrives', () => chatArrives(ana, ben, `Hello Ben, ${Date.now()}`));
  await check('it is still direct', () => Promise.all([ana, ben].map((page) => comesBy(page, 'direct', 1))).then(() => undefined));
}

async function third(browser, url, ana, ben) {
  const pages = { Ana: ana, Ben: ben };
  for (const [page, name] of [[ana, 'Ben'], [ben, 'Ana']]) await page.evaluate(record, name);
  await Promise.all([ana, ben].map((page) => page.evaluate(mark)));
  const cleo = await openPage(browser, url, faults);
  await check('a third joins: all see each other by way of the box', async () => {
    await join(cleo, 'Cleo');
    const joined = performance.now();
    await Promise.all([ana, ben, cleo].map((page) => comesBy(page, 'box', 2)));
    await pictureGrows(cleo, ['Ana', 'Ben']);
    await soundGrows(cleo);
    return Math.round(performance.now() - joined);
  });
  await check(`no gap over ${budget} ms in picture or sound when the third came`, () => noGap(pages, 'came'));
  await Promise.all([ana, ben].map((page) => page.evaluate(mark)));
  await check('the third leaves: the two are direct again', async () => {
    await cleo.getByRole('button', { name: WORDS.en.leave }).click();
    await Promise.all([ana, ben].map((page) => comesBy(page, 'direct', 1)));
    await Promise.all([pictureGrows(ana, ['Ben']), pictureGrows(ben, ['Ana'])]);
  });
  await check(`no gap over ${budget} ms in picture or sound when the third left`, () => noGap(pages, 'left'));
  await cleo.context().close();
}

/** The direct connection dies at one of the two: the box is there for them. */
async function pathDies(ana, ben) {
  await check('a direct path that dies gives way to the box, and is tried once more', async () => {
    const first = await ana.evaluateHandle(() => window.parlor.direct);
    await ana.evaluate((pc) => pc.close(), first);
    await Promise.all([ana, ben].map((page) => comesBy(page, 'box', 1)));
    await Promise.all([pictureGrows(ana, ['Ben']), pictureGrows(ben, ['Ana'])]);
    await soundGrows(ben);
    await Promise.all([ana, ben].map((page) => comesBy(page, 'direct', 1)));
  });
}

/** With a free port of its own for media, told. */
async function start(direct, run) {
  const box = new Box(binary);
  box.direct = direct;
  try {
    const url = await box.startOnLoopback(null);
    await run(url, box.mediaPort, box);
  } finally {
    await box.remove();
  }
}

async function auto(browser) {
  await start('auto', async (url, mediaPort) => {
    const ana = await openPage(browser, url, faults);
    const ben = await openPage(browser, url, faults);
    await join(ana, 'Ana');
    await join(ben, 'Ben');
    await pair(url, mediaPort, ana, ben);
    await whileDirect(ana, ben);
    await third(browser, url, ana, ben);
    await pathDies(ana, ben);
    await ben.context().close();
    if (existsSync(FIREFOX)) await withFirefox(url, ana);
    else console.log(`skipped: Firefox with Chromium (no ${FIREFOX})`);
    await ana.context().close();
  });
}

async function withFirefox(url, ana) {
  const firefox = await launchFirefox(LOOPBACK);
  try {
    const fox = await openFirefoxPage(firefox, url, faults, () => {});
    await check('Firefox and Chromium see and hear each other directly', async () => {
      await join(fox, 'Fox');
      await Promise.all([comesBy(ana, 'direct', 1), comesBy(fox, 'direct', 1)]);
      await pictureGrows(ana, ['Fox']);
      await pictureGrows(fox, ['Ana']);
      await soundGrows(fox);
      await soundGrows(ana);
    });
  } finally {
    await firefox.close();
  }
}

async function only(browser) {
  await start('only', async (url) => {
    const ana = await openPage(browser, url, faults);
    const ben = await openPage(browser, url, faults);
    await join(ana, 'Ana');
    await join(ben, 'Ben');
    await check('only: two see each other directly, and the box has had nothing of them', async () => {
      await Promise.all([ana, ben].map((page) => comesBy(page, 'direct', 1)));
      const packets = await Promise.all([ana, ben].map(boxPackets));
      none(JSON.stringify(packets), packets.some(({ sent, received }) => sent + received > 0));
      return packets;
    });
    await check('only: a third is told that the room is full', async () => {
      const cleo = await openPage(browser, url, faults);
      await cleo.getByRole('textbox', { name: WORDS.en.name }).fill('Cleo');
      await cleo.getByRole('button', { name: WORDS.en.join, exact: true }).click();
      await until('a notice', () => cleo.locator('#notices .notice').allInnerTexts(), (texts) => texts.some((text) => text.includes('This room is full.')));
      await cleo.context().close();
    });
    await check('only: it is told that the other has left', async () => {
      await ben.getByRole('button', { name: WORDS.en.leave }).click();
      await until('Ben is gone', () => tilesOf(ana), (tiles) => tiles.length === 1);
    });
  });
}

async function main() {
  const browser = await launch(LIGHT);
  try {
    await auto(browser);
    await only(browser);
    await check('no errors in any page', () => noFaults(faults));
  } finally {
    await browser.close();
  }
}

await main();
finish();
