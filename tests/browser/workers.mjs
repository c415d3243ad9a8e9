// A room on two media workers, one viewer each: whoever watches from the second sees, hears and comes
// late as at the first.
//
// usage: node tests/browser/workers.mjs URL      (a parlor with two workers and one viewer a worker)
// Prints one line a check and a JSON summary; exit 1 if any check failed.

import { checklist } from './checks.mjs';
import { LIGHT, framesGrow, join, launch, linesOf, noFaults, openPage, pictureGrows, received, soundGrows, until } from './page.mjs';

const [url] = process.argv.slice(2);
if (!URL.canParse(url)) throw new Error('usage: node tests/browser/workers.mjs URL');
const { check, finish } = checklist({ url });
/** @type {string[]} */
const faults = [];

/** The box's port that a page watches by: each worker has its own. */
const port = (page) => until('the path is chosen', () => page.evaluate(async () => {
  const stats = await window.parlor.down?.getStats();
  const transport = [...(stats?.values() ?? [])].find(({ type }) => type === 'transport');
  const pair = transport && stats.get(transport.selectedCandidatePairId);
  return pair ? stats.get(pair.remoteCandidateId).port : 0;
}), (number) => number > 0);

async function main() {
  const browser = await launch(LIGHT);
  try {
    const pages = {};
    for (const name of ['Ana', 'Ben']) pages[name] = await openPage(browser, url, faults);
    const { Ana: ana, Ben: ben } = pages;
    await check('two pages join', async () => {
      for (const [name, page] of Object.entries(pages)) await join(page, name);
    });
    for (const [name, page] of Object.entries(pages)) {
      await check(`${name} decodes growing frames of the two others`, () => framesGrow(page, 2));
      await check(`${name} hears the others`, () => soundGrows(page));
    }
    await check('they watch from two workers', async () => {
      const ports = [await port(ana), await port(ben)];
      if (ports[0] === ports[1]) throw new Error(`both by port ${ports[0]}`);
      return ports;
    });
    await check('the picture is as large as its tile at the second worker too', async () => {
      const large = await until('Ana is large', () => linesOf(ben, 'Ana'), (n) => n >= 300, 30_000);
      await ben.setViewportSize({ width: 660, height: 440 });
      const small = await until('Ana is small', () => linesOf(ben, 'Ana'), (n) => n > 0 && n <= large / 2);
      await ben.setViewportSize({ width: 1280, height: 800 });
      const again = await until('Ana is large again', () => linesOf(ben, 'Ana'), (n) => n >= 300);
      return { large, small, again };
    });
    await check('whoever comes late sees all', async () => {
      const page = await openPage(browser, url, faults);
      await join(page, 'Cleo');
      await pictureGrows(page, ['Ana', 'Ben', 'demo']);
      await page.context().close();
    });
    await check('the first viewer goes, and the second one\'s picture goes on', async () => {
      const before = await received(ben);
      await ana.getByRole('button', { name: 'Leave' }).click();
      return until('frames of the camera grow', () => received(ben), (seen) => seen.demo.frames >= before.demo.frames + 10)
        .then(({ demo }) => demo.frames - before.demo.frames);
    });
    await check('no errors in any page', () => noFaults(faults));
  } finally {
    await browser.close();
  }
}

await main();
finish();
