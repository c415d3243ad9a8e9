// A proxy that refuses upgrades stands between the browsers and the box: the page signals by POST and
// server-sent events, finds that out by itself, and does all that it does by wss.
//
// usage: node tests/browser/events.mjs BINARY
// Starts a parlor, a proxy and a browser of its own. Prints one line a check and a JSON summary; exit 1 if
// any check failed.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { Box, freePorts } from './box.mjs';
import { checklist } from './checks.mjs';
import { LIGHT, chatArrives, framesGrow, join, launch, openPage, tilesOf, until } from './page.mjs';

const [binary] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/events.mjs BINARY');
const { check, finish } = checklist();
/** A refused upgrade is a fault to the browser. @type {string[]} */
const noted = [];

/** Passes on what is asked, and refuses every upgrade. @param {URL} box */
async function proxyOf(box) {
  const folder = await mkdtemp(path.join(tmpdir(), 'parlor-proxy-'));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(folder, name));
  await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', key, '-out', cert, '-subj', '/CN=proxy']);
  const seen = { upgrades: 0, posts: 0 };
  const server = https.createServer({ key: await readFile(key), cert: await readFile(cert) }, (request, answer) => {
    if (request.method === 'POST' && request.url === '/api/v1/signal') seen.posts += 1;
    const passed = https.request({ host: box.hostname, port: box.port, path: request.url, method: request.method, headers: request.headers, rejectUnauthorized: false }, (reply) => {
      answer.writeHead(reply.statusCode, reply.headers);
      reply.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    answer.on('close', () => passed.destroy());
    request.pipe(passed);
  });
  server.on('upgrade', (_, socket) => {
    seen.upgrades += 1;
    socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
  });
  await rm(folder, { recursive: true });
  server.listen(await freePorts(), '127.0.0.1');
  await once(server, 'listening');
  const close = () => { server.close(); server.closeAllConnections(); };
  return { url: `https://127.0.0.1:${server.address().port}/`, seen, close };
}

const box = new Box(binary);
const browser = await launch(LIGHT);
let proxy;
try {
  const url = await box.startOnLoopback(null);
  proxy = await proxyOf(new URL(url));
  const ana = await openPage(browser, `${proxy.url}r/home`, noted);
  const ben = await openPage(browser, `${url}r/home`, noted);
  await check('where an upgrade is refused the page joins by POST and events, by itself', async () => {
    await join(ana, 'Ana');
    await join(ben, 'Ben');
    if (proxy.seen.upgrades === 0 || proxy.seen.posts === 0) throw new Error(JSON.stringify(proxy.seen));
  });
  await check('pictures and sound go both ways', async () => {
    await framesGrow(ana, 1);
    await framesGrow(ben, 1);
  });
  await check('so does chat', async () => {
    await chatArrives(ana, ben, 'by post');
    await chatArrives(ben, ana, 'by wss');
  });
  await check('a box that is started again is found again, by the way that has worked', async () => {
    const { upgrades } = proxy.seen;
    await box.kill();
    await box.start();
    await until('Ana is back', () => tilesOf(ben), (tiles) => tiles.some(({ name, state }) => name === 'Ana' && state === 'live'), 30_000);
    await framesGrow(ana, 1);
    return { upgrades: proxy.seen.upgrades - upgrades };
  });
  await check('who closes the page is gone', async () => {
    await ana.close();
    await until('Ben is alone', () => tilesOf(ben), (tiles) => tiles.length === 1, 10_000);
  });
} finally {
  await browser.close();
  proxy?.close();
  await box.remove();
}
finish();
