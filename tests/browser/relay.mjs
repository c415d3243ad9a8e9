// Whoever gets through to the box's TURN server alone is in the room all the same: by UDP, TCP and TLS,
// each a page whose connections may use a relay and nothing else.
//
// usage: node tests/browser/relay.mjs URL      (a parlor with a camera and with TURN)
// Prints one line a check and a JSON summary; exit 1 if any check failed.

import { checklist } from './checks.mjs';
import { LIGHT, join, launch, noFaults, openPage, pictureGrows, soundGrows, until } from './page.mjs';

const [url] = process.argv.slice(2);
if (!URL.canParse(url)) throw new Error('usage: node tests/browser/relay.mjs URL');
const { check, finish } = checklist({ url });
/** @type {string[]} */
const faults = [];

/** How browsers call the way to their relay in statistics, by what is looked for. */
const WAYS = { Udo: 'udp', Tess: 'tcp', Tilda: 'tls' };

/** In the page: its connections know one way to the TURN server, and no other to the box. */
function relayOnly(way) {
  const wayOf = (url) => {
    if (url.startsWith('turns:')) return 'tls';
    return url.endsWith('?transport=tcp') ? 'tcp' : 'udp';
  };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(given = {}) {
      const servers = (given.iceServers ?? []).map((server) => ({ ...server, urls: [server.urls].flat().filter((one) => wayOf(one) === way) }));
      super({ ...given, iceServers: servers.filter(({ urls }) => urls.length > 0), iceTransportPolicy: 'relay' });
    }
  };
}

/** The ways of a page's two connections: `relay udp` and the like. */
const ways = (page) => until('both ways are chosen', () => page.evaluate(async () => {
  const { up, down } = window.parlor;
  return Promise.all([up, down].map(async (pc) => {
    const stats = await pc?.getStats();
    const transport = [...(stats?.values() ?? [])].find(({ type }) => type === 'transport');
    const pair = stats?.get(transport?.selectedCandidatePairId);
    const local = stats?.get(pair?.localCandidateId);
    return local ? `${local.candidateType} ${local.relayProtocol ?? ''}`.trim() : '';
  }));
}), (found) => found.every((way) => way !== ''));

async function main() {
  // The box's own certificate is not one of those that the system knows.
  const browser = await launch({ ...LIGHT, args: ['--ignore-certificate-errors'] });
  try {
    const watcher = await openPage(browser, url, faults);
    await check('somebody joins who gets through', () => join(watcher, 'Direct'));
    for (const [name, way] of Object.entries(WAYS)) {
      let page;
      const there = await check(`${name}, by TURN over ${way} alone, decodes the camera and the others`, async () => {
        page = await openPage(browser, url, faults, { before: `(${relayOnly})(${JSON.stringify(way)})` });
        const started = performance.now();
        await join(page, name);
        await pictureGrows(page, ['demo', 'Direct']);
        return { ms: Math.round(performance.now() - started) };
      });
      if (!there) continue;
      await check(`${name} hears them`, () => soundGrows(page));
      await check(`${name} is seen`, () => pictureGrows(watcher, [name]));
      await check(`${name} comes by a relay, both ways`, async () => {
        const found = await ways(page);
        if (found.some((one) => one !== `relay ${way}`)) throw new Error(found.join(', '));
        return found;
      });
      await page.context().close();
    }
    await check('who gets through needs no relay', async () => {
      const found = await ways(watcher);
      if (found.some((one) => one.startsWith('relay'))) throw new Error(found.join(', '));
      return found;
    });
    await check('no errors in any page', () => noFaults(faults));
  } finally {
    await browser.close();
  }
}

await main();
finish();
