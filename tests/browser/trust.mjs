// A browser that has the box's authority and nothing else: no flag passes over any warning. Chromium and
// Firefox with fresh profiles, before and after; and what the authority cannot vouch for.
//
// usage: node tests/browser/trust.mjs BINARY [SHOTS]
// Needs certutil (libnss3-tools) and openssl. Starts a parlor and browsers of its own. Prints one line a
// check and a JSON summary; exit 1 if any check failed.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { Box, freePorts } from './box.mjs';
import { checklist } from './checks.mjs';
import { launchFirefox } from './gecko.mjs';
import { LIGHT, join, launch, openPage, tilesOf, until } from './page.mjs';

const run = promisify(execFile);
const [binary, shots] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/trust.mjs BINARY [SHOTS]');
const { check, finish } = checklist();
/** @type {string[]} */
const noted = [];

const port = await freePorts();
const [impostorPort, media] = [await freePorts(), await freePorts()];
const name = `${hostname().split('.')[0].toLowerCase()}.local`;
const names = `MAP ${name} 127.0.0.1,MAP example.com 127.0.0.1`;
const box = new Box(binary);
const folder = await mkdtemp(path.join(tmpdir(), 'parlor-trust-'));
const strict = { ignoreHTTPSErrors: false };
const shot = (page, file, options = {}) => (shots ? page.screenshot({ path: path.join(shots, `${file}.png`), ...options }) : undefined);
const verdict = (page) => until('a verdict', () => page.evaluate(() => document.querySelector('.verdict')?.dataset.verdict ?? ''), (found) => found !== '' && found !== 'checking');

function same(what, seen, expected) {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(seen)}, not ${JSON.stringify(expected)}`);
}

/** A certificate database that trusts what the box hands out, as `/trust/ca.crt`, and nothing else. */
async function trusting(database) {
  await mkdir(database, { recursive: true });
  const authority = await fetch(`http://127.0.0.1:${port}/trust/ca.crt`);
  const file = path.join(folder, 'parlor-ca.crt');
  await writeFile(file, Buffer.from(await authority.arrayBuffer()));
  await run('certutil', ['-d', `sql:${database}`, '-N', '--empty-password']);
  await run('certutil', ['-d', `sql:${database}`, '-A', '-t', 'C,,', '-n', 'parlor', '-i', file]);
}

/** Serves under a certificate for example.com that the box's own key has signed, as a thief of it could. */
async function impostor() {
  const at = (file) => path.join(folder, file);
  await writeFile(at('leaf.cnf'), 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:example.com\n');
  const request = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('leaf.key'), '-out', at('leaf.csr'), '-subj', '/CN=example.com'];
  await run('openssl', ['req', ...request]);
  const authority = path.join(box.data, 'authority.pem');
  await run('openssl', ['x509', '-req', '-in', at('leaf.csr'), '-CA', authority, '-CAkey', authority, '-CAcreateserial', '-CAserial', at('serial'), '-days', '90', '-out', at('leaf.crt'), '-extfile', at('leaf.cnf')]);
  const server = createServer({ key: await readFile(at('leaf.key')), cert: await readFile(at('leaf.crt')) }, (_, answer) => answer.end('caught'));
  server.listen(impostorPort, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** What the browser says of an address: nothing, or the fault's name. */
async function fault(browser, address) {
  const page = await (await browser.newContext(strict)).newPage();
  const found = await page.goto(address).then(() => '', (error) => /ERR_\w+/.exec(error.message)?.[0] ?? error.message);
  await page.context().close();
  return found;
}

async function before() {
  const browser = await launch({ ...LIGHT, home: path.join(folder, 'nobody'), names });
  try {
    await check('before: the browser warns, and the page that comes by plain http says so and what to do', async () => {
      same('https', await fault(browser, `https://127.0.0.1:${port}/`), 'ERR_CERT_AUTHORITY_INVALID');
      const page = await openPage(browser, `http://127.0.0.1:${port}/trust`, noted, strict);
      same('verdict', await verdict(page), 'untrusted');
      await page.getByText('does not trust the box yet').waitFor();
      same('steps', await page.locator('details[open]').getAttribute('data-system'), 'linux');
      await page.getByRole('img', { name: /QR code of http:/ }).waitFor();
      await shot(page, 'trust-before', { fullPage: true });
      await page.getByRole('button', { name: '中文' }).click();
      await page.getByText('还不信任').waitFor();
      await page.setViewportSize({ width: 390, height: 844 });
      same('width', await page.evaluate(() => document.documentElement.scrollWidth <= 390), true);
      await shot(page, 'trust-zh', { fullPage: true });
      await page.context().close();
    });
    await check('a warning that was passed over is not trust', async () => {
      const page = await openPage(browser, `https://127.0.0.1:${port}/trust`, noted, { ignoreHTTPSErrors: true });
      same('verdict', await verdict(page), 'untrustedExcepted');
      await page.context().close();
    });
  } finally {
    await browser.close();
  }
}

async function chromium() {
  const home = path.join(folder, 'somebody');
  await trusting(path.join(home, '.pki', 'nssdb'));
  const browser = await launch({ ...LIGHT, home, names });
  try {
    for (const host of ['127.0.0.1', name]) {
      await check(`Chromium with the authority alone: https, wss, camera and microphone at ${host}`, async () => {
        const page = await openPage(browser, `http://${host}:${port}/trust`, noted, strict);
        same('verdict by http', await verdict(page), 'trusted');
        await page.getByRole('link', { name: 'Go on to the box' }).click();
        await page.getByRole('button', { name: 'Join', exact: true }).waitFor();
        same('secure', await page.evaluate(() => [location.origin, isSecureContext]), [`https://${host}:${port}`, true]);
        await join(page, 'Ana');
        await until('its own picture', () => tilesOf(page), (tiles) => tiles.some(({ own, state, mic }) => own && state === 'live' && mic === 'on'));
        await page.goto(`https://${host}:${port}/trust`);
        same('verdict by https', await verdict(page), 'trusted');
        await page.getByText('trusted.').waitFor();
        await shot(page, `trust-after-${host}`);
        await page.context().close();
      });
    }
    await check('a certificate for example.com that the same authority signed is refused', async () => {
      const server = await impostor();
      same('fault', await fault(browser, `https://example.com:${impostorPort}/`), 'ERR_CERT_INVALID');
      server.close();
      server.closeAllConnections();
    });
  } finally {
    await browser.close();
  }
}

async function firefox() {
  const profile = path.join(folder, 'firefox');
  await trusting(profile);
  const browser = await launchFirefox({}, { acceptInsecureCerts: false, userDataDir: profile });
  try {
    await check('Firefox with the authority alone: https, wss, camera and microphone', async () => {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${port}/trust`);
      same('verdict by http', await verdict(page), 'trusted');
      await page.goto(`https://127.0.0.1:${port}/trust`);
      same('verdict by https', await verdict(page), 'trusted');
      same('steps', await page.evaluate(() => document.querySelector('details[open]')?.dataset.system), 'firefox');
      const works = await page.evaluate(async () => {
        const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
        const socket = new WebSocket(`wss://${location.host}/api/v1/signal`);
        await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
        socket.close();
        return [isSecureContext, stream.getTracks().length];
      });
      same('works', works, [true, 2]);
    });
  } finally {
    await browser.close();
  }
}

try {
  await box.startWith(`camera = []\n[access]\nloopback = "guest"\n[http]\nlisten = "127.0.0.1:${port}"\n[media]\nports = "${media}-${media}"\n`);
  await before();
  await chromium();
  await firefox();
} finally {
  await box.remove();
  await rm(folder, { recursive: true, force: true });
}
finish();
