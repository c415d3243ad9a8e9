// What goes wrong, and what the page says of it: a box that dies, devices that are blocked, missing or
// not answered for, a room that is full.
//
// usage: node tests/browser/trouble.mjs BINARY
// Starts a parlor and browsers of its own. Prints one line a check and a JSON summary; exit 1 if any
// check failed.

import { Box, LIGHT_CAMERA } from './box.mjs';
import { checklist } from './checks.mjs';
import { LIGHT, WORDS, join, launch, noFaults, openPage, pictureGrows, tilesOf, until } from './page.mjs';
import { PATIENCE } from './patience.mjs';

/** Two for the members, one that finds the room full. */
const TWO_SEATS = '\n[rooms]\nmax_participants = 2\n';

const [binary] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/trouble.mjs BINARY');
const { check, finish } = checklist();
/** @type {string[]} */
const faults = [];

const button = (page, name) => page.getByRole('button', { name, exact: true });
const notices = (page) => page.locator('#notices .notice').allInnerTexts();
const joinButton = (page) => page.getByRole('button', { name: WORDS.en.join, exact: true });

function none(what, found) {
  if (found) throw new Error(what);
}

/** The box dies: faces that stand still do not pass for live ones, and there are ways on. */
async function boxDies(box, page) {
  await box.kill();
  const died = performance.now();
  await check('three seconds after the box died nobody is shown as live', async () => {
    await until('all others are lost', () => tilesOf(page), (tiles) => tiles.every(({ own, state }) => own || state === 'lost'), 7000);
    none('one\'s own picture went, too', (await tilesOf(page)).some(({ own, state }) => own && state !== 'live'));
    none('somebody is shown as speaking', (await page.locator('parlor-tile[data-speaking]:not(.own)').count()) > 0);
    return Math.round(performance.now() - died);
  });
  await check('after fifteen it is said in a sentence, with ways on', async () => {
    const card = page.getByRole('alert').filter({ hasText: 'does not answer' });
    await card.waitFor({ timeout: 20_000 * PATIENCE });
    await card.getByRole('button', { name: 'Leave' }).waitFor();
    await box.start();
    await card.getByRole('button', { name: 'Try again' }).click();
    return Math.round(performance.now() - died);
  });
  await check('the box is back: so are the others, and nothing is said any more', async () => {
    await pictureGrows(page, ['Ben', 'demo']);
    await until('no notices', () => notices(page), (texts) => texts.length === 0);
  });
}

/** The room is full: that is said, and nothing of what was waited for stays beside it. */
async function roomIsFull(browser, url) {
  for (const [language, words, told] of [['en-US', WORDS.en, 'This room is full.'], ['zh-CN', WORDS.zh, '房间已满。']]) {
    const page = await openPage(browser, url, faults, { locale: language });
    await check(`a full room, in ${language}`, async () => {
      await page.getByRole('textbox', { name: words.name }).fill('Cleo');
      await page.getByRole('button', { name: words.join, exact: true }).click();
      const [text] = await until('a notice', () => notices(page), (texts) => texts.length > 0);
      none(`it says ${text}`, !text.includes(told));
      const presence = await page.locator('#presence').innerText();
      none(`it still says ${presence}`, /Reaching|正在连接/.test(presence));
      // The box's own sentence is English: it stands beside the English one only.
      none(`it says ${text}`, language === 'zh-CN' && /room-full:/.test(text));
    });
    await page.context().close();
  }
}

/** In the page: the browser's question is never answered. */
function neverAnswered() {
  navigator.mediaDevices.getUserMedia = () => new Promise(() => {});
}

async function unanswered(browser, url) {
  const page = await openPage(browser, url, faults, { before: neverAnswered });
  await page.getByRole('textbox', { name: WORDS.en.name }).fill('Dora');
  await check('a question that nobody answers can be given up', async () => {
    await joinButton(page).click();
    await button(page, 'Cancel').click({ timeout: 5000 });
    await until('Join is back', () => joinButton(page).isEnabled(), Boolean, 2000);
  });
  await check('or one joins without', async () => {
    await joinButton(page).click();
    await button(page, 'Join without camera and microphone').click({ timeout: 5000 });
    await button(page, WORDS.en.leave).waitFor();
    const { mic, cam } = await page.evaluate(() => window.parlor.state);
    none('a device is on', mic || cam);
  });
  await page.context().close();
}

async function blocked(url) {
  const browser = await launch({ ...LIGHT, asks: true });
  try {
    const page = await openPage(browser, `${url}r/kitchen`, faults, { permissions: ['microphone'] });
    await check('a blocked camera: the microphone is heard, and the sentence is about the camera', async () => {
      await join(page, 'Emil');
      const texts = await until('a notice', () => notices(page), (found) => found.length > 0);
      none(`it says ${texts}`, texts.length !== 1 || !texts[0].startsWith('The browser does not let this page use the camera.'));
      const { mic, cam } = await page.evaluate(() => window.parlor.state);
      none(`microphone ${mic}, camera ${cam}`, !mic || cam);
    });
  } finally {
    await browser.close();
  }
}

async function noDevices(url) {
  const browser = await launch({ cameras: 0 });
  try {
    const page = await openPage(browser, `${url}r/attic`, faults);
    await check('without devices the switches are off, and the boxes say why', async () => {
      for (const [name, box, words] of [['Camera on', 'Camera', 'No camera found'], ['Microphone on', 'Microphone', 'No microphone found']]) {
        await until(`${name} is off`, () => page.getByRole('switch', { name }).getAttribute('aria-checked'), (value) => value === 'false', 3000);
        const shown = await page.getByRole('combobox', { name: box }).locator('option').allInnerTexts();
        none(`${box} offers ${shown}`, shown.join() !== words);
      }
      await join(page, 'Finn');
      none(`it says ${await notices(page)}`, (await notices(page)).length > 0);
    });
  } finally {
    await browser.close();
  }
}

async function main() {
  const box = new Box(binary);
  const browser = await launch(LIGHT);
  try {
    const url = await box.startOnLoopback(`${LIGHT_CAMERA}${TWO_SEATS}`);
    const [ana, ben] = [await openPage(browser, url, faults), await openPage(browser, url, faults)];
    const there = await check('two pages and the camera see each other', async () => {
      await Promise.all([join(ana, 'Ana'), join(ben, 'Ben')]);
      await pictureGrows(ana, ['Ben', 'demo']);
    });
    if (!there) return;
    await roomIsFull(browser, url);
    await boxDies(box, ana);
    await ben.context().close();
    await unanswered(browser, url);
    await blocked(url);
    await noDevices(url);
    await check('no errors in any page', () => {
      // A box that is away refuses connections, and the browser says so.
      noFaults(faults.filter((fault) => !/WebSocket connection to|net::ERR_/.test(fault)));
    });
  } finally {
    await browser.close();
    await check('parlor ends well', () => box.remove());
  }
}

await main();
finish();
