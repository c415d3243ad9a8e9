// What hands do in a room: another camera, drawers that open and close, keys, text, a reload; and what a
// connection does that is made anew in the middle of it.
//
// usage: node tests/browser/hands.mjs URL
// The room is the box's default one, with a camera in it. Prints one line a check and a JSON summary;
// exit 1 if any check failed.

import { checklist } from './checks.mjs';
import { LIGHT, WORDS, hear, join, launch, noFaults, openPage, pictureGrows, received, soundGrows, tilesOf, until } from './page.mjs';

const [url] = process.argv.slice(2);
if (!URL.canParse(url)) throw new Error('usage: node tests/browser/hands.mjs URL');
const { check: checkAlone, finish } = checklist({ url });
/** @type {string[]} */
const faults = [];

/** A check of its own: what another left open, as when it failed, is closed. */
const check = (what, run) => checkAlone(what, async () => {
  for (const page of open) {
    if (await page.getByRole('dialog').isVisible()) await page.keyboard.press('Escape');
    const { phase, panel } = await page.evaluate(() => window.parlor.state);
    if (phase === 'room' && panel !== 'none') await page.locator(`#bar-${panel}`).click();
  }
  return run();
});

/** Pages that are looked at by several checks. @type {import('playwright-core').Page[]} */
const open = [];

const stateOf = (page) => page.evaluate(() => {
  const { mic, cam, panel, link } = window.parlor.state;
  return { mic, cam, panel, link };
});
const button = (page, name) => page.getByRole('button', { name, exact: true });
/** What has the focus: its id, or else its name. */
const focused = (page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.tagName.toLowerCase());

function same(what, seen, expected) {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(seen)}, not ${JSON.stringify(expected)}`);
}

/** The device that is sent, as the sender itself has it. */
const sent = (page, kind) => page.evaluate((wanted) => (
  window.parlor.up.getSenders().find(({ track }) => track?.kind === wanted)?.track.getSettings().deviceId), kind);

/** Every device of a box is chosen in the settings, and is what is sent from then on. */
async function everyDevice(page, other, box, kind) {
  await button(page, WORDS.en.settings).click();
  const dialog = page.getByRole('dialog');
  const select = dialog.getByRole('combobox', { name: box });
  const ids = await select.locator('option').evaluateAll((options) => options.map(({ value }) => value).filter((value) => value !== ''));
  if (ids.length < 2) throw new Error(`only ${ids.length} to choose from`);
  for (const id of [...ids, ids[0]]) {
    await select.selectOption(id);
    await until(`${box} ${id} is sent`, () => sent(page, kind), (seen) => seen === id);
    same('the box shows', await select.inputValue(), id);
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  await (kind === 'video' ? pictureGrows(other, ['Ana']) : soundGrows(other));
  return ids.length;
}

/** A choice that is no longer there: another device is opened, and that one is shown. */
async function deviceThatIsGone(page) {
  await page.evaluate(() => localStorage.setItem('parlor.camera', 'f'.repeat(64)));
  await page.reload();
  await join(page, 'Ana');
  const open = await until('a camera is sent', () => sent(page, 'video'), Boolean);
  await button(page, WORDS.en.settings).click();
  same('the box shows', await page.getByRole('dialog').getByRole('combobox', { name: 'Camera' }).inputValue(), open);
  await page.keyboard.press('Escape');
  await page.evaluate(() => localStorage.removeItem('parlor.camera'));
}

/** Opens, holds the focus, closes by each way; the focus is back where it came from. */
async function drawer(page, name, id) {
  const opener = button(page, name);
  const panel = page.locator(`#${id}`);
  const ways = {
    '×': () => panel.getByRole('button', { name: WORDS.en.close, exact: true }).click(),
    Escape: () => page.keyboard.press('Escape'),
    'the button': () => opener.click(),
  };
  for (const [way, close] of Object.entries(ways)) {
    await opener.click();
    await panel.waitFor();
    const inside = await page.evaluate((wanted) => document.activeElement?.closest('.drawer')?.id === wanted, id);
    if (!inside) throw new Error(`the focus is on ${await focused(page)}, not in the drawer`);
    await close();
    await until(`${name} is closed by ${way}`, () => panel.isHidden(), Boolean, 2000);
    if (way !== 'the button') same('focus', await focused(page), `bar-${id}`);
  }
}

/** Where a sheet lies over the tiles, a tap beside it closes it. */
async function sheet(page) {
  await page.setViewportSize({ width: 390, height: 844 });
  await button(page, WORDS.en.people).click();
  await page.locator('#people').waitFor();
  await page.locator('#stage').click({ position: { x: 100, y: 60 } });
  await until('the sheet is closed', () => page.locator('#people').isHidden(), Boolean, 2000);
  await page.setViewportSize({ width: 1280, height: 800 });
}

/** After a click on Send the next letters belong to the next message, and none to the room. */
async function lettersAreText(page) {
  await button(page, WORDS.en.chat).click();
  const box = page.getByRole('textbox', { name: 'Message' });
  await box.fill('first');
  await button(page, 'Send').click();
  await until('it is sent', () => box.inputValue(), (text) => text === '');
  await page.keyboard.type('move dvd');
  same('typed', await box.inputValue(), 'move dvd');
  await page.locator('#messages').focus();
  await page.keyboard.type('mvd');
  await page.locator('#chat .close-panel').focus();
  await page.keyboard.type('mv');
  same('state', await stateOf(page), { mic: true, cam: true, panel: 'chat', link: 'open' });
  await page.keyboard.press('Escape');
  await page.keyboard.press('m');
  await until('M outside of text is a key', () => stateOf(page), ({ mic }) => !mic, 3000);
  await page.keyboard.press('m');
}

/** Beyond what is kept the oldest lines go; the others are not drawn anew. */
async function longChat(page) {
  await button(page, WORDS.en.chat).click();
  const line = (seq) => ({ type: 'chat', line: { seq, from: 'ffffffffffffffff', name: 'Cleo', text: `line ${seq}`, at_ms: seq * 300_000 } });
  await hear(page, ...Array.from({ length: 600 }, (_, index) => line(1000 + index)));
  const shown = (text) => page.getByRole('log').getByText(text, { exact: true });
  await shown('line 1599').waitFor();
  same('lines', await page.locator('.chat-line').count(), 500);
  await page.evaluate(() => { window.kept = [...document.querySelectorAll('.chat-line')].slice(1); });
  await hear(page, line(1600));
  await shown('line 1600').waitFor();
  same('lines', await page.locator('.chat-line').count(), 500);
  same('kept as they were', await page.evaluate(() => window.kept.every((node) => node.isConnected)), true);
  // Scrolled up one stays, and is told of what is new.
  await page.getByRole('log').evaluate((log) => {
    // The page hears of it with the next frame, as from a hand.
    const heard = new Promise((done) => log.addEventListener('scroll', done, { once: true }));
    log.scrollTop = 0;
    return heard.then(() => {});
  });
  await hear(page, line(1601));
  await button(page, 'New messages').click();
  const atEnd = () => page.getByRole('log').evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight < 2);
  await until('at the end', atEnd, Boolean, 2000);
  await page.keyboard.press('Escape');
}

/** What was switched off is off after a reload, on the join page and in the room. */
async function reload(page, other) {
  for (const name of ['Microphone', 'Camera']) await button(page, name).click();
  await page.reload();
  for (const name of ['Microphone on', 'Camera on']) {
    same(name, await page.getByRole('switch', { name }).getAttribute('aria-checked'), 'false');
  }
  await join(page, 'Ana');
  const tile = await until('Ana is back', () => tilesOf(other).then((tiles) => tiles.find(({ name }) => name === 'Ana')), (found) => found?.state === 'muted');
  same('microphone', tile.mic, 'off');
  for (const name of ['Microphone', 'Camera']) await button(page, name).click();
  await pictureGrows(other, ['Ana']);
}

/** The box asks for a new connection, twice in the same moment. */
async function twoRestarts(page, other) {
  const restart = { type: 'restart', direction: 'up' };
  const frames = () => received(other).then(({ Ana: { frames: seen } }) => seen);
  await hear(page, restart, restart);
  await until('it is connected', () => page.evaluate(() => window.parlor.up?.connectionState), (state) => state === 'connected');
  const before = await frames();
  await until('frames grow again', frames, (now) => now > before + 5);
  await soundGrows(other);
}

/** In the page: leaves while the first offer is being answered, then joins again. */
function leaveInTheMiddle() {
  const { setRemoteDescription } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.setRemoteDescription = function once(description) {
    RTCPeerConnection.prototype.setRemoteDescription = setRemoteDescription;
    const answered = setRemoteDescription.call(this, description);
    document.getElementById('bar-leave').click();
    return answered;
  };
}

/** A connection that is closed while its offer is answered does not hold up the next. */
async function leavesInTheMiddle(page) {
  await button(page, WORDS.en.leave).click();
  await page.getByRole('button', { name: WORDS.en.join, exact: true }).waitFor();
  // With nothing to send, the first description is the box's offer.
  for (const name of ['Microphone on', 'Camera on']) await page.getByRole('switch', { name }).click();
  await page.evaluate(leaveInTheMiddle);
  await page.getByRole('button', { name: WORDS.en.join, exact: true }).click();
  await until('it has left', () => page.evaluate(() => window.parlor.state.phase), (phase) => phase === 'join');
  for (const name of ['Microphone on', 'Camera on']) await page.getByRole('switch', { name }).click();
  await join(page, 'Ana');
  await pictureGrows(page, ['Ben']);
}

/** Nobody is here: the address is told, one's own picture is small. */
async function alone(page) {
  const card = page.getByRole('region', { name: 'Nobody is here yet' });
  await card.waitFor();
  const link = await card.locator('.alone-link').textContent();
  same('address', link, `${new URL(url).origin}/r/attic`);
  await card.getByRole('img', { name: /QR code/ }).waitFor();
  const { width } = await page.getByRole('group', { name: 'Ana', exact: true }).boundingBox();
  if (width > 400) throw new Error(`one's own picture is ${width} wide`);
}

/** In the page: what it has come to once it has started. */
const started = async () => {
  await import('/room/app.js');
  return window.parlor.state.phase;
};

/** A wall tablet joins one room by itself, where it was told so there; no link takes it anywhere else. */
async function joinsByItself(browser) {
  const address = `${url}r/wall?name=Wall&join=1`;
  const page = await openPage(browser, address, faults);
  same('untold', await page.evaluate(started), 'join');
  await join(page, 'Wall');
  await button(page, WORDS.en.settings).click();
  await page.getByRole('switch', { name: 'Join by itself' }).click();
  await page.keyboard.press('Escape');
  await page.goto(address);
  await button(page, WORDS.en.leave).waitFor();
  await page.goto(`${url}r/attic?name=Wall&join=1`);
  same('another room', await page.evaluate(started), 'join');
  await page.route('https://elsewhere.example/', (route) => route.fulfill({ contentType: 'text/html', body: `<a href="${address}">in</a>` }));
  await page.goto('https://elsewhere.example/');
  await page.getByRole('link', { name: 'in' }).click();
  await button(page, WORDS.en.join).waitFor();
  same('another site', [page.url(), await page.evaluate(started)], [`${url}r/wall?name=Wall`, 'join']);
  await page.context().close();
}

/** Nothing moves for ever where the system asks for calm. */
async function calm(browser) {
  const page = await openPage(browser, url, faults, { reducedMotion: 'reduce' });
  await join(page, 'Dora');
  await page.evaluate(() => window.sockets.at(-1).dispatchEvent(new CloseEvent('close')));
  const seen = await page.evaluate(() => new Promise((resolve) => {
    requestAnimationFrame(() => resolve({
      link: window.parlor.state.link,
      endless: document.getAnimations().filter((each) => each.effect.getComputedTiming().iterations === Infinity).length,
    }));
  }));
  same('animations', seen, { link: 'reconnecting', endless: 0 });
  await page.context().close();
}

async function main() {
  const browser = await launch({ ...LIGHT, cameras: 2 });
  try {
    const ana = await openPage(browser, `${url}r/attic`, faults);
    await check('alone in a room one is told its address', async () => {
      await join(ana, 'Ana');
      await alone(ana);
    });
    await check('the focus is in the room after Join', async () => same('focus', await focused(ana), 'room-title'));
    await button(ana, WORDS.en.leave).click();
    await check('and on the join page after Leave', async () => {
      await until('the focus', () => focused(ana), (id) => id === 'join-button', 2000);
    });
    await ana.goto(url);
    const ben = await openPage(browser, url, faults);
    const there = await check('two pages join', () => Promise.all([join(ana, 'Ana'), join(ben, 'Ben')]).then(() => pictureGrows(ben, ['Ana'])));
    if (!there) return;
    open.push(ana);
    await check('each camera that is chosen is the one that is sent', () => everyDevice(ana, ben, 'Camera', 'video'));
    await check('each microphone too', () => everyDevice(ana, ben, 'Microphone', 'audio'));
    await check('Chat opens, holds the focus, closes by ×, Escape and its button', () => drawer(ana, WORDS.en.chat, 'chat'));
    await check('People too', () => drawer(ana, WORDS.en.people, 'people'));
    await check('a tap beside a sheet closes it', () => sheet(ana));
    await check('letters after a click on Send are text', () => lettersAreText(ana));
    await check('past 500 lines chat adds one without drawing all anew', () => longChat(ana));
    await check('two restarts in one moment, and one is seen and heard again', () => twoRestarts(ana, ben));
    await check('what was off is off after a reload', () => reload(ana, ben));
    await check('a camera that is gone: the one that is open is shown', () => deviceThatIsGone(ana));
    await check('whoever leaves while an offer is answered sees the others on the next try', () => leavesInTheMiddle(ana));
    await check('with reduced motion nothing moves for ever', () => calm(browser));
    await check('a device joins by itself where it was told so, and by no other site\'s link', () => joinsByItself(browser));
    await check('no errors in any page', () => noFaults(faults));
  } finally {
    await browser.close();
  }
}

await main();
finish();
