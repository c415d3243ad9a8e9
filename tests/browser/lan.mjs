// The room across a network: parlor in one network namespace, the browser in another, a cable between
// them. Nobody tells parlor an address: what it announces comes from netlink.
//
// usage: node tests/browser/lan.mjs BINARY
// Needs root and ip(8); without them it prints its name as skipped. Prints one line a check and a
// JSON summary; exit 1 if any check failed.

import { Box, LIGHT_CAMERA } from './box.mjs';
import { checklist } from './checks.mjs';
import { cable, chromiumIn, makeNamespaces } from './namespaces.mjs';
import { LIGHT, framesGrow, join, launch, noFaults, openPage, soundGrows } from './page.mjs';

const SERVER = '10.77.0.2';
const CLIENT = '10.77.0.9';
/** The built-in defaults. */
const HTTP_PORT = 8172;
const MEDIA_PORT = 10000;

const [binary] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/lan.mjs BINARY');

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
  await check('no errors in any page', () => noFaults(faults));
}

async function main({ server, client }) {
  const { check, finish } = checklist({ server: SERVER, client: CLIENT });
  const box = new Box(binary, ['ip', 'netns', 'exec', server]);
  let browser;
  try {
    await cable([
      { namespace: server, device: 'eth0', address: SERVER },
      { namespace: client, device: 'eth0', address: CLIENT },
    ]);
    const started = await check('parlor finds its address by itself', async () => {
      await box.startWithDefaults(LIGHT_CAMERA);
      const expected = `${SERVER}:${HTTP_PORT}`;
      if (box.opened[0] !== expected) throw new Error(`it says to open ${box.opened[0]}, not ${expected}`);
    });
    if (started) {
      browser = await launch({ ...LIGHT, executablePath: chromiumIn(client) });
      await inRoom(browser, check);
    }
  } finally {
    await browser?.close();
    await check('parlor ends well', () => box.remove());
  }
  finish();
}

const made = makeNamespaces(['server', 'client']);
if ('why' in made) console.log(`skipped: lan.mjs: ${made.why}`);
else await main(made.namespaces);
