// The doctor's page: all ways open, UDP dropped, the media port closed altogether; a stranger; and the
// addresses that a browser finds by servers that are typed in.
//
// usage: node tests/browser/doctor.mjs BINARY [SHOTS]
// Needs root, ip(8) and iptables(8); without them it prints its name as skipped. Prints one line a check
// and a JSON summary; exit 1 if any check failed.

import { execFile, execFileSync } from 'node:child_process';
import path from 'node:path';

import { Box, LIGHT_CAMERA } from './box.mjs';
import { checklist } from './checks.mjs';
import { cable, chromiumIn, makeNamespaces } from './namespaces.mjs';
import { launch, noFaults, openPage, until } from './page.mjs';
import { PATIENCE } from './patience.mjs';

const SERVER = '10.83.0.2';
const CLIENT = '10.83.0.9';
/** The built-in defaults. */
const [HTTP_PORT, MEDIA_PORT, TURN_PORT] = [8172, 10000, 3478];
const LOOK_MS = 40_000 * PATIENCE;

const [binary, shots] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/doctor.mjs BINARY [SHOTS]');

const { check, finish } = checklist();
const url = `https://${SERVER}:${HTTP_PORT}/doctor`;

const iptables = (namespace, words) => execFileSync('ip', ['netns', 'exec', namespace, 'iptables', ...words.split(' ')], { stdio: ['ignore', 'ignore', 'pipe'] });

function same(what, seen, expected) {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(seen)}, not ${JSON.stringify(expected)}`);
}

const shot = (page, file, options = {}) => (shots ? page.screenshot({ path: path.join(shots, `${file}.png`), fullPage: true, ...options }) : undefined);

/** What the page says when it has looked: each check's state by its name, each hop's, and the summary. */
async function looked(page) {
  await until('the look is over', () => page.evaluate(() => document.querySelector('.summary')?.dataset.busy), (busy) => busy === 'false', LOOK_MS);
  return page.evaluate(() => ({
    checks: Object.fromEntries([...document.querySelectorAll('tr[data-check]')].map((row) => [row.dataset.check, row.dataset.state])),
    details: Object.fromEntries([...document.querySelectorAll('tr[data-check]')].map((row) => [row.dataset.check, row.querySelector('.detail').textContent])),
    hops: [...document.querySelectorAll('.hop')].map((hop) => hop.dataset.state),
    summary: document.querySelector('.summary').textContent,
    remedies: [...document.querySelectorAll('.trouble p:first-of-type')].map((line) => line.textContent),
  }));
}

/** What `parlor doctor` or `parlor probe` says in a namespace: its exit code, each check's `ok` by its name. */
async function asked(namespace, ...words) {
  const [code, text] = await new Promise((resolve) => {
    execFile('ip', ['netns', 'exec', namespace, binary, ...words, '--json'], (error, stdout) => resolve([error?.code ?? 0, stdout]));
  });
  return { code, ok: Object.fromEntries(JSON.parse(text).checks.map(({ id, ok }) => [id, ok])) };
}

const PROBED = ['ws', 'turn-udp', 'turn-tcp', 'turns', 'media-udp', 'media-tcp', 'media-relay'];

/** The same without a browser. */
async function commands(box, namespaces) {
  const drop = (how) => iptables(namespaces.server, `${how} INPUT ! -i lo -p udp -j DROP`);
  await check('parlor doctor, on the box: nothing is at fault', async () => {
    const seen = await asked(namespaces.server, 'doctor', '--config', path.join(path.dirname(box.data), 'parlor.toml'), '--data', box.data);
    same('exit code', seen.code, 0);
    same('found', ['https', 'media-udp', 'media-tcp', 'turn-udp', 'turn-https', 'announced'].map((id) => seen.ok[id]), Array(6).fill(true));
  });
  await check('parlor probe, from elsewhere: real media by each way', async () => {
    const seen = await asked(namespaces.client, 'probe', `https://${SERVER}:${HTTP_PORT}`);
    same('exit code', seen.code, 0);
    same('ways', PROBED.map((id) => seen.ok[id]), PROBED.map(() => true));
  });
  await check('parlor probe where UDP is dropped: TCP carries media, and UDP is named', async () => {
    drop('-A');
    const seen = await asked(namespaces.client, 'probe', `https://${SERVER}:${HTTP_PORT}`);
    drop('-D');
    same('exit code', seen.code, 0);
    same('ways', ['media-udp', 'media-tcp', 'turn-udp', 'turn-tcp'].map((id) => seen.ok[id]), [null, true, null, true]);
  });
}

const states = (seen, names) => names.map((name) => seen.checks[name]);
const WAYS = ['media-udp', 'media-tcp', 'relay', 'turn-udp', 'turn-tcp', 'turns'];

async function everyWay(browser, faults) {
  const page = await openPage(browser, url, faults);
  await check('all ways open: every one is tried and found, and the box tells how it is', async () => {
    const seen = await looked(page);
    same('ways', states(seen, WAYS), WAYS.map(() => 'good'));
    same('browser', states(seen, ['secure', 'rtc', 'socket', 'session', 'clocks']), Array(5).fill('good'));
    same('box', states(seen, ['box.media-udp', 'box.media-tcp', 'box.turn-udp', 'box.https']), Array(4).fill('good'));
    same('media by UDP', seen.details['media-udp'].startsWith(`udp ${SERVER}:${MEDIA_PORT}`), true);
    same('media by TCP', seen.details['media-tcp'].startsWith(`tcp ${SERVER}:${MEDIA_PORT}`), true);
    same('is shown', await page.evaluate(() => getComputedStyle(document.body).visibility), 'visible');
    same('nothing in the way', [seen.hops.includes('bad'), seen.summary === 'Something is in the way.'], [false, false]);
    await shot(page, 'doctor-well');
    return seen.details['media-udp'];
  });
  await check('nobody in the house has seen that', async () => {
    const rooms = await page.evaluate(async () => (await fetch('/api/v1/rooms')).json());
    same('members', rooms.flatMap(({ members }) => members.map(({ kind }) => kind)), ['camera']);
  });
  await check('the report is copied as text', async () => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy report' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    same('lines', [/^parlor doctor, /.test(text), text.includes('✓ media-udp: udp '), text.includes('box.encoder')], [true, true, true]);
  });
  await check('in Chinese, upright on a phone: nothing is cut off', async () => {
    await page.getByRole('button', { name: '中文' }).click();
    await page.getByRole('heading', { name: '诊断' }).waitFor();
    await page.setViewportSize({ width: 390, height: 844 });
    same('width', await page.evaluate(() => document.documentElement.scrollWidth <= 390), true);
    await shot(page, 'doctor-zh');
  });
  await page.context().close();
}

async function trickle(browser, faults) {
  await check('servers that are typed in give their candidates, as they come', async () => {
    const page = await openPage(browser, url, faults);
    await looked(page);
    await page.getByRole('button', { name: 'Use the box’s servers' }).click();
    const servers = page.getByRole('textbox', { name: 'Servers' });
    await until('the box’s servers', () => servers.inputValue(), (text) => text.includes(`turn:${SERVER}:${TURN_PORT}`));
    await page.getByRole('button', { name: 'Gather candidates' }).click();
    await page.getByText(/^Done in/).waitFor({ timeout: LOOK_MS });
    const types = await page.evaluate(() => [...new Set([...document.querySelectorAll('.found tr[data-type]')].map((row) => row.dataset.type))].sort());
    same('types', types.filter((type) => type !== 'srflx'), ['host', 'relay']);
    await shot(page, 'doctor-trickle');
    await servers.fill('nonsense');
    await page.getByRole('button', { name: 'Gather candidates' }).click();
    await page.getByText('The browser does not understand these servers').waitFor();
    await page.context().close();
  });
}

async function closed(browser, namespaces, faults) {
  const drop = (how, words) => iptables(namespaces.server, `${how} INPUT ! -i lo ${words} -j DROP`);
  await check('UDP dropped: the port is named, TCP and the relay are found open', async () => {
    drop('-A', '-p udp');
    const page = await openPage(browser, url, faults);
    const seen = await looked(page);
    drop('-D', '-p udp');
    same('ways', states(seen, ['media-udp', 'media-tcp', 'turn-udp', 'turn-tcp']), ['unsure', 'good', 'unsure', 'good']);
    same('remedy', seen.remedies.some((line) => line.includes(`forward UDP port ${MEDIA_PORT}`) && line.includes(`${SERVER}:${MEDIA_PORT}`)), true);
    await page.context().close();
  });
  await check('only the port of https open: media through the relay by TLS, and that is said', async () => {
    drop('-A', '-p udp');
    drop('-A', `-p tcp ! --dport ${HTTP_PORT}`);
    const page = await openPage(browser, url, faults);
    const seen = await looked(page);
    same('ways', states(seen, WAYS), ['unsure', 'unsure', 'unsure', 'unsure', 'unsure', 'good']);
    same('relay', seen.details.relay.startsWith('relay tls'), true);
    same('remedy', seen.remedies.some((line) => line.includes('calls go by the relay')), true);
    await shot(page, 'doctor-relay');
    drop('-D', '-p udp');
    drop('-D', `-p tcp ! --dport ${HTTP_PORT}`);
    await page.context().close();
  });
}

/** Media goes nowhere, and the box itself says so too. */
async function noWay(browser, namespaces, faults) {
  const words = [`OUTPUT -p udp --sport ${MEDIA_PORT}`, `INPUT -p tcp --dport ${MEDIA_PORT}`, `INPUT -p udp --dport ${TURN_PORT}`, `INPUT -p tcp --dport ${TURN_PORT}`];
  await check('answers dropped by the box’s own firewall: the box names its port, from its own side', async () => {
    for (const one of words) iptables(namespaces.server, `-A ${one} -j DROP`);
    const page = await openPage(browser, url, faults);
    const seen = await looked(page);
    for (const one of words) iptables(namespaces.server, `-D ${one} -j DROP`);
    same('box', states(seen, ['box.media-udp', 'box.media-tcp', 'box.stun-udp']), ['bad', 'bad', 'bad']);
    same('hop', seen.hops[2], 'bad');
    same('summary', seen.summary, 'Something is in the way.');
    await shot(page, 'doctor-fault');
    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme: 'dark' });
    await shot(page, 'doctor-fault-phone');
    await page.context().close();
  });
}

async function main(namespaces) {
  const box = new Box(binary, ['ip', 'netns', 'exec', namespaces.server]);
  let browser;
  /** @type {string[]} */
  const faults = [];
  try {
    await cable([
      { namespace: namespaces.server, device: 'eth0', address: SERVER },
      { namespace: namespaces.client, device: 'eth0', address: CLIENT },
    ]);
    const started = await check('parlor starts', () => box.startWithDefaults(LIGHT_CAMERA));
    if (started) {
      browser = await launch({ executablePath: chromiumIn(namespaces.client), args: ['--ignore-certificate-errors'] });
      await commands(box, namespaces);
      await everyWay(browser, faults);
      await trickle(browser, faults);
      await closed(browser, namespaces, faults);
      await noWay(browser, namespaces, faults);
      await check('no errors in any page', () => noFaults(faults));
    }
  } finally {
    await browser?.close();
    await check('parlor ends well', () => box.remove());
  }
  finish();
}

function why(namespaces) {
  try {
    iptables(namespaces.server, '-L -n');
    return null;
  } catch (error) {
    return `no packet filter to be had: ${String(error.stderr ?? error).trim()}`;
  }
}

const made = makeNamespaces(['server', 'client']);
const missing = 'why' in made ? made.why : why(made.namespaces);
if (missing !== null) console.log(`skipped: doctor.mjs: ${missing}`);
else await main(made.namespaces);
