// Who is lost and who comes back: a browser that freezes, a box that restarts, a browser that dies.
//
// usage: node tests/browser/lost.mjs BINARY
// Starts a parlor and two browsers of its own. Prints one line a check and a JSON summary; exit 1
// if any check failed. What a lost member's place is kept for (30 s) is not waited for here.

import { readFile, readdir } from 'node:fs/promises';

import { Box, LIGHT_CAMERA } from './box.mjs';
import { checklist } from './checks.mjs';
import { LIGHT, framesGrow, join, launchWithProcess, openPage, pictureGrows, tilesOf, until } from './page.mjs';
import { PATIENCE } from './patience.mjs';

const LOST_MS = 5000 * PATIENCE;
const STOP_MS = 5000 * PATIENCE;
/** With a browser that does not close: nothing of the box is cut short at the contract's 5 s. */
const STOP_ALONE_MS = 4000 * PATIENCE;
const NAMES = ['Ana', 'Ben'];

const [binary] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/lost.mjs BINARY');
const { summary, check, finish } = checklist({ killedMs: null, frozenMs: null, thawedMs: null, toldMs: {}, stopMs: null, backMs: {}, stopAloneMs: null });
/** @type {string[]} */
const faults = [];
const since = (start) => Math.round(performance.now() - start);

/** A process and all below it, the oldest first. */
async function family(root) {
  /** @type {Map<number, number[]>} */
  const children = new Map();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => ''); // it may be gone again
    const parent = Number(/\) \S (\d+) /.exec(stat)?.[1] ?? 0);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

function signal(pids, name) {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error; // it ended by itself
    }
  }
}

/** Stops processes, and waits until they have: a busy machine lets them run on for a moment. */
async function freeze(pids) {
  signal(pids, 'SIGSTOP');
  const states = () => Promise.all(pids.map(async (pid) => (
    /\) (\S) /.exec(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''))?.[1] ?? 'gone')));
  await until('all are stopped', states, (seen) => seen.every((state) => ['T', 'Z', 'gone'].includes(state)));
}

/** How long until a tile is `lost` on a page; more than five seconds are too many. */
async function becomesLost(witness, name, start) {
  const held = (tiles) => tiles.find((tile) => tile.name === name)?.state === 'lost';
  await until(`${name} is lost`, () => tilesOf(witness), held, 2 * LOST_MS);
  const ms = since(start);
  if (ms > LOST_MS) throw new Error(`${ms} ms`);
  return ms;
}

/** Only its main process is killed, as the system does it when memory runs out. */
async function killed({ Ana: ana, Ben: ben }) {
  await check(`a killed browser is lost within ${LOST_MS} ms`, async () => {
    const start = performance.now();
    signal([ben.pid], 'SIGKILL');
    summary.killedMs = await becomesLost(ana.page, 'Ben', start);
    return summary.killedMs;
  });
  await check('the camera goes on meanwhile', () => pictureGrows(ana.page, ['demo']));
}

async function frozen({ Ana: ana, Ben: ben }) {
  const processes = await family(ben.pid);
  const pongs = () => ben.page.evaluate(() => window.seen.pongs);
  const before = await pongs();
  // Just after the box has heard of it: the longest that its silence can go unnoticed.
  await until('the next pong', pongs, (now) => now > before);
  try {
    await check(`a frozen browser is lost within ${LOST_MS} ms`, async () => {
      const start = performance.now();
      await freeze(processes);
      summary.frozenMs = await becomesLost(ana.page, 'Ben', start);
      return summary.frozenMs;
    });
  } finally {
    signal(processes, 'SIGCONT');
  }
  const start = performance.now();
  await check('once thawed it is live by itself', async () => {
    await pictureGrows(ana.page, ['Ben']);
    await pictureGrows(ben.page, ['Ana', 'demo']);
    const { link, notices } = await ben.page.evaluate(() => window.parlor.state);
    if (link !== 'open') throw new Error(`its link is ${link}`);
    if (notices.length > 0) throw new Error(`it shows a notice: ${JSON.stringify(notices)}`);
    summary.thawedMs = since(start);
  });
}

async function restarted(box, people) {
  const started = performance.now();
  const end = box.stop();
  for (const [name, { page }] of Object.entries(people)) {
    await check(`${name}'s page says that the box restarts`, async () => {
      const words = page.getByRole('status').getByText(/The box is (stopping|restarting)/);
      await words.waitFor({ timeout: STOP_MS });
      summary.toldMs[name] = since(started);
      return words.innerText();
    });
  }
  await check(`parlor ends with 0 within ${STOP_MS} ms of SIGTERM`, async () => {
    const { code, ms } = await end;
    summary.stopMs = ms;
    if (code !== 0 || ms > STOP_MS) throw new Error(`it ended with ${code} after ${ms} ms`);
  });
  await check('it starts again on the same ports and data', () => box.start());
  const ready = performance.now();
  await Promise.all(Object.entries(people).map(([name, { page }]) => check(`${name}'s page is back by itself, with pictures`, async () => {
    await until('its link is open', () => page.evaluate(() => window.parlor.state.link), (link) => link === 'open');
    await framesGrow(page, 2);
    summary.backMs[name] = since(ready);
    const words = await page.getByRole('status').filter({ hasText: /\S/ }).allInnerTexts();
    if (words.length > 0) throw new Error(`it still says ${words.join('; ')}`);
    return summary.backMs[name];
  })));
}

/** The farewell is heard by nobody: the box does not wait for it longer than it may. */
async function stopsAlone(box, { Ana: ana }) {
  const processes = await family(ana.pid);
  try {
    await freeze(processes);
    await check(`parlor ends with 0 within ${STOP_ALONE_MS} ms of SIGTERM while a browser is frozen`, async () => {
      const { code, ms } = await box.stop();
      summary.stopAloneMs = ms;
      if (code !== 0 || ms > STOP_ALONE_MS) throw new Error(`it ended with ${code} after ${ms} ms`);
    });
  } finally {
    signal(processes, 'SIGCONT');
  }
}

async function main() {
  const box = new Box(binary);
  /** @type {Record<string, Awaited<ReturnType<typeof launchWithProcess>> & { page: import('playwright-core').Page }>} */
  const people = {};
  try {
    const url = await box.startOnLoopback(LIGHT_CAMERA);
    const there = await check('two browsers and the camera see each other', async () => {
      for (const name of NAMES) {
        const launched = await launchWithProcess(LIGHT);
        people[name] = { ...launched, page: await openPage(launched.browser, url, faults) };
        await join(people[name].page, name);
      }
      for (const { page } of Object.values(people)) await framesGrow(page, 2);
    });
    if (!there) return;
    await frozen(people);
    await restarted(box, people);
    await killed(people);
    await stopsAlone(box, people);
    await check('no errors in any page', () => {
      // A box that is away refuses connections, and the browser says so.
      const others = faults.filter((fault) => !/WebSocket connection to|net::ERR_/.test(fault));
      if (others.length > 0) throw new Error([...new Set(others)].join('; '));
    });
  } finally {
    for (const { kill } of Object.values(people)) await kill();
    await check('parlor ends well', () => box.remove());
  }
}

await main();
finish();
