// Networks that change in a call. Ben watches the box's camera and Ana from a network namespace with two
// ways to a router, and the box has two addresses behind that:
//
//   12   his way breaks off, and he has the other one: the browser says `online`
//   12s  his way leads nowhere from now on though its address stays, and he has the other one: nobody says anything
//   11   the box loses the address that his media goes by, and keeps the one that his page was opened by
//
// usage: node tests/browser/roam.mjs BINARY
// Needs root, ip(8) and iptables(8); without them it prints its name as skipped. Prints one line a check
// and a JSON summary with how long pictures stood still; exit 1 if any check failed.

import { execFileSync } from 'node:child_process';

import { Box, LIGHT_CAMERA } from './box.mjs';
import { checklist } from './checks.mjs';
import { cable, chromiumIn, ip, makeNamespaces } from './namespaces.mjs';
import { LIGHT, framesGrow, join, launch, openPage, until } from './page.mjs';

/** The one that the page is opened by, and the one that is announced first. */
const PAGE = '10.80.9.3';
const MEDIA = '10.80.9.2';
const ROUTER = '10.80.9.1';
const WAYS = { one: '10.80.1', two: '10.80.2' };
const ANA = '10.80.3';
const HTTP_PORT = 8172;

/** Until pictures go on, on a machine that has nothing else to do; a busy one has three times as long. */
const BACK_MS = { 12: 2_000, '12s': 6_000, 11: 3_000 };
const SLACK = 3;
const SETTLE_MS = 12_000;

const [binary] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/roam.mjs BINARY');

const { summary, check, finish } = checklist({ stoodStillMs: {} });
const run = (namespace, words) => execFileSync('ip', ['netns', 'exec', namespace, ...words.split(' ')], { stdio: ['ignore', 'ignore', 'pipe'] });
const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function network({ server, router, ana, ben }) {
  await cable([{ namespace: server, device: 'eth0', address: MEDIA }, { namespace: router, device: 'box', address: ROUTER }]);
  await cable([{ namespace: ana, device: 'eth0', address: `${ANA}.9` }, { namespace: router, device: 'ana', address: `${ANA}.1` }]);
  for (const [name, net] of Object.entries(WAYS)) {
    await cable([{ namespace: ben, device: name, address: `${net}.9` }, { namespace: router, device: name, address: `${net}.1` }]);
  }
  run(server, 'sysctl -qw net.ipv4.conf.all.promote_secondaries=1');
  ip(`-n ${server} address add ${PAGE}/24 dev eth0`);
  ip(`-n ${server} route add default via ${ROUTER}`);
  ip(`-n ${ana} route add default via ${ANA}.1`);
  run(router, 'sysctl -qw net.ipv4.ip_forward=1');
  // Where answers come back by another way than the question went, nobody is to mind.
  for (const name of Object.keys(WAYS)) run(router, `sysctl -qw net.ipv4.conf.${name}.rp_filter=0`);
}

/** In the page: when each member's picture had a frame. */
function followAll() {
  for (const tile of document.querySelectorAll('parlor-tile:not(.own)')) {
    const times = [];
    window.frameTimes = { ...window.frameTimes, [tile.getAttribute('aria-label')]: times };
    const video = tile.querySelector('video');
    const each = (now) => {
      times.push(now);
      video.requestVideoFrameCallback(each);
    };
    video.requestVideoFrameCallback(each);
  }
}

/** The longest that each picture has stood still since then, the time to the next frame included. */
const stoodStill = (page, since) => page.evaluate((from) => Object.fromEntries(Object.entries(window.frameTimes).map(([name, times]) => {
  const all = [from, ...times.filter((at) => at >= from), performance.now()];
  return [name, Math.round(Math.max(...all.slice(1).map((at, index) => at - all[index])))];
})), since);

/** Something happens to the network: how long pictures stand still by that. */
async function situation(name, what, pages, change) {
  const limit = SLACK * BACK_MS[name];
  await check(`${name}: ${what}: pictures go on within ${limit} ms`, async () => {
    const since = await Promise.all(pages.map((page) => page.evaluate(() => performance.now())));
    change();
    await wait(SETTLE_MS);
    const [ben, ana] = await Promise.all(pages.map((page, index) => stoodStill(page, since[index])));
    summary.stoodStillMs[name] = { Ben: ben, Ana: { Ben: ana.Ben } };
    const longest = Math.max(...Object.values(ben), ana.Ben);
    if (longest > limit) throw new Error(JSON.stringify(summary.stoodStillMs[name]));
    return summary.stoodStillMs[name];
  });
  await check(`${name}: and everybody's grow`, () => Promise.all(pages.map((page) => framesGrow(page, 2))));
}

async function main(namespaces) {
  const { server, router, ana, ben } = namespaces;
  const box = new Box(binary, ['ip', 'netns', 'exec', server]);
  const browsers = [];
  /** @type {string[]} */
  const faults = [];
  try {
    await network(namespaces);
    ip(`-n ${ben} route add default via ${WAYS.one}.1`);
    const pages = {};
    const there = await check('two people join over a router', async () => {
      await box.startWithDefaults(LIGHT_CAMERA);
      for (const [name, namespace] of [['Ben', ben], ['Ana', ana]]) {
        const browser = await launch({ ...LIGHT, executablePath: chromiumIn(namespace) });
        browsers.push(browser);
        pages[name] = await openPage(browser, `https://${PAGE}:${HTTP_PORT}/`, faults);
        await join(pages[name], name);
      }
      for (const page of Object.values(pages)) {
        await framesGrow(page, 2);
        await page.evaluate(followAll);
      }
    });
    if (!there) return;
    const both = [pages.Ben, pages.Ana];
    await situation('12', 'his way breaks off', both, () => {
      ip(`-n ${ben} route replace default via ${WAYS.two}.1`);
      ip(`-n ${ben} address flush dev one`);
    });
    await situation('12s', 'his way leads nowhere, and its address stays', both, () => {
      ip(`-n ${ben} address add ${WAYS.one}.9/24 dev one`);
      run(router, 'iptables -A FORWARD -i two -j DROP');
      run(router, 'iptables -A FORWARD -o two -j DROP');
      ip(`-n ${ben} route replace default via ${WAYS.one}.1`);
    });
    await situation('11', 'the box loses an address', both, () => ip(`-n ${server} address delete ${MEDIA}/24 dev eth0`));
    await until('the link is open', () => pages.Ben.evaluate(() => window.parlor.state.link), (link) => link === 'open');
  } finally {
    for (const browser of browsers) await browser.close();
    await check('parlor ends well', () => box.remove());
  }
  finish();
}

const made = makeNamespaces(['server', 'router', 'ana', 'ben']);
if ('why' in made) console.log(`skipped: roam.mjs: ${made.why}`);
else await main(made.namespaces);
