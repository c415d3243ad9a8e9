// Every page as whoever does not see it, has a small screen or only thumbs meets it, in English and Chinese,
// light and dark: axe-core finds nothing, a page is shown as soon as it is written, nothing is wider than the
// window, no word runs out of its button, and what is to be pressed is as large as a thumb and lies free.
//
// usage: node tests/browser/looks.mjs BINARY [SHOTS]
// Starts a parlor and a browser of its own; pictures go to the folder SHOTS. Prints one line a check and a
// JSON summary; exit 1 if any check failed.

import { createRequire } from 'node:module';
import path from 'node:path';

import { Box, LIGHT_CAMERA } from './box.mjs';
import { checklist } from './checks.mjs';
import { join, launch, openPage, tilesOf, until } from './page.mjs';

const [binary, shots] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/looks.mjs BINARY [SHOTS]');
const AXE = createRequire(new URL('../../web/package.json', import.meta.url)).resolve('axe-core/axe.min.js');
const DESKTOP = { width: 1280, height: 800 };
const SIZES = [DESKTOP, { width: 390, height: 844 }, { width: 320, height: 568 }, { width: 844, height: 390 }];
/** A window at 400 %, and a phone held across with its keyboard up. */
const LOW = [{ width: 320, height: 200 }, { width: 844, height: 180 }];
/** Colours and size that axe sees each language in. */
const LOOKS = {
  en: { locale: 'en-US', colorScheme: 'light', viewport: DESKTOP },
  zh: { locale: 'zh-CN', colorScheme: 'dark', viewport: SIZES[1] },
};
const SETTLED_MS = 1000;
const PASSWORD = 'correct horse battery';
const { check, finish } = checklist();
/** Refusals are answers of 4xx, which the browser notes as faults. @type {string[]} */
const noted = [];

/** In the page: what is wrong with how it lies there. */
function crooked() {
  const faults = [];
  const root = document.documentElement;
  if (root.dataset.ready === undefined) faults.push('the page is not shown at once');
  if (root.scrollWidth > innerWidth) faults.push(`the page is ${root.scrollWidth} wide`);
  const top = document.querySelector('dialog[open], :popover-open') ?? document;
  const pressed = 'button, a.button, a.ghost, .brand a, summary, select, textarea, input:not([type="checkbox"])';
  for (const element of top.querySelectorAll(`${pressed}, .screen span`)) {
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const { left, right, top: above, width, height } = element.getBoundingClientRect();
    const name = element.id || element.getAttribute('aria-label') || element.textContent.trim().slice(0, 30);
    if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX === 'visible') faults.push(`words run out of ${name}`);
    if (!element.matches(pressed)) continue;
    // At 400 % a pixel is four.
    if ((width < 43.5 && innerHeight > 200) || width < 39 || height < 43.5) faults.push(`${name} is ${Math.round(width)}×${Math.round(height)}`);
    if (left < -1 || right > innerWidth + 1) faults.push(`${name} is cut off`);
    const over = document.elementFromPoint(left + width / 2, above + height / 2);
    // A drawer may lie over the bar and the head; what is scrolled away is hidden by the box that holds it.
    const isUnder = element.closest('.bar, .room-head') && over?.closest('.drawer');
    if (over && !isUnder && !element.contains(over) && !over.contains(element) && over.closest('parlor-tile, .bar, .drawer') && !scrolledAway(element)) {
      faults.push(`${name} lies below ${over.className || over.localName}`);
    }
  }
  return faults;

  function scrolledAway(element) {
    const middle = element.getBoundingClientRect().top + element.getBoundingClientRect().height / 2;
    for (let box = element.parentElement; box; box = box.parentElement) {
      const { top: from, bottom: to } = box.getBoundingClientRect();
      if (/auto|scroll|hidden/.test(getComputedStyle(box).overflowY) && (middle < from || middle > to)) return true;
    }
    return false;
  }
}

/** In the page: what axe finds, a line each. */
const found = () => window.axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => (
  violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `axe: ${id} at ${target.join(' ')}`))));

/** The page goes over to a language by its own switch, where it has one; and to that one's colours and size. */
async function goOver(page, language) {
  const { locale, colorScheme, viewport } = LOOKS[language];
  await page.evaluate((wanted) => {
    if (document.documentElement.lang.slice(0, 2) !== wanted.slice(0, 2)) document.querySelector('.language-switch')?.click();
  }, locale);
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize(viewport);
}

/** A page, or a state of it, in both languages and every size. What closes when the window changes is opened each time. */
const look = (page, what, open = () => {}, sizes = SIZES) => check(what, async () => {
  const faults = [];
  await page.mouse.move(0, 0);
  for (const language of Object.keys(LOOKS)) {
    await goOver(page, language);
    await open();
    faults.push(...(await page.evaluate(found)).map((fault) => `${language}: ${fault}`));
    for (const size of sizes) {
      await page.setViewportSize(size);
      await open();
      const where = `${language} ${size.width}×${size.height}`;
      let seen = [];
      // What a script places takes a moment.
      await until('straight', async () => { seen = await page.evaluate(crooked); return seen.length; }, (count) => count === 0, SETTLED_MS).catch(() => {});
      faults.push(...seen.map((fault) => `${where}: ${fault}`));
      if (shots) await page.screenshot({ path: path.join(shots, `${what} ${where}.png`.replaceAll(' ', '-')) });
    }
  }
  await goOver(page, 'en');
  if (faults.length > 0) throw new Error([...new Set(faults)].join('; '));
});

const box = new Box(binary);
const url = await box.startOnLoopback(LIGHT_CAMERA);
const browser = await launch({ fps: 3 });
const visit = (address, more = {}) => openPage(browser, `${url}${address}`, noted, { reducedMotion: 'reduce', ...more, before: { path: AXE } });

/** Pages that anybody can open. */
async function pages() {
  const page = await visit('nowhere');
  await look(page, 'an address that leads nowhere');
  await page.goto(`${url}trust`);
  await page.locator('.verdict[data-verdict]:not([data-verdict="checking"])').waitFor();
  await page.evaluate(() => { for (const system of document.querySelectorAll('details')) system.open = true; });
  await look(page, 'trust');
  await page.goto(`${url}settings`);
  await page.locator('#setup-form').waitFor();
  await look(page, 'set-up');
  await page.goto(`${url}c/nothing`);
  await page.locator('#way').waitFor();
  await look(page, 'a camera that is not there');
  await page.goto(`${url}c/demo`);
  await page.locator('#camera[data-state="live"]').waitFor();
  await look(page, 'a camera');
  await page.context().close();
}

/** Makes the owner. Resolves with what their browser keeps. */
async function owner() {
  const page = await visit('settings');
  for (const [id, text] of [['setup-code', box.setUpCode], ['setup-name', 'Ada'], ['setup-password', PASSWORD], ['setup-again', PASSWORD]]) {
    await page.locator(`#${id}`).fill(text);
  }
  await page.locator('#setup-form [type="submit"]').click();
  await page.locator('.save-bar').waitFor();
  const kept = await page.context().storageState();
  await page.context().close();
  return kept;
}

async function settings(storageState) {
  const page = await visit('signin', { storageState });
  await page.locator('#here').waitFor();
  await look(page, 'signed in');
  await page.goto(`${url}settings`);
  await page.locator('.save-bar').waitFor();
  await page.evaluate(() => { for (const more of document.querySelectorAll('details')) more.open = true; });
  await page.locator('#key-network-announce').fill('nonsense here');
  await page.locator('[data-key="room"] > .button').click();
  await page.locator('.save-bar [type="submit"]').click();
  await page.locator('#fault:not([hidden])').waitFor();
  await page.locator('#invites .make .button').click();
  await page.locator('#invite-url').waitFor();
  await look(page, 'settings with a fault');
  await page.context().close();
  const stranger = await visit('signin');
  await stranger.locator('#signin-form').waitFor();
  await look(stranger, 'signing in');
  await stranger.context().close();
}

async function room(storageState) {
  const page = await visit('r/attic', { storageState });
  await until('the picture', () => page.evaluate(() => document.querySelector('#preview-video').videoWidth), (width) => width > 0);
  await page.locator('#join-button').click();
  await page.locator('#join-name-error').waitFor();
  await page.evaluate(() => document.querySelector('#devices-button').click());
  await look(page, 'the join page with a fault');
  await join(page, '欧阳修文 Ana');
  await page.locator('#alone').waitFor();
  await look(page, 'alone in a room');
  const ben = await openPage(browser, `${url}r/attic`, noted);
  await join(ben, 'Benjamin 😀 of the house at the end of the street');
  await until('both live', () => tilesOf(page), (tiles) => tiles.length === 2 && tiles.every(({ state }) => state === 'live'));
  await look(page, 'a room');
  await page.locator('#bar-chat').click();
  await page.locator('#message').fill('see https://example.com/a/very/long/address/that/does/not/end?for=a&long=time.');
  await page.locator('#chat-form [type="submit"]').click();
  await page.locator('.chat-line').first().waitFor();
  await look(page, 'chat', undefined, [...SIZES, ...LOW]);
  await page.locator('#bar-people').click();
  await look(page, 'people');
  const opened = (button, menu) => async () => {
    if (!(await page.locator(menu).isVisible())) await page.locator(button).last().click();
  };
  await look(page, 'the menu of a member', opened('[id^="more-"]', '#member-menu'));
  await page.locator('#people .close-panel').click();
  await look(page, 'reactions', opened('#bar-react', '#react-menu'));
  await page.locator('#bar-settings').click();
  await page.locator('#show-keys').click();
  await look(page, 'settings in a room');
  for (const one of [page, ben]) await one.context().close();
}

try {
  await pages();
  const storageState = await owner();
  await settings(storageState);
  await room(storageState);
} finally {
  await browser.close();
  await box.remove();
}
finish();
