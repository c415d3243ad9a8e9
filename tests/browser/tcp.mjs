// Where UDP does not get through: parlor in one network namespace, browsers in another, and whatever is
// UDP is dropped between them; then a tunnel that forwards TCP alone, to another port number than the
// box's own.
//
// usage: node tests/browser/tcp.mjs BINARY
// Needs root, ip(8) and iptables(8); without them it prints its name as skipped. Prints one line a check
// and a JSON summary with the time from `joined` to the picture; exit 1 if any check failed.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { Box, LIGHT_CAMERA } from './box.mjs';
import { checklist } from './checks.mjs';
import { cable, chromiumIn, makeNamespaces } from './namespaces.mjs';
import { LIGHT, framesGrow, join, launch, noFaults, openPage, soundGrows, until } from './page.mjs';
import { PATIENCE } from './patience.mjs';

const SERVER = '10.79.0.2';
const CLIENT = '10.79.0.9';
/** The tunnel's end towards people, and somebody there. */
const OUTSIDE = '10.79.1.1';
const REMOTE = '10.79.1.9';
/** The cable between the tunnel and the box. */
const INSIDE = { server: '10.79.2.2', tunnel: '10.79.2.1' };
/** The built-in defaults. */
const HTTP_PORT = 8172;
const MEDIA_PORT = 10000;
/** What the tunnel forwards to the media port. */
const TUNNEL_PORT = 17000;
/** From `joined` to the other's picture: no connection was begun anew, which the page does after ten seconds. */
const MEDIA_MS = 9_000 * PATIENCE;
/** UDP is cut in a call: until there is picture by TCP. */
const BACK_MS = 15_000 * PATIENCE;

const [binary] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/tcp.mjs BINARY');

const { summary, check, finish } = checklist({ mediaMs: {}, backMs: null });

const iptables = (namespace, words) => execFileSync('ip', ['netns', 'exec', namespace, 'iptables', ...words.split(' ')], { stdio: ['ignore', 'ignore', 'pipe'] });

/** Datagrams into and out of a namespace go nowhere, or go again. */
function dropUdp(namespace, drop) {
  const how = drop ? '-A' : '-D';
  for (const chain of ['INPUT ! -i lo', 'OUTPUT ! -o lo']) iptables(namespace, `${how} ${chain} -p udp -j DROP`);
}

/** The box's end of the path that media takes, for each of a page's two connections. */
function mediaPaths(page) {
  return page.evaluate(async () => {
    const paths = {};
    for (const direction of ['up', 'down']) {
      const stats = await window.parlor[direction].getStats();
      const transport = [...stats.values()].find(({ type }) => type === 'transport');
      const pair = stats.get(transport?.selectedCandidatePairId);
      const { address, port, protocol } = stats.get(pair?.remoteCandidateId) ?? {};
      paths[direction] = `${protocol} ${address}:${port}`;
    }
    return paths;
  });
}

const goesBy = (page, expected, deadlineMs) => until(`media by ${expected}`, () => mediaPaths(page), ({ up, down }) => up === expected && down === expected, deadlineMs);

/** Two people come, see and hear each other by this way. */
async function meet(browser, url, expected, names, faults) {
  const pages = {};
  await check(`${names.join(' and ')} join at ${url}`, async () => {
    for (const name of names) {
      pages[name] = await openPage(browser, url, faults);
      await join(pages[name], name);
    }
  });
  for (const [name, page] of Object.entries(pages)) {
    await check(`${name} decodes growing frames of the other and the camera`, () => framesGrow(page, 2));
    await check(`${name} hears the others`, () => soundGrows(page));
    await check(`${name}'s media goes by ${expected}, both ways`, () => goesBy(page, expected, 1_000));
  }
  await check(`the last one saw the others within ${MEDIA_MS} ms`, async () => {
    const { live, joinedAt } = await pages[names.at(-1)].evaluate(() => window.seen);
    const times = Object.fromEntries(Object.entries(live).map(([other, at]) => [other, Math.round(at - joinedAt)]));
    summary.mediaMs[expected] = times;
    if (Object.values(times).some((ms) => ms > MEDIA_MS)) throw new Error(JSON.stringify(times));
    return times;
  });
  return pages;
}

const leaveAll = async (pages) => {
  for (const page of Object.values(pages)) await page.context().close();
};

/** Situation 7: whatever is UDP is dropped. And its end, and its beginning in a call. */
async function withoutUdp(browser, namespaces, faults) {
  const url = `https://${SERVER}:${HTTP_PORT}/`;
  dropUdp(namespaces.client, true);
  await leaveAll(await meet(browser, url, `tcp ${SERVER}:${MEDIA_PORT}`, ['Ana', 'Ben'], faults));
  dropUdp(namespaces.client, false);
  const pages = await meet(browser, url, `udp ${SERVER}:${MEDIA_PORT}`, ['Cleo', 'Dan'], faults);
  await check(`UDP is cut in a call: picture by TCP within ${BACK_MS} ms`, async () => {
    const started = performance.now();
    dropUdp(namespaces.client, true);
    await goesBy(pages.Cleo, `tcp ${SERVER}:${MEDIA_PORT}`, BACK_MS);
    await framesGrow(pages.Cleo, 2);
    summary.backMs = Math.round(performance.now() - started);
    return summary.backMs;
  });
  dropUdp(namespaces.client, false);
  await leaveAll(pages);
}

/** Situation 9: nothing but a tunnel's TCP ports leads to the box. */
async function throughTunnel(namespaces, faults) {
  const script = fileURLToPath(new URL('tunnel.mjs', import.meta.url));
  const words = ['netns', 'exec', namespaces.tunnel, process.execPath, script, INSIDE.server, `${HTTP_PORT}:${HTTP_PORT}`, `${TUNNEL_PORT}:${MEDIA_PORT}`];
  const tunnel = spawn('ip', words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const browser = await launch({ ...LIGHT, executablePath: chromiumIn(namespaces.remote) });
  try {
    await once(tunnel, 'message');
    await meet(browser, `https://${OUTSIDE}:${HTTP_PORT}/`, `tcp ${OUTSIDE}:${TUNNEL_PORT}`, ['Eve', 'Fay'], faults);
  } finally {
    await browser.close();
    tunnel.disconnect();
  }
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
    await cable([
      { namespace: namespaces.server, device: 'eth1', address: INSIDE.server },
      { namespace: namespaces.tunnel, device: 'inside', address: INSIDE.tunnel },
    ]);
    await cable([
      { namespace: namespaces.remote, device: 'eth0', address: REMOTE },
      { namespace: namespaces.tunnel, device: 'outside', address: OUTSIDE },
    ]);
    const started = await check('parlor starts', () => box.startWithDefaults(`${LIGHT_CAMERA}[network]\nannounce = ["${OUTSIDE}:${TUNNEL_PORT}"]\n`));
    if (started) {
      browser = await launch({ ...LIGHT, executablePath: chromiumIn(namespaces.client) });
      await withoutUdp(browser, namespaces, faults);
      await throughTunnel(namespaces, faults);
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
    iptables(namespaces.client, '-L -n');
    return null;
  } catch (error) {
    return `no packet filter to be had: ${String(error.stderr ?? error).trim()}`;
  }
}

const made = makeNamespaces(['server', 'client', 'tunnel', 'remote']);
const missing = 'why' in made ? made.why : why(made.namespaces);
if (missing !== null) console.log(`skipped: tcp.mjs: ${missing}`);
else await main(made.namespaces);
