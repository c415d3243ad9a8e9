// Who keeps the door of a room, as people meet it: a password, the lobby, the lock, a full room, muting,
// removing, moderators, lines that are taken back, and who watches from outside.
//
// usage: node tests/browser/moderation.mjs BINARY [SHOTS]
// Starts a parlor and a browser of its own; pictures go to the folder SHOTS. Prints one line a check and
// a JSON summary; exit 1 if any check failed.

import path from 'node:path';

import { Box, freePorts } from './box.mjs';
import { checklist } from './checks.mjs';
import { WORDS, join, launch, openPage, pictureGrows, tilesOf, until } from './page.mjs';

const [binary, shots] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/moderation.mjs BINARY [SHOTS]');
const { check, finish } = checklist();
/** Errors of the pages; answers of 401 and 403 are noted by the browser, and are no faults here. @type {string[]} */
const noted = [];

const host = `127.0.0.1:${await freePorts()}`;
const media = await freePorts();
const url = `https://${host}/`;
const box = new Box(binary);
const browser = await launch({ fps: 5 });
const visit = (room, options = {}) => openPage(browser, `${url}r/${room}`, noted, options);
const button = (page, name) => page.getByRole('button', { name, exact: true });
const field = (page, name) => page.getByRole('textbox', { name, exact: true });
const shot = (page, name) => (shots ? page.screenshot({ path: path.join(shots, `${name}.png`) }) : undefined);
const phase = (page) => page.evaluate(() => window.parlor.state.phase);

function same(what, seen, expected) {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(seen)}, not ${JSON.stringify(expected)}`);
}

/** Opens or closes a drawer. */
async function drawer(page, name, open) {
  const opener = button(page, name);
  if ((await opener.getAttribute('aria-pressed')) !== String(open)) await opener.click();
}

/** Somebody's row in People, and what is chosen in its menu. */
async function choose(page, name, item) {
  await drawer(page, WORDS.en.people, true);
  const row = page.getByRole('listitem').filter({ has: page.locator('.person-name', { hasText: name }) });
  await button(row, 'More').click();
  await page.getByRole('menuitem', { name: item, exact: true }).click();
}

/** Fills in the name and presses Join, and does not wait to be in. */
async function knock(page, name) {
  await field(page, WORDS.en.name).fill(name);
  await button(page, WORDS.en.join).click();
}

const notice = (page, text) => page.locator('.notices .notice').filter({ hasText: text });
const alone = (page) => page.context().close();

/** The owner, signed in, in the room. */
async function ownerComes() {
  const page = await openPage(browser, `${url}settings`, noted);
  await field(page, 'Set-up code').fill(box.setUpCode);
  await field(page, 'Your name').fill('Olga');
  await field(page, 'Password').fill('correct horse battery');
  await field(page, 'Password again').fill('correct horse battery');
  await button(page, 'Set up').click();
  await field(page, 'Announced addresses').waitFor();
  await page.goto(`${url}r/Hall`);
  await join(page, 'Olga');
  return page;
}

async function lobby(olga) {
  const ana = await visit('Hall');
  await check('whoever comes to a lobby waits, and is let in', async () => {
    await drawer(olga, WORDS.en.people, true);
    await olga.getByRole('switch', { name: 'Lobby' }).click();
    await until('it is on', () => olga.getByRole('switch', { name: 'Lobby' }).getAttribute('aria-checked'), (on) => on === 'true');
    await drawer(olga, WORDS.en.people, false);
    await knock(ana, 'Ana');
    await ana.getByText('Waiting to be let in', { exact: true }).waitFor();
    await shot(ana, 'waiting');
    await notice(olga, 'Ana would like to come in.').waitFor();
    await shot(olga, 'knock');
    same('one Admit', await button(olga, 'Admit').count(), 1);
    await drawer(olga, WORDS.en.people, true);
    await button(olga.locator('#people'), 'Admit').waitFor();
    await shot(olga, 'people-knock');
    await button(olga, 'Admit').click();
    await button(ana, WORDS.en.leave).waitFor();
    await pictureGrows(olga, ['Ana']);
  });
  await check('and whoever is refused is told so, and may go away again', async () => {
    const eve = await visit('Hall', { locale: 'zh-CN' });
    await knock2(eve, 'Eve');
    await eve.getByText('等待准入', { exact: true }).waitFor();
    await shot(eve, 'waiting-zh');
    await button(olga, 'Refuse').click();
    await notice(eve, '你没有获准进入').waitFor();
    same('no knock left', await olga.evaluate(() => window.parlor.state.knocks), []);
    await knock2(eve, 'Eve');
    await until('a knock', () => olga.evaluate(() => window.parlor.state.knocks.length), (n) => n === 1);
    await button(eve, '取消').click();
    await until('no knock', () => olga.evaluate(() => window.parlor.state.knocks.length), (n) => n === 0);
    await alone(eve);
    await olga.getByRole('switch', { name: 'Lobby' }).click();
  });
  return ana;
}

/** As `knock`, in Chinese. */
async function knock2(page, name) {
  await field(page, WORDS.zh.name).fill(name);
  await button(page, WORDS.zh.join).click();
}

async function lock(olga) {
  await check('a locked room says so, inside and at the door', async () => {
    await drawer(olga, WORDS.en.people, true);
    await olga.getByRole('switch', { name: 'Lock room' }).click();
    await olga.getByRole('img', { name: 'The room is locked' }).waitFor();
    const eve = await visit('Hall');
    await knock(eve, 'Eve');
    await notice(eve, 'The room is locked').waitFor();
    await shot(eve, 'locked');
    await olga.getByRole('switch', { name: 'Lock room' }).click();
    await button(eve, 'Try again').click();
    await button(eve, WORDS.en.leave).waitFor();
    await button(eve, WORDS.en.leave).click();
    await alone(eve);
  });
}

async function mute(olga, ana) {
  await check('a moderator mutes, and whoever is muted may speak again', async () => {
    await choose(olga, 'Ana', 'Mute');
    await notice(ana, 'Olga has muted you').waitFor();
    await shot(ana, 'muted');
    const tile = olga.getByRole('group', { name: 'Ana', exact: true });
    await until('seen muted', () => tile.getAttribute('data-mic'), (mic) => mic === 'off');
    same('own switch', await button(ana, 'Microphone').getAttribute('aria-pressed'), 'false');
    await button(ana, 'Microphone').click();
    await until('heard again', () => tile.getAttribute('data-mic'), (mic) => mic === 'on');
  });
  await check('a moderator can be made, moderates, and can be unmade', async () => {
    same('Ana has no menus', await (async () => {
      await drawer(ana, WORDS.en.people, true);
      return button(ana, 'More').count();
    })(), 0);
    await drawer(olga, WORDS.en.people, true);
    await button(olga.getByRole('listitem').filter({ hasText: 'Ana' }), 'More').click();
    await shot(olga, 'menu');
    await olga.getByRole('menuitem', { name: 'Make moderator' }).click();
    await ana.getByRole('switch', { name: 'Lock room' }).waitFor();
    await shot(ana, 'moderator');
    await choose(olga, 'Ana', 'No longer moderator');
    await ana.getByRole('switch', { name: 'Lock room' }).waitFor({ state: 'hidden' });
    await drawer(ana, WORDS.en.people, false);
  });
}

async function lines(olga, ana) {
  await check('a line is taken back by its author and by whoever moderates', async () => {
    await drawer(ana, WORDS.en.chat, true);
    for (const text of ['one', 'two', 'three']) {
      await field(ana, 'Message').fill(text);
      await button(ana, 'Send').click();
      await ana.getByRole('log').getByText(text, { exact: true }).waitFor();
    }
    await drawer(olga, WORDS.en.chat, true);
    const line = (page, text) => page.locator('.chat-line').filter({ hasText: text });
    await line(olga, 'two').hover();
    await shot(olga, 'delete');
    await button(line(olga, 'one'), 'Delete message').click();
    await button(line(ana, 'two'), 'Delete message').click();
    for (const page of [ana, olga]) {
      await until('one line is left', () => page.locator('.chat-text').allTextContents(), (texts) => JSON.stringify(texts) === '["three"]');
      same('with its head', await page.locator('.chat-name').count(), 1);
    }
    await drawer(olga, WORDS.en.chat, false);
  });
}

async function remove(olga, ana) {
  await check('whoever is removed is told so and stays out', async () => {
    await choose(olga, 'Ana', 'Remove');
    await notice(ana, 'A moderator has removed you').waitFor();
    await shot(ana, 'removed');
    await until('the tile is gone', () => tilesOf(olga), (tiles) => tiles.length === 1, 3000);
    for (const again of [0, 1]) {
      if (again) await ana.reload();
      await knock(ana, 'Somebody else');
      await notice(ana, 'A moderator has removed you').waitFor();
      same('not in', await phase(ana), 'join');
    }
    await alone(ana);
  });
}

async function full() {
  await check('a full room says so, and takes the next when somebody leaves', async () => {
    const ana = await visit('Tiny');
    await join(ana, 'Ana');
    const ben = await visit('Tiny', { viewport: { width: 390, height: 844 } });
    await knock(ben, 'Ben');
    await notice(ben, 'This room is full').waitFor();
    await shot(ben, 'full-phone');
    await button(ana, WORDS.en.leave).click();
    await until('nobody is there', () => ana.evaluate(async () => (await (await fetch('/api/v1/rooms')).json()).some(({ name }) => name === 'Tiny')), (there) => !there);
    await button(ben, 'Try again').click();
    await button(ben, WORDS.en.leave).waitFor();
    await alone(ana);
    await alone(ben);
  });
}

async function password() {
  await check('a room with a password asks for it, and takes the right one', async () => {
    const ana = await visit('Vault');
    same('not asked before', await field(ana, 'Room password').isVisible(), false);
    await knock(ana, 'Ana');
    await field(ana, 'Room password').waitFor();
    await ana.getByRole('alert').filter({ hasText: 'has a password' }).waitFor();
    await shot(ana, 'password');
    await field(ana, 'Room password').fill('wrong');
    await ana.keyboard.press('Enter');
    await ana.getByRole('alert').filter({ hasText: 'not the password' }).waitFor();
    await field(ana, 'Room password').fill('swordfish');
    await ana.keyboard.press('Enter');
    await button(ana, WORDS.en.leave).waitFor();
    await notice(ana, 'Mind the step.').waitFor();
    await shot(ana, 'welcome');
    // The socket is cut: the place is taken again, and nobody asks.
    await ana.evaluate(() => window.sockets.at(-1).close());
    await until('back', () => ana.evaluate(() => [window.sockets.length, window.parlor.state.link]), ([n, link]) => n > 2 && link === 'open');
    await alone(ana);
  });
}

/** From this machine, where nobody is a guest: a visitor from outside. */
async function outside() {
  const page = await visit('Vault');
  await check('a stranger comes in by a room\'s password, and nowhere else', async () => {
    same('who', await page.evaluate(async () => (await (await fetch('/api/v1/session')).json()).who), 'stranger');
    await knock(page, 'Zoe');
    await field(page, 'Room password').fill('swordfish');
    await page.keyboard.press('Enter');
    await button(page, WORDS.en.leave).waitFor();
    await until('a tile', () => tilesOf(page), (tiles) => tiles.length === 1);
    await button(page, WORDS.en.leave).click();
    await page.goto(`${url}r/Hall`);
    await knock(page, 'Zoe');
    await button(page, 'Sign in').waitFor();
    await shot(page, 'stranger-forbidden');
    await button(page, 'Sign in').click();
    await page.waitForURL(/\/signin\?to=/);
  });
  await alone(page);
}

const config = (loopback) => `camera = []
[access]
loopback = "${loopback}"
[http]
listen = "${host}"
[turn]
listen = []
[media]
ports = "${media}-${media}"
[[room]]
name = "Tiny"
max_participants = 1
[[room]]
name = "Vault"
password = "swordfish"
welcome = "Mind the step."
`;

try {
  await box.startWith(config('guest'));
  const olga = await ownerComes();
  const ana = await lobby(olga);
  await lock(olga);
  await mute(olga, ana);
  await lines(olga, ana);
  await remove(olga, ana);
  await alone(olga);
  await full();
  await password();
  await box.remove();
  await box.startWith(config('token'));
  await outside();
  await check('no faults in any page', () => {
    const faults = noted.filter((text) => !/status of 40[13]/.test(text));
    if (faults.length > 0) throw new Error(faults.join('; '));
  });
} finally {
  await browser.close();
  await box.remove();
}
finish();
