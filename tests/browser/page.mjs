// What the browser tests share: a Chromium with fake devices, pages that join by the names of their
// controls, conditions with deadlines, and readings of WebRTC statistics. No fixed sleeps.

import { createRequire } from 'node:module';
import { PATIENCE } from './patience.mjs';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');

const EVERY_MS = 25;

/** A browser whose camera makes few frames: for scenes that are about something else. */
export const LIGHT = { fps: 10 };

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/**
 * @typedef {object} Launch
 * @property {string} [executablePath]
 * @property {number} [fps] of each camera
 * @property {number} [cameras] how many there are; 0 is neither camera nor microphone
 * @property {string} [voice] a sound file that every microphone hears
 * @property {string[]} [args] further switches
 * @property {boolean} [asks] the browser asks for permission, instead of giving it
 * @property {string} [home] the folder in which it looks for certificate authorities to trust
 * @property {string} [names] where it finds names, as `--host-resolver-rules` has it
 */

/** @param {Launch} given */
function settings({ executablePath = CHROMIUM, fps = 0, cameras = 1, voice = '', args = [], asks = false, home = '', names = '' } = {}) {
  const devices = [...(fps === 0 ? [] : [`fps=${fps}`]), ...(cameras === 1 ? [] : [`device-count=${cameras}`])].join(',');
  return {
    executablePath,
    ...(home === '' ? {} : { env: { ...process.env, HOME: home } }),
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', ...(asks ? [] : ['--use-fake-ui-for-media-stream']),
      ...(cameras === 0 ? [] : [`--use-fake-device-for-media-stream${devices === '' ? '' : `=${devices}`}`]),
      ...args,
      ...(names === '' ? [] : [`--host-resolver-rules=${names}`]),
      ...(voice === '' ? [] : [`--use-file-for-fake-audio-capture=${voice}`]),
    ],
  };
}

/** @param {Launch} [options] */
export const launch = (options) => chromium.launch(settings(options));

/** A browser whose process is known, to be treated badly. */
export async function launchWithProcess(options) {
  const server = await chromium.launchServer(settings(options));
  return { browser: await chromium.connect(server.wsEndpoint()), pid: server.process().pid, kill: () => server.kill() };
}

/** Runs in the page before all else: keeps its sockets, notes when `joined` came, when each tile first was live, and pongs. */
function observe() {
  const seen = { joinedAt: 0, live: {}, pongs: 0 };
  window.seen = seen;
  window.sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      window.sockets.push(this);
      this.addEventListener('message', (event) => {
        if (String(event.data).includes('"type":"joined"')) seen.joinedAt = performance.now();
        if (String(event.data).includes('"type":"pong"')) seen.pongs += 1;
      });
    }
  };
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      if (target.localName !== 'parlor-tile' || target.dataset.state !== 'live' || target.classList.contains('own')) continue;
      seen.live[target.getAttribute('aria-label')] ??= performance.now();
    }
  }).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-state'] });
}

/**
 * The page hears a message as if the box had written it.
 * @param {import('playwright-core').Page} page @param {...object} messages one after the other, at once
 */
export const hear = (page, ...messages) => page.evaluate((written) => {
  for (const data of written) window.sockets.at(-1).dispatchEvent(new MessageEvent('message', { data }));
}, messages.map((message) => JSON.stringify(message)));

/**
 * A page of its own context. `before` runs in it before its own scripts; the other options are playwright's. Errors of the page are collected in `faults`.
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 * @param {string[]} faults
 */
export async function openPage(browser, url, faults, { before, ...options } = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-US', viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(30_000 * PATIENCE);
  await context.grantPermissions(options.permissions ?? ['camera', 'microphone']);
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(`${error.name}: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  await page.addInitScript(observe);
  if (before) await page.addInitScript(before);
  await page.goto(url);
  return page;
}

/** Names of the controls a page is joined by, in both languages. */
export const WORDS = {
  en: { name: 'Your name', join: 'Join', leave: 'Leave', chat: 'Chat', people: 'People', settings: 'Settings', close: 'Close' },
  zh: { name: '你的名字', join: '加入', leave: '离开', chat: '聊天', people: '成员', settings: '设置', close: '关闭' },
};

/** Joins as a user does: name, Join, nothing else. */
export async function join(page, name, words = WORDS.en) {
  await page.getByRole('textbox', { name: words.name }).fill(name);
  await page.getByRole('button', { name: words.join, exact: true }).click();
  await page.getByRole('button', { name: words.leave }).waitFor({ timeout: 30_000 * PATIENCE });
}

/**
 * Asks again and again until the answer holds, or the deadline passes.
 * @template T
 * @param {string} what for the message
 * @param {() => Promise<T>} ask
 * @param {(answer: T) => boolean} holds
 * @returns {Promise<T>}
 */
export async function until(what, ask, holds, deadlineMs = 15_000) {
  const patienceMs = deadlineMs * PATIENCE;
  const end = performance.now() + patienceMs;
  let answer;
  do {
    answer = await ask();
    if (holds(answer)) return answer;
    await new Promise((resolve) => { setTimeout(resolve, EVERY_MS); });
  } while (performance.now() < end);
  throw new Error(`${what}: not within ${patienceMs} ms; last seen: ${JSON.stringify(answer)}`);
}

/** What a page receives, a member: frames decoded and sound energy, by the member's name. */
export function received(page) {
  return page.evaluate(async () => {
    const { state, down } = window.parlor;
    const byName = {};
    for (const { id, name } of state.members) if (id !== state.you) byName[name] = { frames: 0, energy: 0, level: 0 };
    const names = new Map(state.members.map(({ id, name }) => [id, name]));
    const { direct, directTrack } = window.parlor;
    // What comes directly is of one member, and known by its tracks.
    const peer = state.direct?.peer;
    const directly = new Map(['camera', 'microphone'].flatMap((source) => {
      const track = peer === undefined ? null : directTrack(peer, source);
      return track ? [[track.id, { member: peer, source }]] : [];
    }));
    const all = [...(await down?.getStats())?.values() ?? [], ...(directly.size > 0 ? (await direct?.getStats())?.values() ?? [] : [])];
    for (const stats of all) {
      const shown = stats.type !== 'inbound-rtp' ? undefined : directly.get(stats.trackIdentifier) ?? state.mids[stats.mid];
      const entry = shown && byName[names.get(shown.member)];
      if (!entry) continue;
      if (stats.kind === 'video' && shown.source === 'camera') entry.frames += stats.framesDecoded ?? 0;
      if (stats.kind === 'audio') {
        entry.energy += stats.totalAudioEnergy ?? 0;
        entry.level = Math.max(entry.level, stats.audioLevel ?? 0);
      }
    }
    return byName;
  });
}

/** Tiles of a page: name, data-state, data-mic, data-path. */
export function tilesOf(page) {
  return page.evaluate(() => [...document.querySelectorAll('parlor-tile')].map((tile) => ({
    name: tile.getAttribute('aria-label'), state: tile.dataset.state, mic: tile.dataset.mic, path: tile.dataset.path, own: tile.classList.contains('own'),
  })));
}

/** Frames of everybody else grow by at least five, from wherever they were. */
export async function framesGrow(page, nOthers) {
  const first = await until('the others are there', () => received(page), (seen) => Object.keys(seen).length === nOthers);
  await until('frames grow', () => received(page), (seen) => Object.keys(first).every((name) => (seen[name]?.frames ?? 0) >= first[name].frames + 5));
  await until('tiles are live', () => tilesOf(page), (tiles) => tiles.length === nOthers + 1 && tiles.every(({ state }) => state === 'live'));
}

/** The tiles of these become live, and their frames grow by at least five. */
export async function pictureGrows(page, names) {
  const live = (tiles) => names.every((name) => tiles.some((tile) => tile.name === name && tile.state === 'live'));
  await until(`${names.join(', ')} live`, () => tilesOf(page), live);
  const first = await received(page);
  await until(`frames of ${names.join(', ')} grow`, () => received(page), (seen) => (
    names.every((name) => (seen[name]?.frames ?? 0) >= (first[name]?.frames ?? 0) + 5)));
}

/** Everybody who says that their microphone is on is heard. */
export async function soundGrows(page) {
  const speaking = await page.evaluate(() => {
    const { state } = window.parlor;
    return state.members.filter(({ id, mic }) => id !== state.you && mic).map(({ name }) => name);
  });
  if (speaking.length === 0) throw new Error('nobody has a microphone on');
  const first = await received(page);
  const heard = await until('sound energy grows', () => received(page), (seen) => (
    speaking.every((name) => (seen[name]?.energy ?? 0) > (first[name]?.energy ?? 0))));
  return Object.fromEntries(speaking.map((name) => [name, heard[name].energy]));
}

/** Somebody writes, and the other reads it. */
export async function chatArrives(from, to, text) {
  const chat = from.getByRole('button', { name: 'Chat' });
  if ((await chat.getAttribute('aria-pressed')) === 'false') await chat.click();
  await from.getByRole('textbox', { name: 'Message' }).fill(text);
  await from.getByRole('button', { name: 'Send' }).click();
  const opener = to.getByRole('button', { name: 'Chat' });
  if ((await opener.getAttribute('aria-pressed')) === 'false') await opener.click();
  await until('the message', () => to.getByRole('log', { name: 'Messages' }).textContent(), (words) => words.includes(text), 5000);
}

/** One press of a toggle is seen by the other page. */
export async function toggleIsSeen(page, name, button, other, field, off, on) {
  for (const wanted of [off, on]) {
    await page.getByRole('button', { name: button, exact: true }).click();
    const tile = other.getByRole('group', { name, exact: true });
    await until(`${field}=${wanted}`, () => tile.getAttribute(field), (value) => value === wanted, 10_000);
  }
}

/** Somebody's screen is shown to another page and taken away; the camera's picture goes on beside it. */
export async function screenIsSeen(from, name, to) {
  const share = from.getByRole('button', { name: 'Share screen' });
  const frames = () => to.evaluate(async () => {
    const { state, down } = window.parlor;
    const screen = [...(await down.getStats()).values()].find(({ type, mid }) => type === 'inbound-rtp' && state.mids[mid]?.source === 'screen');
    return screen?.framesDecoded ?? 0;
  });
  const tile = (tiles) => tiles.some((other) => other.name === `${name}: screen` && other.state === 'live');
  await share.click();
  await until('a tile of the screen', () => tilesOf(to), tile);
  // A screen that stands still is few frames.
  await until('its picture', frames, (decoded) => decoded > 0);
  await pictureGrows(to, [name]);
  await share.click();
  await until('the screen is gone', () => tilesOf(to), (tiles) => !tile(tiles));
  await pictureGrows(to, [name]);
}

/** The middle one. @param {number[]} values */
export function median(values) {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];
}

/** Lines of somebody's picture as it is decoded; 0 before the first. */
export const linesOf = (page, name) => page.evaluate(async (wanted) => {
  const { state, down } = window.parlor;
  const member = state.members.find((other) => other.name === wanted);
  for (const stats of (await down?.getStats())?.values() ?? []) {
    const shown = stats.type === 'inbound-rtp' && stats.kind === 'video' ? state.mids[stats.mid] : undefined;
    if (shown?.member === member?.id) return stats.frameHeight ?? 0;
  }
  return 0;
}, name);

/** What `openPage` has collected is nothing. @param {string[]} faults */
export function noFaults(faults) {
  if (faults.length > 0) throw new Error([...new Set(faults)].join('; '));
}
