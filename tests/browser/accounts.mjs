// Who may come in, as people meet it: the URL for a browser on the box, set-up by the code, an invite,
// signing in, and what whoever is refused is told.
//
// usage: node tests/browser/accounts.mjs BINARY [SHOTS]
// Starts a parlor and a browser of its own; pictures of the pages go to the folder SHOTS. Everything
// comes from this machine, where nobody is a guest. Prints one line a check and a JSON summary; exit 1 if
// any check failed.

import path from 'node:path';

import { Box, freePorts } from './box.mjs';
import { checklist } from './checks.mjs';
import { WORDS, join, launch, openPage, tilesOf, until } from './page.mjs';

const [binary, shots] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/accounts.mjs BINARY [SHOTS]');
const PASSWORD = 'correct horse battery';
const { check, finish } = checklist();
/** Refusals are answers of 401 and 403, which the browser notes as faults. @type {string[]} */
const noted = [];

const host = `127.0.0.1:${await freePorts()}`;
const media = await freePorts();
const url = `https://${host}/`;
const box = new Box(binary);
const browser = await launch({});
const visit = (address, options = {}) => openPage(browser, address, noted, options);
const field = (page, name) => page.getByRole('textbox', { name, exact: true });
const button = (page, name) => page.getByRole('button', { name, exact: true });
const shot = (page, name) => (shots ? page.screenshot({ path: path.join(shots, `${name}.png`) }) : undefined);
const who = (page) => page.evaluate(async () => (await fetch('/api/v1/session')).json());

function same(what, seen, expected) {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(seen)}, not ${JSON.stringify(expected)}`);
}

async function strangers() {
  await check('a stranger is told why, in both languages, and can sign in', async () => {
    const page = await visit(url);
    await page.getByText('which is this machine itself').waitFor();
    await field(page, 'Set-up code').waitFor();
    await shot(page, 'stranger');
    await button(page, '中文').click();
    await page.getByText('你从设备自己连过来').waitFor();
    await shot(page, 'stranger-zh');
    await page.context().close();
  });
  await check('the URL that the start prints lets a browser on the box in, and is not kept in the address bar', async () => {
    const page = await visit(`https://${box.opened[0]}`);
    await button(page, WORDS.en.join).waitFor();
    same('address', page.url(), url);
    await page.reload();
    await button(page, WORDS.en.join).waitFor();
    await page.context().close();
  });
}

async function setUp() {
  const page = await visit(`${url}settings`);
  await check('the owner sets the box up with the code', async () => {
    await field(page, 'Set-up code').fill('0000-0000');
    await field(page, 'Your name').fill('Ada');
    await field(page, 'Password').fill(PASSWORD);
    await field(page, 'Password again').fill('something else');
    await button(page, 'Set up').click();
    await page.getByRole('alert').filter({ hasText: 'not the same' }).waitFor();
    await field(page, 'Password again').fill(PASSWORD);
    await button(page, 'Set up').click();
    await page.getByRole('alert').filter({ hasText: 'set-up code is wrong' }).waitFor();
    await shot(page, 'setup');
    await field(page, 'Set-up code').fill(box.setUpCode.toLowerCase());
    await button(page, 'Set up').click();
    await page.getByText('owner of this box').waitFor();
    await field(page, 'Announced addresses').waitFor();
    await shot(page, 'owner');
    same('who', (await who(page)).who, 'owner');
  });
  return page;
}

/** @returns {Promise<string>} the invite's URL */
async function makeInvite(page) {
  let made = '';
  await check('the owner makes an invite', async () => {
    await field(page, 'Room of the invite').fill('Kitchen');
    await button(page, 'Make an invite').click();
    made = await until('the link', () => page.locator('#invite-url').inputValue().catch(() => ''), (value) => value !== '');
    same('where', made.startsWith(`${url}r/Kitchen#invite=`), true);
    await shot(page, 'invite');
  });
  return made;
}

async function invited(owner, link) {
  await check('whoever has the link is in that room, and in no other', async () => {
    const page = await visit(link);
    await button(page, WORDS.en.join).waitFor();
    same('address', page.url(), `${url}r/Kitchen`);
    await join(page, 'Bob');
    await until('a tile', () => tilesOf(page), (tiles) => tiles.length === 1);
    same('who', (await who(page)).room, 'Kitchen');
    const other = await page.evaluate(async () => (await fetch('/api/v1/rooms')).status);
    same('all rooms', other, 403);
    await page.context().close();
  });
  await check('a withdrawn invite is refused with its sentence', async () => {
    await owner.evaluate(async () => {
      for (const { id } of await (await fetch('/api/v1/invites')).json()) await fetch(`/api/v1/invites/${id}`, { method: 'DELETE' });
    });
    const page = await visit(link, { locale: 'zh-CN' });
    await page.getByRole('alert').filter({ hasText: '已被撤回' }).waitFor();
    await shot(page, 'withdrawn-zh');
    await page.context().close();
  });
}

async function signIn(owner) {
  await check('the owner signs out, and in again by the password', async () => {
    await button(owner, 'Sign out').click();
    await button(owner, 'Sign in').waitFor();
    await owner.goto(`${url}signin?to=/r/Kitchen`);
    await field(owner, 'Name').fill('ada');
    await field(owner, 'Password').fill('wrong wrong wrong');
    await button(owner, 'Sign in').click();
    await owner.getByRole('alert').filter({ hasText: 'wrong' }).waitFor();
    await shot(owner, 'signin');
    await field(owner, 'Password').fill(PASSWORD);
    await button(owner, 'Sign in').click();
    await button(owner, WORDS.en.join).waitFor();
    same('address', owner.url(), `${url}r/Kitchen`);
  });
}

try {
  await box.startWith(`camera = []\n[http]\nlisten = "${host}"\n[turn]\nlisten = []\n[media]\nports = "${media}-${media}"\n`);
  await strangers();
  const owner = await setUp();
  const link = await makeInvite(owner);
  await invited(owner, link);
  await signIn(owner);
} finally {
  await browser.close();
  await box.remove();
}
finish();
