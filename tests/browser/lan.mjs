// The room across a network: parlor in one network namespace, the browser in another, a cable between
// them. Nobody tells parlor an address: what it announces comes from netlink.
//
// usage: node tests/browser/lan.mjs BINARY
// Needs root and ip(8); without them it prints its name as skipped. Prints one line a check and a
// JSON summary; exit 1 if any check failed.

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { Box, LIGHT_CAMERA } from './box.mjs';
import { checklist } from './checks.mjs';
import { CHROMIUM, LIGHT, framesGrow, join, launch, openPage, soundGrows, until } from './page.mjs';

const SERVER = '10.77.0.2';
const CLIENT = '10.77.0.9';
const PREFIX_LEN = 24;
/** The built-in defaults. */
const HTTP_PORT = 8172;
const MEDIA_PORT = 10000;

const [binary] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/lan.mjs BINARY');

const server = `parlor-server-${process.pid}`;
const client = `parlor-client-${process.pid}`;
const ip = (words) => execFileSync('ip', words.split(' '), { stdio: ['ignore', 'pipe', 'pipe'] });

/** Whether namespaces can be had here; if not, why. */
function hindrance() {
  if (process.getuid?.() !== 0) return 'it needs root';
  try {
    ip('-V');
  } catch {
    return 'ip(8) is not here';
  }
  try {
    ip(`netns add ${server}`);
  } catch (error) {
    return `no network namespace to be had: ${String(error.stderr).trim()}`;
  }
  return null;
}

/** A network that stands: Chromium gives up what it loads when an address comes or a cable. */
async function cable() {
  ip(`netns add ${client}`);
  ip(`-n ${server} link add eth0 type veth peer name eth0 netns ${client}`);
  for (const [namespace, address] of [[server, SERVER], [client, CLIENT]]) {
    ip(`-n ${namespace} link set lo up`);
    ip(`-n ${namespace} link set eth0 addrgenmode none`); // IPv6's own address would come a second later
    ip(`-n ${namespace} address add ${address}/${PREFIX_LEN} dev eth0`);
    ip(`-n ${namespace} link set eth0 up`);
  }
  for (const namespace of [server, client]) {
    await until('the cable is in', () => ip(`-n ${namespace} link show eth0`).toString(), (shown) => shown.includes('state UP'));
  }
}

/** Whatever is still there; the interfaces go with their namespaces. */
function removeNamespaces() {
  for (const namespace of [server, client]) {
    try {
      ip(`netns delete ${namespace}`);
    } catch {
      // It was never made, or is gone already.
    }
  }
}

/** Chromium alone is in the client's namespace: playwright speaks to it by a pipe. */
function wrapper() {
  const folder = mkdtempSync(path.join(tmpdir(), 'parlor-lan-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'chromium-in-namespace');
  writeFileSync(file, `#!/bin/sh\nexec ip netns exec ${client} ${CHROMIUM} "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}

/** The box's end of the path that media takes, for each of a page's two connections. */
function mediaPaths(page) {
  return page.evaluate(async () => {
    const paths = {};
    for (const direction of ['up', 'down']) {
      const stats = await window.parlor[direction].getStats();
      const transport = [...stats.values()].find(({ type }) => type === 'transport');
      const pair = stats.get(transport?.selectedCandidatePairId);
      const { address, port, protocol, candidateType } = stats.get(pair?.remoteCandidateId) ?? {};
      paths[direction] = { address, port, protocol, candidateType };
    }
    return paths;
  });
}

/** Both ways end at the address that parlor found out, and were announced: not learned from a packet. */
async function pathIsAnnounced(page) {
  const paths = await mediaPaths(page);
  const expected = JSON.stringify({ address: SERVER, port: MEDIA_PORT, protocol: 'udp', candidateType: 'host' });
  for (const [direction, seen] of Object.entries(paths)) {
    if (JSON.stringify(seen) !== expected) throw new Error(`${direction} goes to ${JSON.stringify(seen)}, not to ${expected}`);
  }
  return `${SERVER}:${MEDIA_PORT}`;
}

async function inRoom(browser, check) {
  /** @type {string[]} */
  const faults = [];
  /** @type {Record<string, import('playwright-core').Page>} */
  const people = {};
  const url = `https://${SERVER}:${HTTP_PORT}/`;
  await check(`two pages from ${CLIENT} join at ${url}`, async () => {
    for (const name of ['Ana', 'Ben']) {
      people[name] = await openPage(browser, url, faults);
      await join(people[name], name);
    }
  });
  for (const [name, page] of Object.entries(people)) {
    await check(`${name} decodes growing frames of the other and the camera`, () => framesGrow(page, 2));
    await check(`${name} hears the others`, () => soundGrows(page));
    await check(`${name}'s media goes to the address from netlink`, () => pathIsAnnounced(page));
  }
  await check('no errors in any page', () => {
    if (faults.length > 0) throw new Error([...new Set(faults)].join('; '));
  });
}

async function main() {
  const { check, finish } = checklist({ server: SERVER, client: CLIENT });
  const box = new Box(binary, ['ip', 'netns', 'exec', server]);
  let browser;
  try {
    await cable();
    const started = await check('parlor finds its address by itself', async () => {
      await box.startWithDefaults(LIGHT_CAMERA);
      const expected = `${SERVER}:${HTTP_PORT}`;
      if (box.opened[0] !== expected) throw new Error(`it says to open ${box.opened[0]}, not ${expected}`);
    });
    if (started) {
      browser = await launch({ ...LIGHT, executablePath: wrapper() });
      await inRoom(browser, check);
    }
  } finally {
    await browser?.close();
    await check('parlor ends well', () => box.remove());
  }
  finish();
}

// However it ends, and before anything else is done about it.
process.on('exit', removeNamespaces);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
const why = hindrance();
if (why === null) await main();
else console.log(`skipped: lan.mjs: ${why}`);
