// Firefox in a room with Chromium and the box's camera, over a cable between two network namespaces:
// Firefox uses no address of loopback for media.
//
// usage: node tests/browser/firefox-lan.mjs BINARY
// Needs root, ip(8) and Firefox; without them it prints its name as skipped. Prints one line a check and
// a JSON summary; exit 1 if any check failed. It starts itself again in the clients' namespace, with the
// page's address: Firefox is spoken to by a socket of loopback, which each namespace has its own of.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { Box, LIGHT_CAMERA, ended } from './box.mjs';
import { checklist } from './checks.mjs';
import { FIREFOX, launchFirefox } from './gecko.mjs';
import { cable, makeNamespaces } from './namespaces.mjs';
import {
  LIGHT, WORDS, join, launch, linesOf, noFaults, openPage, pictureGrows, received, soundGrows, tilesOf, until,
} from './page.mjs';

const SERVER = '10.77.0.2';
const CLIENT = '10.77.0.9';
const URL_OF_BOX = `https://${SERVER}:8172/`;
const GONE_MS = 2000;
/** As `parlor` names what a page cannot decode, in a tile. */
const CANNOT_SHOW = 'This browser cannot show this picture: it is sent as H264. Another browser may.';

/** A control of Firefox's page, by its accessible name. Puppeteer's locators would wait for it to stand still. */
const control = (page, role, name) => page.waitForSelector(`::-p-aria([name="${name}"][role="${role}"])`);

async function press(page, name) {
  const button = await control(page, 'button', name);
  await button.click();
}

async function type(page, name, text) {
  const box = await control(page, 'textbox', name);
  await box.click();
  await page.keyboard.type(text);
}

async function openInFirefox(firefox, faults) {
  const page = await firefox.newPage();
  page.on('pageerror', (error) => faults.push(`Firefox: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/404/.test(message.text())) faults.push(`Firefox: ${message.text()}`);
  });
  await page.goto(URL_OF_BOX);
  await type(page, WORDS.en.name, 'Fay');
  await press(page, WORDS.en.join);
  await page.waitForSelector('parlor-tile');
  return page;
}

/** Has the picture decoded at this many lines. */
const linesAre = (page, name, lines) => until(`${name}'s picture has ${lines} lines`, () => linesOf(page, name), (seen) => seen === lines);

/** Firefox sends three layers; which one is seen follows the size of the tile. */
async function layersFollowTheTile(chromium) {
  const tile = chromium.getByRole('group', { name: 'Fay', exact: true });
  await linesAre(chromium, 'Fay', 360);
  await tile.dblclick();
  await linesAre(chromium, 'Fay', 720);
  await tile.dblclick();
  await linesAre(chromium, 'Fay', 360);
}

async function saidInTile(page, name, words) {
  const text = (wanted) => document.querySelector(`parlor-tile[aria-label="${wanted}"]`)?.textContent ?? '';
  await until(`${name}'s tile says why`, () => page.evaluate(text, name), (shown) => shown.includes(words));
  return words;
}

async function chatBothWays(firefox, chromium) {
  const shows = (page, text) => until(`"${text}" is shown`, () => page.evaluate(() => document.body.innerText), (shown) => shown.includes(text));
  await press(firefox, WORDS.en.chat);
  await type(firefox, 'Message', 'Hello from Firefox');
  await firefox.keyboard.press('Enter');
  await chromium.getByRole('button', { name: WORDS.en.chat }).click();
  await shows(chromium, 'Hello from Firefox');
  await chromium.getByRole('textbox', { name: 'Message' }).fill('你好 Firefox');
  await chromium.keyboard.press('Enter');
  await shows(firefox, '你好 Firefox');
}

async function inClients() {
  const { check, finish } = checklist({ server: SERVER, client: CLIENT });
  /** @type {string[]} */
  const faults = [];
  const [firefox, other] = await Promise.all([launchFirefox({ 'media.navigator.video.default_fps': 10 }), launch(LIGHT)]);
  try {
    let fay;
    const joined = await check(`${await firefox.version()} joins by the names of the page's controls`, async () => {
      fay = await openInFirefox(firefox, faults);
    });
    if (joined) {
      const cai = await openPage(other, URL_OF_BOX, faults);
      await join(cai, 'Cai');
      await check('Chromium decodes growing frames of Firefox and the camera', () => pictureGrows(cai, ['Fay', 'demo']));
      await check('Chromium hears them', () => soundGrows(cai));
      await check('Firefox decodes growing frames of Chromium', () => pictureGrows(fay, ['Cai']));
      await check('Firefox hears Chromium and the camera', () => soundGrows(fay));
      await check('Firefox without H.264 says why it does not show the camera', async () => {
        const { frames } = (await received(fay)).demo;
        if (frames > 0) throw new Error('it does show it: this Firefox has H.264');
        return saidInTile(fay, 'demo', CANNOT_SHOW);
      });
      await check('the layer that Firefox is seen in follows its tile', () => layersFollowTheTile(cai));
      await check('chat goes both ways', () => chatBothWays(fay, cai));
      await check(`Firefox leaves, and is gone within ${GONE_MS} ms`, async () => {
        await press(fay, WORDS.en.leave);
        await until('Fay is gone', () => tilesOf(cai), (tiles) => !tiles.some(({ name }) => name === 'Fay'), GONE_MS);
      });
    }
    await check('no errors in any page', () => noFaults(faults));
  } finally {
    await Promise.all([firefox.close(), other.close()]);
  }
  finish();
}

async function between({ server, client }, binary) {
  const box = new Box(binary, ['ip', 'netns', 'exec', server]);
  await cable([
    { namespace: server, device: 'eth0', address: SERVER },
    { namespace: client, device: 'eth0', address: CLIENT },
  ]);
  try {
    await box.startWithDefaults(LIGHT_CAMERA);
    const words = ['netns', 'exec', client, process.execPath, fileURLToPath(import.meta.url), '--in-clients'];
    process.exitCode = await ended(spawn('ip', words, { stdio: 'inherit' })) === 0 ? 0 : 1;
  } finally {
    await box.remove();
  }
}

const [word] = process.argv.slice(2);
if (!word) throw new Error('usage: node tests/browser/firefox-lan.mjs BINARY');
if (word === '--in-clients') await inClients();
else if (!existsSync(FIREFOX)) console.log(`skipped: firefox-lan.mjs: there is no ${FIREFOX}`);
else {
  const made = makeNamespaces(['server', 'client']);
  if ('why' in made) console.log(`skipped: firefox-lan.mjs: ${made.why}`);
  else await between(made.namespaces, word);
}
