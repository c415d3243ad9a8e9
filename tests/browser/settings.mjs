// The owner's settings, as the owner meets them: from the set-up code to addresses that are in force in a
// call that goes on, faults beside what was typed, people, invites, and all of it after a restart.
//
// usage: node tests/browser/settings.mjs BINARY [SHOTS]
// Starts a parlor and a browser of its own; pictures go to the folder SHOTS. Prints one line a check and a
// JSON summary; exit 1 if any check failed.

import path from 'node:path';

import { Box, freePorts } from './box.mjs';
import { checklist } from './checks.mjs';
import { LIGHT, WORDS, framesGrow, join, launch, noFaults, openPage, until } from './page.mjs';

const [binary, shots] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/settings.mjs BINARY [SHOTS]');
const PASSWORD = 'correct horse battery';
const ADDRESS = '203.0.113.7';
const { check, finish } = checklist();
/** Errors of pages, but for answers that are refusals. @type {string[]} */
const faults = [];
/** Refusals are answers of 4xx, which the browser notes as faults. @type {string[]} */
const noted = [];

const host = `127.0.0.1:${await freePorts()}`;
const url = `https://${host}/`;
const box = new Box(binary);
const browser = await launch(LIGHT);
const field = (page, name) => page.getByRole('textbox', { name, exact: true });
const button = (page, name) => page.getByRole('button', { name, exact: true });
const status = (page) => page.getByRole('status');
const shot = (page, name, options = {}) => (shots ? page.screenshot({ path: path.join(shots, `${name}.png`), ...options }) : undefined);
const key = (page, name) => page.evaluate(async (wanted) => (await (await fetch('/api/v1/settings')).json())[wanted], name);

function same(what, seen, expected) {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(seen)}, not ${JSON.stringify(expected)}`);
}

async function save(page) {
  await button(page, 'Save').click();
  await status(page).filter({ hasText: /^Saved$/ }).waitFor();
}

async function setUp() {
  const page = await openPage(browser, `${url}settings`, noted);
  await check('the settings of a box without an owner lead to its set-up, and that to the settings', async () => {
    await field(page, 'Set-up code').fill(box.setUpCode);
    await field(page, 'Your name').fill('Ada');
    await field(page, 'Password').fill(PASSWORD);
    await field(page, 'Password again').fill(PASSWORD);
    await button(page, 'Set up').click();
    await field(page, 'Announced addresses').waitFor();
    await page.getByText('Signed in as Ada').waitFor();
    same('address', page.url(), `${url}settings`);
    await shot(page, 'settings', { fullPage: true });
  });
  return page;
}

/** Candidates of the offer that a page has last been made. */
const offered = (page) => page.evaluate(() => window.parlor.down?.remoteDescription?.sdp ?? '');

async function addresses(owner) {
  const ana = await openPage(browser, `${url}r/home`, faults);
  const ben = await openPage(browser, `${url}r/home`, faults);
  await check('an announced address is in force at once, and calls go on', async () => {
    await join(ana, 'Ana');
    await join(ben, 'Ben');
    await framesGrow(ana, 1);
    same('before', (await offered(ana)).includes(ADDRESS), false);
    await field(owner, 'Announced addresses').fill(`${ADDRESS}\n198.51.100.4:4000`);
    await save(owner);
    await owner.getByRole('group', { name: 'Announced now' }).getByText(ADDRESS).waitFor();
    await owner.getByText('198.51.100.4:4000', { exact: true }).waitFor();
    same('reason', await owner.getByRole('listitem').filter({ hasText: ADDRESS }).getByText('you wrote it').isVisible(), true);
    await shot(owner, 'settings-saved');
    const eve = await openPage(browser, `${url}r/home`, faults);
    await join(eve, 'Eve');
    await until('the address in an offer', () => offered(eve), (sdp) => sdp.includes(ADDRESS));
    await framesGrow(eve, 2);
    await framesGrow(ana, 2);
    await eve.context().close();
  });
  for (const page of [ana, ben]) await page.context().close();
}

async function faultsAreTold(owner) {
  await check('what is wrong is told beside it, all at once, and nothing is changed', async () => {
    await field(owner, 'Announced addresses').fill('nonsense here');
    await field(owner, 'Room that is offered first').fill('a/b');
    await button(owner, 'Save').click();
    await owner.getByRole('alert').filter({ hasText: 'Nothing was changed' }).waitFor();
    for (const name of ['Announced addresses', 'Room that is offered first']) {
      same(name, await field(owner, name).getAttribute('aria-invalid'), 'true');
    }
    same('what is right', (await owner.locator('.error').count()) >= 2, true);
    same('in force', (await key(owner, 'network.announce')).value, [ADDRESS, '198.51.100.4:4000']);
    same('not saved', await status(owner).textContent(), '');
    await shot(owner, 'settings-faults');
    await button(owner, 'Discard').click();
    same('as it was', await field(owner, 'Announced addresses').inputValue(), `${ADDRESS}\n198.51.100.4:4000`);
  });
  await check('what the file has set cannot be changed here, and says so', async () => {
    const viewers = field(owner, 'Viewers of a room, at most');
    same('value', await viewers.inputValue(), '9');
    same('read only', await viewers.getAttribute('readonly'), '');
    const about = owner.locator('[data-key="rooms.max_viewers"]');
    await about.getByText(/Set by .*parlor\.toml:\d+/).waitFor();
  });
  await check('what needs a restart says so', async () => {
    await owner.locator('#limits summary').click();
    await field(owner, 'Viewers of one worker').fill('7');
    await save(owner);
    await owner.getByText('In force after the next start of parlor: Viewers of one worker.').waitFor();
  });
}

async function lists(owner) {
  await check('a room is set up ahead, and its password stays when something else is changed', async () => {
    await button(owner, 'Add a room').click();
    const room = owner.getByRole('group', { name: 'New' });
    await room.getByRole('textbox', { name: 'Name' }).fill('Attic');
    await owner.getByRole('group', { name: 'Attic', exact: true }).getByLabel('Password').fill('pear');
    await save(owner);
    await owner.getByRole('group', { name: 'Attic', exact: true }).getByRole('textbox', { name: 'Participants, at most' }).fill('1');
    await save(owner);
    const kept = await key(owner, 'room');
    same('room', kept.value, [{ max_participants: 1, name: 'Attic', password: '***' }]);
  });
  await check('a fault of an entry stands below its list', async () => {
    await button(owner, 'Add a camera').click();
    await owner.getByRole('group', { name: 'New' }).getByRole('textbox', { name: 'Id' }).fill('not an id!');
    await button(owner, 'Save').click();
    await owner.locator('[data-key="camera"] .error').first().waitFor();
    await button(owner, 'Discard').click();
  });
  await check('the default comes back', async () => {
    await button(owner, 'Back to the default: Rooms set up ahead').click();
    await save(owner);
    same('source', (await key(owner, 'room')).source, 'default');
  });
}

async function together(owner) {
  await check('of two owners who change at once the second looks again', async () => {
    await field(owner, 'Room that is offered first').fill('Hall');
    await owner.evaluate(async () => fetch('/api/v1/settings', {
      method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: '{"rooms.max_participants": 6}',
    }));
    await button(owner, 'Save').click();
    await owner.getByRole('alert').filter({ hasText: 'Somebody else has changed' }).waitFor();
    same('theirs', await field(owner, 'Participants in a room, at most').inputValue(), '6');
    same('mine', await field(owner, 'Room that is offered first').inputValue(), 'Hall');
    await save(owner);
    same('in force', (await key(owner, 'rooms.default')).value, 'Hall');
  });
}

async function peopleAndInvites(owner) {
  await check('accounts are made and removed', async () => {
    await field(owner, 'Name of the new account').fill('Bob');
    await owner.getByLabel('Password of the new account').fill(PASSWORD);
    await button(owner, 'Add the account').click();
    await button(owner, 'Remove Bob').click();
    await button(owner, 'Really remove?').click();
    await button(owner, 'Remove Bob').waitFor({ state: 'detached' });
  });
  await check('an invite is made, shown as a link and a QR code, and withdrawn', async () => {
    await field(owner, 'Room of the invite').fill('Kitchen');
    await button(owner, 'Make an invite').click();
    const link = await until('the link', () => owner.locator('#invite-url').inputValue().catch(() => ''), (value) => value !== '');
    same('link', link.startsWith(`${url}r/Kitchen#invite=`), true);
    await owner.getByRole('img', { name: 'QR code of the invite' }).waitFor();
    await shot(owner, 'settings-invite');
    await button(owner, 'Withdraw the invite to Kitchen').click();
    await owner.getByText('No invite is open.').waitFor();
  });
  await check('what was changed is told, with who', async () => {
    await owner.locator('#audit').getByText('Ada: settings Room that is offered first').waitFor();
  });
}

async function looks(owner) {
  await check('Chinese, a phone held upright, dark and light: nothing is cut off', async () => {
    await button(owner, '中文').click();
    await field(owner, '公布的地址').waitFor();
    await shot(owner, 'settings-zh', { fullPage: true });
    for (const [width, scheme] of [[390, 'dark'], [320, 'light']]) {
      await owner.setViewportSize({ width, height: 844 });
      await owner.emulateMedia({ colorScheme: scheme });
      const wide = await owner.evaluate(() => document.documentElement.scrollWidth);
      same(`width at ${width}`, wide <= width, true);
      await shot(owner, `settings-${width}-${scheme}`, { fullPage: true });
    }
    await button(owner, 'English').click();
    await owner.setViewportSize({ width: 1280, height: 800 });
  });
}

async function afterwards(owner) {
  await check('all of it is there after a restart, and the owner still signed in', async () => {
    await box.stop();
    await box.start();
    await owner.reload();
    await field(owner, 'Announced addresses').waitFor();
    same('addresses', await field(owner, 'Announced addresses').inputValue(), `${ADDRESS}\n198.51.100.4:4000`);
    same('waiting', await owner.getByText('In force after the next start of parlor:').count(), 0);
  });
  await check('signed out everywhere, one is led to signing in', async () => {
    await button(owner, 'Sign out everywhere').click();
    await button(owner, 'Sign in').waitFor();
    await owner.goto(`${url}settings`);
    await field(owner, 'Name').fill('Ada');
    await field(owner, 'Password').fill(PASSWORD);
    await button(owner, 'Sign in').click();
    await field(owner, 'Announced addresses').waitFor();
  });
}

try {
  const media = await freePorts();
  await box.startWith(`[access]\nloopback = "guest"\n[http]\nlisten = "${host}"\n[media]\nports = "${media}-${media}"\n[rooms]\nmax_viewers = 9\n`);
  const owner = await setUp();
  await addresses(owner);
  await faultsAreTold(owner);
  await lists(owner);
  await together(owner);
  await peopleAndInvites(owner);
  await looks(owner);
  await afterwards(owner);
  await check('no page had an error', () => noFaults(faults));
} finally {
  await browser.close();
  await box.remove();
}
finish();
