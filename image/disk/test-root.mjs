// The image's system without its kernel and GRUB: started by systemd-nspawn, read-only and with a volatile
// /var as in the image, in a network namespace, and met from another. Takes a minute where
// image/disk/test.mjs takes many.
//
// usage: node image/disk/test-root.mjs ROOT [SHOTS]     ROOT: the folder root in WORK of image/disk/build
// Needs root, systemd-nspawn, Chromium. Prints one line a check and a summary; exit 1 if any check failed.

import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { checklist } from '../../tests/browser/checks.mjs';
import { cable, chromiumIn, makeNamespaces } from '../../tests/browser/namespaces.mjs';
import { LIGHT, framesGrow, join, launch, openPage, until } from '../../tests/browser/page.mjs';

const BOX = '10.77.0.2';
const CLIENT = '10.77.0.9';
const [root, shots] = process.argv.slice(2);
const START_MS = 240_000;

/** Asks for parlor.local's IPv4 address by multicast DNS (RFC 6762), as a one-shot query; prints what came. */
function askOnce() {
  const question = Buffer.concat([
    Buffer.from([0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    Buffer.from('\x06parlor\x05local\x00'), Buffer.from([0, 1, 0, 1]),
  ]);
  const socket = createSocket('udp4');
  socket.on('message', (answer) => {
    // The answer's last four bytes are the address where one record of type A is all there is.
    if (answer.readUInt16BE(6) === 0) return;
    console.log([...answer.subarray(-4)].join('.'));
    process.exit(0);
  });
  socket.bind(0, CLIENT, () => {
    socket.setMulticastInterface(CLIENT);
    const ask = () => socket.send(question, 5353, '224.0.0.251');
    ask();
    setInterval(ask, 1000);
  });
  setTimeout(() => process.exit(1), 30_000);
}

async function main({ box, client }) {
  const { check, finish } = checklist({ root });
  const folder = mkdtempSync(path.join(tmpdir(), 'parlor-root-'));
  const data = path.join(folder, 'data');
  for (const name of ['var/parlor', 'var/systemd', 'var/journal', 'issue']) mkdirSync(path.join(data, name), { recursive: true });
  chmodSync(folder, 0o755);
  await cable([
    { namespace: box, device: 'eth0', address: BOX },
    { namespace: client, device: 'eth0', address: CLIENT },
  ]);
  // No DHCP server here.
  const network = path.join(data, 'etc/systemd/network');
  mkdirSync(network, { recursive: true });
  writeFileSync(path.join(network, '10-static.network'), `[Match]\nName=eth0\n[Network]\nAddress=${BOX}/24\nMulticastDNS=yes\n`);
  const unbounded = readFileSync('/proc/self/status', 'utf8').match(/^CapBnd:\t(.*)$/m)?.[1] ?? '0';
  const words = [
    '--quiet', '--register=no', '--keep-unit', '--boot', '--read-only', '--volatile=state', '--console=pipe', '-D', root,
    ...((BigInt(`0x${unbounded}`) >> 24n) & 1n ? [] : ['--drop-capability=CAP_SYS_RESOURCE']),
    '--capability=CAP_NET_ADMIN', `--network-namespace-path=/run/netns/${box}`,
    `--bind=${data}:/data`, `--bind=${path.join(data, 'issue')}:/run/issue.d`, `--overlay=${root}/etc:${data}/etc:/etc`,
    '-M', `parlor-root-${process.pid}`,
  ];
  const machine = spawn('systemd-nspawn', words, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' } });
  let console_ = '';
  machine.stdout.on('data', (text) => { console_ += text; });
  process.on('exit', () => {
    machine.kill('SIGKILL');
    writeFileSync(path.join(tmpdir(), 'parlor-root-console.log'), console_);
    rmSync(folder, { recursive: true, force: true });
  });
  const ended = new Promise((resolve) => { machine.once('exit', resolve); });
  const issue = () => {
    if (machine.exitCode !== null) throw new Error(`the system has ended: ${console_.slice(-500)}`);
    const file = path.join(data, 'issue', 'parlor.issue');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  /** @type {string[]} */
  const faults = [];
  let browser;
  try {
    const ready = await check('the banner says READY, the addresses and the set-up code', async () => {
      const shown = await until('READY', async () => issue(), (text) => /READY/.test(text) && /set-up code: \w{4}-\w{4}/.test(text), START_MS);
      for (const wanted of ['https://parlor.local', `https://${BOX}`, `Open https://${BOX}/settings`, '█']) {
        if (!shown.includes(wanted)) throw new Error(`no ${wanted} in ${shown}`);
      }
      if (shots) writeFileSync(path.join(shots, 'banner.txt'), shown);
    });
    if (ready) {
      await check('parlor.local is answered by multicast DNS', () => {
        const answer = execFileSync('ip', ['netns', 'exec', client, process.execPath, fileURLToPath(import.meta.url), '--ask'], { encoding: 'utf8' }).trim();
        if (answer !== BOX) throw new Error(answer);
      });
      browser = await launch({ ...LIGHT, executablePath: chromiumIn(client) });
      const people = [];
      await check('port 80 leads to https on 443, where two people join', async () => {
        for (const name of ['Ana', 'Ben']) {
          // What Chromium notes of the plain answer, which it does not trust, is not looked at.
          const page = await openPage(browser, `http://${BOX}/`, []);
          people.push(page);
          if (page.url() !== `https://${BOX}/`) throw new Error(page.url());
          await join(page, name);
        }
      });
      await check('they see each other', async () => {
        for (const page of people) await framesGrow(page, 1);
      });
      await check('port 8172 has the page too', async () => {
        const page = await openPage(browser, `https://${BOX}:8172/`, faults);
        await page.getByRole('button', { name: 'Join', exact: true }).waitFor();
      });
      await check('what is kept lies on the data partition', () => {
        for (const name of ['var/parlor/parlor.db', 'var/parlor/authority.pem']) {
          if (!existsSync(path.join(data, name))) throw new Error(name);
        }
      });
      await check('once there is an owner the code is gone from the banner', async () => {
        const page = await openPage(browser, `https://${BOX}/settings`, faults);
        const [, code] = /set-up code: (\S+)/.exec(issue()) ?? [];
        for (const [name, text] of [['Set-up code', code], ['Your name', 'Ada'], ['Password', 'correct horse battery'], ['Password again', 'correct horse battery']]) {
          await page.getByRole('textbox', { name, exact: true }).fill(text);
        }
        await page.getByRole('button', { name: 'Set up', exact: true }).click();
        await until('a banner without code', async () => issue(), (text) => /READY/.test(text) && !/set-up code/.test(text), 60_000);
      });
      await check('no errors in any page', () => {
        if (faults.length > 0) throw new Error(faults.join('; '));
      });
    }
  } finally {
    await browser?.close();
    machine.kill('SIGTERM');
    await ended;
  }
  finish();
  process.exit();
}

if (root === '--ask') {
  askOnce();
} else if (!root) {
  throw new Error('usage: node image/disk/test-root.mjs ROOT [SHOTS]');
} else {
  const made = makeNamespaces(['box', 'client']);
  if ('why' in made) console.log(`skipped: image/disk/test-root.mjs: ${made.why}`);
  else await main(made.namespaces);
}
