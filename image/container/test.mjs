// The container as compose.yaml runs it, by podman: with the host's network and behind a port map, each
// in a network namespace of its own, two browsers in another.
//
// usage: node image/container/test.mjs IMAGE [SHOTS]      (podman build -t parlor . makes IMAGE parlor)
// Needs root, podman, netavark, Chromium. Prints one line a check and a summary; exit 1 if any failed.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { checklist } from '../../tests/browser/checks.mjs';
import { cable, chromiumIn, ip, makeNamespaces } from '../../tests/browser/namespaces.mjs';
import { LIGHT, WORDS, framesGrow, join, launch, openPage, until } from '../../tests/browser/page.mjs';

const BOX = '10.77.0.2';
const CLIENT = '10.77.0.9';
const PASSWORD = 'correct horse battery';
const [image, shots] = process.argv.slice(2);
if (!image) throw new Error('usage: node image/container/test.mjs IMAGE [SHOTS]');
const { check, finish } = checklist({ image });
const volume = `parlor-test-${process.pid}`;
const nameOf = (what) => `${volume}-${what}`;
/** @type {string[]} */
const faults = [];

/** Runs podman with that network namespace as its host's; both of its outputs. */
function podman(namespace, words) {
  const [command, ...rest] = namespace === '' ? ['podman', ...words] : ['nsenter', `--net=/run/netns/${namespace}`, 'podman', ...words];
  return execFileSync('sh', ['-c', 'exec "$@" 2>&1', 'sh', command, ...rest], { encoding: 'utf8', maxBuffer: 1e8 });
}

/** A service of compose.yaml as words for podman; what this reads is what people are given. */
function service(name) {
  const text = readFileSync(new URL('../../compose.yaml', import.meta.url), 'utf8');
  const from = text.indexOf(`\n  ${name}:\n`);
  if (from < 0) throw new Error(`compose.yaml has no ${name}`);
  const body = text.slice(from + 1).split(/\n(?= {0,2}[a-z])/)[0].split('\n').filter((line) => !/^\s*#/.test(line)).join('\n');
  const list = (key) => new RegExp(`^    ${key}: *\\[(.*)\\]`, 'm').exec(body)?.[1].split(',').map((one) => one.trim().replaceAll('"', '')) ?? [];
  const words = [];
  if (/read_only: true/.test(body)) words.push('--read-only', '--read-only-tmpfs=false');
  for (const one of list('tmpfs')) words.push('--tmpfs', one);
  for (const one of list('cap_drop')) words.push(`--cap-drop=${one}`);
  for (const one of list('security_opt')) words.push(`--security-opt=${one.replace(/^no-new-privileges:true$/, 'no-new-privileges')}`);
  for (const [, port] of body.matchAll(/^      - "(\d+:\d+\/\w+)"/gm)) words.push('-p', port);
  words.push(`--network=${/network_mode: host/.test(body) ? 'host' : 'bridge'}`);
  if (/PARLOR_NETWORK_ANNOUNCE/.test(body)) words.push('-e', `PARLOR_NETWORK_ANNOUNCE=${BOX}`);
  return words;
}

const logs = (what) => podman('', ['logs', nameOf(what)]);

async function started(namespace, what, serviceName) {
  return check(`${what}: it starts, and its log has the set-up code`, async () => {
    podman(namespace, ['run', '--detach', '--pull=never', '--name', nameOf(what), '-v', `${volume}-${what}:/data`, ...service(serviceName), image]);
    await until('the set-up code', async () => logs(what), (text) => /set-up code: /.test(text), 60_000);
  });
}

async function confined(namespace, what) {
  await check(`${what}: it is not root, and cannot write its root file system`, () => {
    const uid = podman('', ['exec', nameOf(what), 'id', '-u']).trim();
    let written = true;
    try {
      podman('', ['exec', '--user', '0', nameOf(what), 'touch', '/usr/bin/x']);
    } catch {
      written = false;
    }
    const capabilities = podman('', ['exec', nameOf(what), 'sh', '-c', 'grep CapBnd /proc/1/status']).trim();
    if (uid !== '8172' || written || !/\b0{16}$/.test(capabilities)) throw new Error(`uid ${uid}, ${written ? 'written' : 'read-only'}, ${capabilities}`);
  });
  await check(`${what}: its health check is content`, async () => {
    // What --start-period is for.
    await until('healthy', async () => {
      try {
        return podman(namespace, ['healthcheck', 'run', nameOf(what)]);
      } catch {
        return null;
      }
    }, (answer) => answer !== null, 20_000);
  });
}

async function ends(namespace, what) {
  await check(`${what}: it ends by itself within 10 s when it is stopped`, () => {
    podman(namespace, ['stop', '--time', '10', nameOf(what)]);
    const code = podman('', ['inspect', '--format', '{{.State.ExitCode}}', nameOf(what)]).trim();
    if (code !== '0') throw new Error(`exit code ${code}`);
  });
}

async function onHostNetwork(namespace, browser) {
  const people = [];
  await check('host: its log names the LAN address to open', () => {
    if (!logs('host').includes(`open https://${BOX}:8172`)) throw new Error(logs('host'));
  });
  await check('host: two people of the LAN join as guests', async () => {
    for (const name of ['Ana', 'Ben']) {
      const page = await openPage(browser, `https://${BOX}:8172/`, faults);
      people.push(page);
      await join(page, name);
    }
  });
  await check('host: they see each other', async () => {
    for (const page of people) await framesGrow(page, 1);
  });
  if (shots) await people[0].screenshot({ path: path.join(shots, 'container-host.png') });
  for (const page of people) await page.context().close();
}

async function setUp(browser) {
  const page = await openPage(browser, `https://${BOX}:8172/settings`, faults);
  await check('bridged: the owner sets it up by the code of the log', async () => {
    const [, code] = /set-up code: (\S+)/.exec(logs('bridged')) ?? [];
    for (const [name, text] of [['Set-up code', code], ['Your name', 'Ada'], ['Password', PASSWORD], ['Password again', PASSWORD]]) {
      await page.getByRole('textbox', { name, exact: true }).fill(text);
    }
    await page.getByRole('button', { name: 'Set up', exact: true }).click();
    await until('it is done', async () => (await page.evaluate(async () => (await fetch('/api/v1/session')).json())).who, (who) => who === 'owner', 60_000);
  });
  return page;
}

async function behindAPortMap(namespace, browser) {
  await check('bridged: whoever speaks through the engine is told why they are no guest, and what helps', async () => {
    // From the machine itself the engine puts its gateway's address in place of the visitor's.
    const words = ['curl', '--silent', '--insecure', '--max-time', '20', 'https://127.0.0.1:8172/api/v1/session'];
    const { who, reason } = JSON.parse(execFileSync('ip', ['netns', 'exec', namespace, ...words], { encoding: 'utf8' }));
    if (who !== 'stranger' || !/port map/.test(reason)) throw new Error(`${who}: ${reason}`);
    return reason;
  });
  await check("bridged: somebody of the LAN, whose address the engine hands on, is a guest", async () => {
    const page = await openPage(browser, `https://${BOX}:8172/`, faults);
    const { who, from } = await page.evaluate(async () => (await fetch('/api/v1/session')).json());
    await page.context().close();
    if (who !== 'guest' || from !== 'lan') throw new Error(`${who} from ${from}`);
  });
  const owner = await setUp(browser);
  let link = '';
  await check('bridged: the owner makes an invite', async () => {
    link = await owner.evaluate(async () => {
      const reply = await fetch('/api/v1/invites', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ room: 'home', role: 'user', expires_in_s: 3600, uses: 1 }) });
      return new URL((await reply.json()).url, location.href).href;
    });
    if (!link.startsWith(`https://${BOX}:8172/r/home#invite=`)) throw new Error(link);
  });
  const guest = await openPage(browser, link, faults);
  await check('bridged: owner and invited join, and see each other', async () => {
    await guest.getByRole('button', { name: WORDS.en.join, exact: true }).waitFor();
    await join(guest, 'Ben');
    await owner.goto(`https://${BOX}:8172/r/home`);
    await join(owner, 'Ada');
    await framesGrow(guest, 1);
    await framesGrow(owner, 1);
  });
  if (shots) await owner.screenshot({ path: path.join(shots, 'container-bridged.png') });
  await check('bridged: media goes to the announced address', async () => {
    const addresses = await owner.evaluate(async () => {
      const stats = await window.parlor.down.getStats();
      const transport = [...stats.values()].find(({ type }) => type === 'transport');
      return stats.get(stats.get(transport?.selectedCandidatePairId)?.remoteCandidateId)?.address;
    });
    if (addresses !== BOX) throw new Error(String(addresses));
  });
  await owner.context().close();
  await guest.context().close();
}

async function keeps(namespace, browser) {
  await check('bridged: a new container with the same volume knows its owner', async () => {
    podman(namespace, ['rm', '--force', nameOf('bridged')]);
    podman(namespace, ['run', '--detach', '--pull=never', '--name', nameOf('bridged'), '-v', `${volume}-bridged:/data`, ...service('parlor-bridged'), image]);
    await until('it is ready', async () => logs('bridged'), (text) => /open https:/.test(text), 60_000);
    if (/set-up code/.test(logs('bridged'))) throw new Error('it asks to be set up again');
    const page = await openPage(browser, `https://${BOX}:8172/signin`, faults);
    const status = await page.evaluate(async (password) => (await fetch('/api/v1/session', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name: 'Ada', password }) })).status, PASSWORD);
    await page.context().close();
    if (status !== 201) throw new Error(`signing in: ${status}`);
  });
}

async function main({ host, bridged, client, guest }) {
  await cable([
    { namespace: bridged, device: 'eth0', address: BOX },
    { namespace: guest, device: 'eth0', address: CLIENT },
  ]);
  // A machine's own interface is no veth, which is what a container's is: the address is on another
  // one upon it.
  await cable([
    { namespace: host, device: 'cable', address: '10.76.0.2' },
    { namespace: client, device: 'eth0', address: CLIENT },
  ]);
  ip(`-n ${host} address flush dev cable`);
  ip(`-n ${host} link add link cable name eth0 type macvlan mode bridge`);
  ip(`-n ${host} address add ${BOX}/24 dev eth0`);
  ip(`-n ${host} link set eth0 up`);
  const browsers = [];
  try {
    if (await started(host, 'host', 'parlor')) {
      browsers.push(await launch({ ...LIGHT, executablePath: chromiumIn(client) }));
      await confined(host, 'host');
      await onHostNetwork(host, browsers.at(-1));
      await browsers.at(-1).close();
      await ends(host, 'host');
    }
    if (await started(bridged, 'bridged', 'parlor-bridged')) {
      browsers.push(await launch({ ...LIGHT, executablePath: chromiumIn(guest) }));
      await confined(bridged, 'bridged');
      await behindAPortMap(bridged, browsers.at(-1));
      await keeps(bridged, browsers.at(-1));
      await ends(bridged, 'bridged');
    }
    await check('no errors in any page', () => {
      if (faults.length > 0) throw new Error(faults.join('; '));
    });
  } finally {
    for (const browser of browsers) await browser.close();
    for (const [what, namespace] of [['host', host], ['bridged', bridged]]) {
      if (process.env.KEEP_LOGS) console.error(logs(what));
      podman(namespace, ['rm', '--force', '--ignore', nameOf(what)]);
      podman('', ['volume', 'rm', '--force', `${volume}-${what}`]);
    }
  }
  finish();
}

const made = makeNamespaces(['host', 'bridged', 'client', 'guest']);
if ('why' in made) console.log(`skipped: image/container/test.mjs: ${made.why}`);
else await main(made.namespaces);
