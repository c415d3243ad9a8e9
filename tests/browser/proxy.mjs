// The room through the reverse proxies whose configurations docs/proxy/ has, each as it is there but for
// the certificate: proxy and parlor in one network namespace, two browsers in another.
//
// usage: node tests/browser/proxy.mjs BINARY
// Needs root, ip(8), openssl, and nginx or caddy: what is missing is named as skipped. Prints one line a
// check and a JSON summary; exit 1 if any check failed.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { Box, LIGHT_CAMERA, ended } from './box.mjs';
import { checklist } from './checks.mjs';
import { cable, chromiumIn, makeNamespaces } from './namespaces.mjs';
import { LIGHT, WORDS, framesGrow, join, launch, openPage, until } from './page.mjs';

const SERVER = '10.77.0.2';
const CLIENT = '10.77.0.9';
const NAME = 'parlor.example';
const CONFIGURATION = `
[http]
hosts = ["${NAME}"]
trusted_proxies = ["127.0.0.1", "::1"]
[[camera]]
id = "demo"
source = "test"
${LIGHT_CAMERA}
`;

const [binary] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/proxy.mjs BINARY');
const folder = mkdtempSync(path.join(tmpdir(), 'parlor-proxy-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const written = (name) => readFileSync(new URL(`../../docs/proxy/${name}`, import.meta.url), 'utf8');

/** Replaces, and says so where there is nothing to replace. */
function put(text, from, to) {
  if (!text.includes(from)) throw new Error(`docs/proxy has no ${from}`);
  return text.replaceAll(from, to);
}

function certificate() {
  const [key, chain] = ['key.pem', 'chain.pem'].map((name) => path.join(folder, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${NAME}`, '-keyout', key, '-out', chain], { stdio: 'ignore' });
  return { key, chain };
}

const PROXIES = {
  nginx({ key, chain }) {
    const site = put(put(written('nginx.conf'), `/etc/letsencrypt/live/${NAME}/fullchain.pem`, chain), `/etc/letsencrypt/live/${NAME}/privkey.pem`, key);
    const file = path.join(folder, 'nginx.conf');
    writeFileSync(file, `daemon off; pid ${folder}/nginx.pid; user root; events {} http { access_log ${folder}/access.log; ${site} }`);
    return ['nginx', '-e', 'stderr', '-c', file];
  },
  caddy() {
    const file = path.join(folder, 'Caddyfile');
    // Its own authority instead of Let's Encrypt, which no test may ask.
    writeFileSync(file, `{\nadmin off\npersist_config off\nlog {\nlevel ERROR\n}\nskip_install_trust\nlocal_certs\n}\n${written('Caddyfile')}`);
    return ['caddy', 'run', '--adapter', 'caddyfile', '--config', file];
  },
};

function isHere(program) {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function through(name, browser, box, check) {
  /** @type {string[]} */
  const faults = [];
  const url = `https://${NAME}/`;
  const people = [];
  await check(`${name}: two people of the LAN join as guests`, async () => {
    for (const who of ['Ana', 'Ben']) {
      const page = await until('the proxy answers', () => openPage(browser, url, faults).catch(() => null), (page) => page !== null);
      people.push(page);
      await join(page, who);
    }
    faults.length = 0; // of the tries before the proxy answered
  });
  await check(`${name}: they see each other and the camera`, async () => {
    for (const page of people) await framesGrow(page, 2);
  });
  await check(`${name}: parlor knows where they come from`, async () => {
    const { from, who } = await people[0].evaluate(async () => (await fetch('/api/v1/session')).json());
    if (who !== 'guest' || from !== 'lan') throw new Error(`${who} from ${from}`);
  });
  await check(`${name}: what a visitor claims of its own address does not get through`, () => people[0].evaluate(async () => {
    const reply = await fetch('/api/v1/session', { headers: { 'X-Forwarded-For': '203.0.113.9' } });
    const { from } = await reply.json();
    if (from !== 'lan') throw new Error(from);
  }));
  await check(`${name}: the signaling is a WebSocket`, async () => {
    const sockets = await people[0].evaluate(() => window.sockets.filter((one) => one.readyState === 1).length);
    if (sockets !== 1) throw new Error(`${sockets} open sockets`);
  });
  await check(`${name}: http leads to https`, async () => {
    const page = await openPage(browser, `http://${NAME}/r/den`, faults);
    if (page.url() !== `https://${NAME}/r/den`) throw new Error(page.url());
    await page.getByRole('button', { name: WORDS.en.join, exact: true }).waitFor();
    await page.context().close();
  });
  await check(`${name}: no errors in any page`, () => {
    if (faults.length > 0) throw new Error(faults.join('; '));
  });
  for (const page of people) await page.context().close();
}

async function main({ server, client }) {
  const { check, finish } = checklist();
  const box = new Box(binary, ['ip', 'netns', 'exec', server]);
  let browser;
  let proxy;
  try {
    await cable([
      { namespace: server, device: 'eth0', address: SERVER },
      { namespace: client, device: 'eth0', address: CLIENT },
    ]);
    await box.startWith(CONFIGURATION);
    browser = await launch({ ...LIGHT, executablePath: chromiumIn(client, [`--host-resolver-rules='MAP ${NAME} ${SERVER}'`]) });
    const files = certificate();
    for (const [name, words] of Object.entries(PROXIES)) {
      if (!isHere(name)) {
        console.log(`skipped: proxy.mjs: ${name} is not here`);
        continue;
      }
      proxy = spawn('ip', ['netns', 'exec', server, 'env', `HOME=${folder}`, `XDG_DATA_HOME=${folder}`, ...words(files)], { stdio: ['ignore', 'ignore', 'inherit'] });
      const end = ended(proxy);
      await through(name, browser, box, check);
      proxy.kill();
      await end;
      proxy = null;
    }
  } finally {
    proxy?.kill();
    await browser?.close();
    await check('parlor ends well', () => box.remove());
  }
  finish();
}

const made = makeNamespaces(['server', 'client']);
if ('why' in made) console.log(`skipped: proxy.mjs: ${made.why}`);
else await main(made.namespaces);
