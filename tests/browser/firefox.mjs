// Firefox and Chromium in one room, with the box's camera: pictures, sound and text both ways, devices
// off and on, a screen, a lost socket, a reload, a clean leave. Layers are for `firefox-lan.mjs`: on a
// busy machine both browsers hold the larger ones back for a minute and longer.
//
// usage: node tests/browser/firefox.mjs URL
// Prints one line a check and a JSON summary; exit 1 if any check failed.

import { checklist } from './checks.mjs';
import { launchFirefox, openFirefoxPage } from './gecko.mjs';
import {
  LIGHT, WORDS, chatArrives, join, launch, noFaults, openPage, pictureGrows, screenIsSeen, soundGrows, tilesOf,
  toggleIsSeen, until,
} from './page.mjs';
import { PATIENCE } from './patience.mjs';

const GONE_MS = 2000 * PATIENCE;
const CLOSINGS = 5;
/** Else Firefox neither has a candidate of loopback nor checks one of ours. */
const LOOPBACK = { 'media.peerconnection.ice.loopback': true };

const [url] = process.argv.slice(2);
if (!URL.canParse(url)) throw new Error('usage: node tests/browser/firefox.mjs URL');
const { check, finish } = checklist({ url });
/** @type {string[]} */
const faults = [];

/** In the page, before its own scripts: its sockets, to be cut. */
function keepSockets() {
  window.sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      window.sockets.push(this);
    }
  };
}

/** The box's camera sends H.264: it is shown where that can be decoded, and else the tile says why not. */
async function cameraIsShownOrTold(page) {
  const decodes = await page.evaluate(() => RTCRtpReceiver.getCapabilities('video').codecs.some(({ mimeType }) => mimeType === 'video/H264'));
  if (decodes) return pictureGrows(page, ['demo']);
  const words = () => page.evaluate(() => document.querySelector('parlor-tile[aria-label="demo"] .tile-words')?.textContent);
  return until('a sentence', words, (text) => (text ?? '').includes('H264'));
}

/** The socket breaks; the place is kept, and pictures and sound go on. */
async function resumes(page, other) {
  const you = () => page.evaluate(() => window.parlor.state.you);
  const before = await you();
  const nSockets = await page.evaluate(() => {
    window.sockets.at(-1).close();
    return window.sockets.length;
  });
  await until('another socket is open', () => page.evaluate(() => [window.sockets.length, window.parlor.state.link]), ([n, link]) => (
    n > nSockets && link === 'open'));
  const after = await you();
  if (after !== before) throw new Error(`it was ${before} and is ${after}`);
  await pictureGrows(page, ['Ana']);
  await pictureGrows(other, ['Fox']);
  await soundGrows(other);
}

const foxIsGone = (ana) => until('Fox is gone', () => tilesOf(ana), (tiles) => !tiles.some(({ name }) => name === 'Fox'), GONE_MS);

async function media(ana, fox) {
  for (const [viewer, seen, page] of [['Fox', 'Ana', fox], ['Ana', 'Fox', ana]]) {
    await check(`${viewer} decodes growing frames of ${seen}`, () => pictureGrows(page, [seen]));
    await check(`${viewer} hears everybody`, () => soundGrows(page));
  }
  await check('the camera\'s picture is shown in Firefox, or it is told why not', () => cameraIsShownOrTold(fox));
  for (const [name, page, other] of [['Fox', fox, ana], ['Ana', ana, fox]]) {
    await check(`${name}'s camera off and on is seen`, async () => {
      await toggleIsSeen(page, name, 'Camera', other, 'data-state', 'muted', 'live');
      await pictureGrows(other, [name]);
    });
    await check(`${name}'s microphone off and on is seen`, async () => {
      await toggleIsSeen(page, name, 'Microphone', other, 'data-mic', 'off', 'on');
      await soundGrows(other);
    });
  }
  await check('Ana\'s screen is seen in Firefox, beside her camera', () => screenIsSeen(ana, 'Ana', fox));
}

/** As somebody closes a tab; a browser may end its process before what it has said is sent. */
async function closedTabs(ana, firefox) {
  const goneMs = [];
  for (let run = 0; run < CLOSINGS; run += 1) {
    const page = await openFirefoxPage(firefox, url, faults, keepSockets);
    // With nothing to send the machine is less busy; what is told here is not about media.
    await page.evaluate(() => { for (const id of ['mic-switch', 'cam-switch']) document.getElementById(id).click(); });
    await join(page, 'Gus');
    await until('Gus is there', () => tilesOf(ana), (tiles) => tiles.some(({ name }) => name === 'Gus'));
    const closed = performance.now();
    await page.close({ runBeforeUnload: true });
    await until('Gus is gone', () => tilesOf(ana), (tiles) => !tiles.some(({ name }) => name === 'Gus'), GONE_MS);
    goneMs.push(Math.round(performance.now() - closed));
  }
  return goneMs;
}

async function main() {
  const chromium = await launch(LIGHT);
  let firefox;
  try {
    firefox = await launchFirefox(LOOPBACK);
    const ana = await openPage(chromium, url, faults);
    const fox = await openFirefoxPage(firefox, url, faults, keepSockets);
    const there = await check('Chromium and Firefox join', async () => {
      await join(ana, 'Ana');
      await join(fox, 'Fox');
    });
    if (!there) return;
    await media(ana, fox);
    await check('chat arrives in Chromium', () => chatArrives(fox, ana, `你好 Ana, ${Date.now()}`));
    await check('chat arrives in Firefox', () => chatArrives(ana, fox, `Hello Fox, ${Date.now()}`));
    await check('Firefox\'s socket breaks and its place is kept', () => resumes(fox, ana));
    await check(`a reload in Firefox is a leave within ${GONE_MS} ms, and it joins again`, async () => {
      await fox.reload();
      await foxIsGone(ana);
      await join(fox, 'Fox');
      await pictureGrows(ana, ['Fox']);
      await pictureGrows(fox, ['Ana']);
    });
    await check(`a tab that is closed in Firefox is gone within ${GONE_MS} ms, several times`, () => closedTabs(ana, firefox));
    await check(`Firefox leaves and is gone within ${GONE_MS} ms`, async () => {
      await fox.getByRole('button', { name: WORDS.en.leave }).click();
      await foxIsGone(ana);
      await fox.getByRole('button', { name: WORDS.en.join }).waitFor();
    });
    await check('no errors in any page', () => noFaults(faults));
  } finally {
    await firefox?.close();
    await chromium.close();
  }
}

await main();
finish();
