// What is said is kept: over a reload, over the box's end by kill -9 and its next start; and what passes:
// a raised hand, a reaction. And addresses that lead nowhere, in both languages.
//
// usage: node tests/browser/chat.mjs BINARY [SHOTS]
// Starts a parlor and a browser of its own. Prints one line a check and a JSON summary; exit 1 if any
// check failed.

import path from 'node:path';

import { Box, freePorts } from './box.mjs';
import { checklist } from './checks.mjs';
import { WORDS, join, launch, noFaults, openPage, until } from './page.mjs';

const [binary, shots] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/chat.mjs BINARY [SHOTS]');
const { check, finish } = checklist();
/** @type {string[]} */
const faults = [];
const host = `127.0.0.1:${await freePorts()}`;
const media = await freePorts();
const url = `https://${host}/`;
const box = new Box(binary);
const browser = await launch({ fps: 5 });
const button = (page, name) => page.getByRole('button', { name, exact: true });
const shot = (page, name) => (shots ? page.screenshot({ path: path.join(shots, `${name}.png`) }) : undefined);
const texts = (page) => page.locator('.chat-text').allTextContents();
const you = (page) => page.evaluate(() => window.parlor.state.you);

function same(what, seen, expected) {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(seen)}, not ${JSON.stringify(expected)}`);
}

async function write(page, text) {
  if ((await button(page, WORDS.en.chat).getAttribute('aria-pressed')) === 'false') await button(page, WORDS.en.chat).click();
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await button(page, 'Send').click();
  await page.getByRole('log').getByText(text, { exact: true }).waitFor();
}

const shows = (page, expected) => until('the chat', () => texts(page), (seen) => JSON.stringify(seen) === JSON.stringify(expected));

async function kept(ana, ben) {
  await check('after kill -9 and a restart everybody is back and the chat is complete', async () => {
    await write(ana, 'one');
    await write(ben, 'two');
    await write(ana, 'three');
    const before = await you(ana);
    await box.kill();
    await ana.getByText('Reconnecting…').waitFor();
    await box.start();
    for (const page of [ana, ben]) {
      await until('back', () => page.evaluate(() => window.parlor.state.link), (link) => link === 'open', 20_000);
      await shows(page, ['one', 'two', 'three']);
    }
    same('the same member', await you(ana), before);
    await write(ben, 'four');
    await shows(ana, ['one', 'two', 'three', 'four']);
  });
  await check('whoever reloads has all of it, and may delete what they said before', async () => {
    await ana.reload();
    await join(ana, 'Ana');
    await button(ana, WORDS.en.chat).click();
    await shows(ana, ['one', 'two', 'three', 'four']);
    same('lines that Ana may delete', await button(ana, 'Delete message').count(), 2);
    const line = ana.locator('.chat-line').filter({ hasText: 'one' });
    await line.hover();
    await button(line, 'Delete message').click();
    for (const page of [ana, ben]) await shows(page, ['two', 'three', 'four']);
  });
  await check('what was deleted stays deleted', async () => {
    await box.kill();
    await box.start();
    await until('back', () => ana.evaluate(() => window.parlor.state.link), (link) => link === 'open', 20_000);
    await ana.reload();
    await join(ana, 'Ana');
    await button(ana, WORDS.en.chat).click();
    await shows(ana, ['two', 'three', 'four']);
  });
}

async function signs(ana, ben) {
  await check('a raised hand is seen until it is taken down, and a reaction floats by', async () => {
    await button(ana, 'React').click();
    await shot(ana, 'react');
    await button(ana, 'Raise hand').click();
    const tile = ben.getByRole('group', { name: 'Ana', exact: true });
    await tile.getByRole('img', { name: 'Hand raised' }).waitFor();
    await shot(ben, 'hand');
    await button(ben, 'React').click();
    await ben.getByRole('button', { name: 'Bravo' }).click();
    await ana.getByRole('group', { name: 'Ben', exact: true }).locator('.floating').waitFor();
    await button(ana, 'React').click();
    await button(ana, 'Raise hand').click();
    await tile.getByRole('img', { name: 'Hand raised' }).waitFor({ state: 'hidden' });
  });
}

async function nowhere() {
  await check('an address that leads nowhere is a page in both languages with a way on', async () => {
    for (const [locale, first, way] of [['en-US', 'There is nothing here', 'To the rooms'], ['zh-CN', '这里什么也没有', '去房间']]) {
      /** The browser notes the 404 itself. @type {string[]} */
      const noted = [];
      const page = await openPage(browser, `${url}c/none/more`, noted, { locale, colorScheme: locale === 'zh-CN' ? 'dark' : 'light' });
      same('title', await page.getByRole('heading').first().textContent(), first);
      same('headings', await page.getByRole('heading').count(), 2);
      await shot(page, `nowhere-${locale}`);
      await page.getByRole('link', { name: way }).click();
      await page.getByRole('button', { name: locale === 'zh-CN' ? WORDS.zh.join : WORDS.en.join, exact: true }).waitFor();
      await page.context().close();
    }
  });
}

try {
  await box.startWith(`camera = []\n[access]\nloopback = "guest"\n[http]\nlisten = "${host}"\n[media]\nports = "${media}-${media}"\n`);
  const [ana, ben] = [await openPage(browser, url, faults), await openPage(browser, url, faults)];
  await join(ana, 'Ana');
  await join(ben, 'Ben');
  await signs(ana, ben);
  await kept(ana, ben);
  await nowhere();
  await check('no errors in any page', () => noFaults(faults.filter((text) => !/ERR_CONNECTION|WebSocket connection/.test(text))));
} finally {
  await browser.close();
  await box.remove();
}
finish();
