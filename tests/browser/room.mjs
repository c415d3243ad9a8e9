// The whole house in real browsers: two pages and the box's camera in one room.
//
// usage: node tests/browser/room.mjs URL [--shots DIR] [--late SECONDS] [--runs N] [--budget MS] [--light]
//   URL       of a running parlor, such as https://127.0.0.1:8172/ (its own certificate is accepted)
//   --shots   write screenshots there: join and room, both languages, desktop and phone
//   --late    age of the room when the third page joins (default 10)
//   --runs    how often the third page joins; the median counts (default 5)
//   --budget  milliseconds from `joined` to a picture (default 1000; say more for a debug build)
//   --light   the browsers' cameras make few frames
// The room is the box's default one, and a camera with sound is expected in it.
// Prints one line a check and a JSON summary; exit 1 if any check failed.

import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';

import { checklist } from './checks.mjs';
import {
  LIGHT, WORDS, chatArrives, framesGrow, join, launch, linesOf, median, noFaults, openPage, pictureGrows, screenIsSeen, soundGrows,
  tilesOf, toggleIsSeen, until,
} from './page.mjs';
import { voiceFile } from './voice.mjs';
import { PATIENCE } from './patience.mjs';

const GONE_MS = 2000 * PATIENCE;

const { url, options } = readArguments(process.argv.slice(2));
const { summary, check, finish } = checklist({ url, picturesMs: [], goneMs: null });
/** @type {string[]} */
const faults = [];

function readArguments(given) {
  const options = { shots: '', late: 10, runs: 5, budget: 1000, light: false };
  let url = '';
  for (let index = 0; index < given.length; index += 1) {
    const name = given[index].replace(/^--/, '');
    if (!given[index].startsWith('--')) url = given[index];
    else if (name === 'light') options.light = true;
    else if (name in options) {
      index += 1;
      options[name] = name === 'shots' ? given[index] : Number(given[index]);
    } else throw new Error(`unknown option ${given[index]}`);
  }
  if (!URL.canParse(url)) throw new Error('usage: node tests/browser/room.mjs URL [--shots DIR] [--late SECONDS] [--runs N] [--budget MS]');
  return { url, options };
}

const others = (page) => page.evaluate(() => {
  const { state } = window.parlor;
  return state.members.filter(({ id }) => id !== state.you).map(({ name, kind }) => ({ name, kind }));
});

/** The outline of a tile comes and goes with the voice, and the box has named an active speaker. */
async function speakingIsSeen(page, name) {
  const tile = page.getByRole('group', { name, exact: true });
  for (const wanted of [true, false, true]) {
    await until(`speaking: ${wanted}`, () => tile.getAttribute('data-speaking'), (value) => (value !== null) === wanted);
  }
  const speaker = await page.evaluate(() => window.parlor.state.members.find(({ id }) => id === window.parlor.state.speaker)?.name);
  if (!['Ana', 'Ben'].includes(speaker)) throw new Error(`the active speaker is ${speaker}`);
  return speaker;
}

/**
 * Each packet of a page's sound has the one before in it again (RED, RFC 2198). Statistics call both
 * ends Opus; a copy that was not needed is a packet that Chromium has discarded.
 */
function soundIsRedundant(page, name) {
  const ask = () => page.evaluate(async (wanted) => {
    const { state, down } = window.parlor;
    const member = state.members.find((other) => other.name === wanted);
    const sound = [...(await down.getStats()).values()].find((stats) => (
      stats.type === 'inbound-rtp' && stats.kind === 'audio' && state.mids[stats.mid]?.member === member.id));
    return { packets: sound?.packetsReceived ?? 0, copies: sound?.packetsDiscarded ?? 0 };
  }, name);
  return until('copies come', ask, ({ packets, copies }) => packets > 50 && copies > packets / 2);
}

/** Leaves by the button and joins again; the other page has kept the sections he was shown on. */
async function comesBack(page, name, other) {
  await page.getByRole('button', { name: WORDS.en.leave }).click();
  await until(`${name} is gone`, () => tilesOf(other), (tiles) => !tiles.some((tile) => tile.name === name), GONE_MS);
  await join(page, name);
  await pictureGrows(other, [name]);
  await soundGrows(other);
}

/** A third page joins; how long from `joined` to a picture of everybody, and of the first. */
async function latePage(browser, names) {
  const page = await openPage(browser, url, faults);
  await join(page, 'Cleo');
  const seen = await until('a picture', () => page.evaluate(() => window.seen), ({ live }) => names.every((name) => live[name] !== undefined));
  const times = names.map((name) => seen.live[name] - seen.joinedAt);
  return { page, firstMs: Math.round(Math.min(...times)), lastMs: Math.round(Math.max(...times)) };
}

/** Closes a page; how long until another page has no tile of it. */
async function pageGoes(page, name, witness) {
  const closed = performance.now();
  await page.close({ runBeforeUnload: true }); // as somebody closes a tab
  await until(`${name} is gone`, () => tilesOf(witness), (tiles) => !tiles.some((tile) => tile.name === name), 10_000);
  const goneMs = Math.round(performance.now() - closed);
  await page.context().close();
  return goneMs;
}

async function late(browser, ana) {
  const age = () => ana.evaluate(() => performance.now() - window.seen.joinedAt);
  await until('the room is old enough', age, (ms) => ms >= options.late * 1000, options.late * 1000 + 20_000);
  const names = (await tilesOf(ana)).map(({ name }) => name);
  const goneMs = [];
  for (let run = 0; run < options.runs; run += 1) {
    const { page, firstMs, lastMs } = await latePage(browser, names);
    summary.picturesMs.push({ firstMs, lastMs });
    goneMs.push(await pageGoes(page, 'Cleo', ana));
  }
  summary.goneMs = goneMs;
}

async function screenshots(browser) {
  await mkdir(options.shots, { recursive: true });
  const sizes = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
  for (const [language, words] of Object.entries(WORDS)) {
    for (const [size, viewport] of Object.entries(sizes)) {
      const locale = language === 'zh' ? 'zh-CN' : 'en-US';
      const more = { viewport, locale, reducedMotion: 'reduce', colorScheme: size === 'desktop' ? 'dark' : 'light', hasTouch: size === 'phone' };
      const page = await openPage(browser, url, faults, more);
      const shoot = (what) => page.screenshot({ path: path.join(options.shots, `${what}-${language}-${size}.png`) });
      await page.getByRole('textbox', { name: words.name }).fill(language === 'zh' ? '林小雨' : 'Lin');
      await page.locator('#presence:not(:empty)').waitFor();
      await until('the preview', () => page.evaluate(() => document.querySelector('#preview-video').videoWidth), (width) => width > 0);
      await shoot('join');
      await join(page, language === 'zh' ? '林小雨' : 'Lin', words);
      await until('live tiles', () => tilesOf(page), (tiles) => tiles.length > 1 && tiles.every(({ state }) => state === 'live'));
      await shoot('room');
      await page.getByRole('button', { name: words.chat }).click();
      await shoot('chat');
      await page.getByRole('button', { name: words.settings }).click();
      await page.getByRole('dialog').waitFor();
      await shoot('settings');
      await page.context().close();
    }
  }
}

async function main() {
  const voice = await voiceFile();
  const browser = await launch(options.light ? { voice, ...LIGHT } : { voice });
  try {
    const ana = await openPage(browser, url, faults);
    const ben = await openPage(browser, url, faults);
    await check('two pages join', () => Promise.all([join(ana, 'Ana'), join(ben, 'Ben')]).then(() => undefined));
    await check('the box\'s camera is in the room', () => until('a camera', () => others(ana), (list) => list.some(({ kind }) => kind === 'camera')));
    for (const [name, page] of [['Ana', ana], ['Ben', ben]]) {
      await check(`${name} decodes growing frames of the two others`, () => framesGrow(page, 2));
      await check(`${name} hears the others`, () => soundGrows(page));
    }
    await check('who speaks is outlined, while he speaks', () => speakingIsSeen(ana, 'Ben'));
    await check('the sound of a page comes with redundancy', () => soundIsRedundant(ana, 'Ben'));
    await check('chat arrives at Ben', () => chatArrives(ana, ben, `Hello Ben, ${Date.now()}`));
    await check('chat arrives at Ana', () => chatArrives(ben, ana, `你好 Ana, ${Date.now()}`));
    await check('camera off and on is seen', () => toggleIsSeen(ana, 'Ana', 'Camera', ben, 'data-state', 'muted', 'live'));
    await check('the picture that comes is as large as its tile', async () => {
      const large = await until('Ben is large', () => linesOf(ana, 'Ben'), (lines) => lines >= 300, 30_000);
      // Three small tiles, none of them on a second page.
      await ana.setViewportSize({ width: 660, height: 440 });
      const small = await until('Ben is small', () => linesOf(ana, 'Ben'), (lines) => lines > 0 && lines <= large / 2)
        .finally(() => ana.setViewportSize({ width: 1280, height: 800 }));
      const again = await until('Ben is large again', () => linesOf(ana, 'Ben'), (lines) => lines >= 300);
      return { large, small, again };
    });
    await check('microphone off and on is seen', () => toggleIsSeen(ana, 'Ana', 'Microphone', ben, 'data-mic', 'off', 'on'));
    await check('Ben leaves, comes back, and is seen and heard again', () => comesBack(ben, 'Ben', ana));
    await check('a third page joins late and goes, several times', () => late(browser, ana));
    await check(`late picture within ${options.budget} ms of joined (median)`, () => {
      const ms = median(summary.picturesMs.map(({ lastMs }) => lastMs));
      if (!(ms <= options.budget)) throw new Error(`${ms} ms; all: ${JSON.stringify(summary.picturesMs)}`);
      return ms;
    });
    await check(`a page that closes is gone within ${GONE_MS} ms`, () => {
      const worst = Math.max(...(summary.goneMs ?? [Infinity]));
      if (!(worst <= GONE_MS)) throw new Error(`${worst} ms`);
      return worst;
    });
    await check('Ana\'s screen is seen beside her camera', () => screenIsSeen(ana, 'Ana', ben));
    if (options.shots) await check('screenshots', () => screenshots(browser));
    await check('no errors in any page', () => noFaults(faults));
  } finally {
    await browser.close();
    await rm(path.dirname(voice), { recursive: true });
  }
}

await main();
finish();
