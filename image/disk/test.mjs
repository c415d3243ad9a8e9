// Boots the image in QEMU, in a network namespace, and comes to it from another, as people do: reads the
// set-up code off the console, sets the box up, joins, and looks at the camera's picture.
//
// usage: node image/disk/test.mjs IMAGE [--bundle GOOD.raucb] [--broken BAD.raucb] [--shots DIR]
//   --bundle  then updates A to B by it, and looks whether chat and settings are kept
//   --broken  then updates by this one, whose parlor does not start, and waits for the box to come back by itself
// Needs root, QEMU, OVMF, Chromium. Without KVM (ACCEL=kvm) a start takes minutes. The console's log is
// left in WORK (default: a temporary folder). Prints one line a check and a summary; exit 1 if any failed.

import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { checklist } from '../../tests/browser/checks.mjs';
import { cable, chromiumIn, makeNamespaces } from '../../tests/browser/namespaces.mjs';
import { LIGHT, framesGrow, join, launch, openPage, pictureGrows, until } from '../../tests/browser/page.mjs';
import { Machine } from './machine.mjs';

const BOX = '10.77.0.2';
const CLIENT = '10.77.0.9';
const PASSWORD = 'correct horse battery';
/** From power-on, on a machine that does nothing else, it is two minutes. */
const START_S = Number(process.env.START_S ?? 900);

const words = process.argv.slice(2);
/** @param {string} name */
function option(name) {
  const at = words.indexOf(name);
  return at < 0 ? '' : words.splice(at, 2)[1];
}
const [bundle, broken, shots] = ['--bundle', '--broken', '--shots'].map(option);
const [image] = words;
if (!image) throw new Error('usage: node image/disk/test.mjs IMAGE [--bundle GOOD] [--broken BAD] [--shots DIR]');

// The kernel's virtual camera, which stands for a real one from V4L2 on.
const VIVID = `[Unit]
DefaultDependencies=no
After=systemd-modules-load.service
Before=parlor.service
[Service]
Type=oneshot
ExecStart=/usr/sbin/modprobe vivid n_devs=1 node_types=0x1
`;
// What the box looks like from inside.
const LOOK = `[Unit]
After=parlor-commit.service multi-user.target
[Service]
Type=oneshot
StandardOutput=file:/dev/ttyS0
ExecStart=/bin/sh -c 'echo; echo LOOK root $$(findmnt -no OPTIONS /); echo LOOK etc $$(findmnt -no FSTYPE /etc); echo LOOK data $$(findmnt -bno SIZE /data); \\
  echo LOOK failed $$(systemctl list-units --failed --plain --no-legend); echo LOOK boot $$(systemd-analyze | head -1); \\
  echo LOOK exposure $$(systemd-analyze security --no-pager parlor | tail -1); echo LOOK slot $$(sed "s/.*rauc.slot=//;s/ .*//" /proc/cmdline) $$(grub-editenv /boot/efi/grub/grubenv list | tr "\\n" " "); \\
  echo LOOK cameras $$(ls /dev/video*); echo LOOK done'
`;
/** Fetches the bundle from where the forwarder's own machine serves it, installs it and starts anew. */
const update = (file) => `[Unit]
After=parlor-commit.service rauc.service
[Service]
Type=oneshot
StandardOutput=file:/dev/ttyS0
StandardError=file:/dev/ttyS0
ExecCondition=/bin/sh -c '! test -e /data/test-${file}'
ExecStart=/bin/sh -c 'echo; curl --silent --fail -o /data/update.raucb http://10.0.2.2:8000/${file} && rauc install /data/update.raucb; echo UPDATE ${file} rc=$$?; touch /data/test-${file}; rm -f /data/update.raucb; sync; systemctl reboot'
`;

const { check, finish } = checklist({ image: path.basename(image) });
const folder = process.env.WORK ?? mkdtempSync(path.join(tmpdir(), 'parlor-machine-'));
mkdirSync(folder, { recursive: true });
if (shots) mkdirSync(shots, { recursive: true });
/** @type {string[]} */
const faults = [];

/** Seconds since then, one decimal. */
const since = (then) => Math.round((performance.now() - then) / 100) / 10;

async function bootAndLook(machine, switchedOn) {
  await check('GRUB starts slot A', async () => {
    const [, slot] = await machine.says(/parlor: slot ([AB])/, START_S, true);
    if (slot !== 'A') throw new Error(`it started ${slot}`);
    return `${since(switchedOn)} s after power-on`;
  });
  let code = '';
  await check('the console shows READY and the set-up code', async () => {
    await machine.says(/READY/, START_S, true);
    [, code] = await machine.says(/set-up code: (\S+)/, 30, true);
    return `${since(switchedOn)} s after power-on`;
  });
  return code;
}

async function setUp(browser, code) {
  const page = await openPage(browser, `https://${BOX}:8172/settings`, faults);
  await check('the box is set up by the code of the console, and told the address that is forwarded to it', async () => {
    for (const [name, text] of [['Set-up code', code], ['Your name', 'Ada'], ['Password', PASSWORD], ['Password again', PASSWORD]]) {
      await page.getByRole('textbox', { name, exact: true }).fill(text);
    }
    await page.getByRole('button', { name: 'Set up', exact: true }).click();
    await until('it is done', async () => (await page.evaluate(async () => (await fetch('/api/v1/session')).json())).who, (who) => who === 'owner', 60_000);
    const answer = await page.evaluate(async (address) => {
      const reply = await fetch('/api/v1/settings', { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ 'network.announce': [address] }) });
      return `${reply.status} ${reply.ok ? '' : await reply.text()}`;
    }, BOX);
    if (!answer.startsWith('200')) throw new Error(answer);
  });
  await page.context().close();
}

async function inRoom(browser, switchedOn) {
  const page = await openPage(browser, `https://${BOX}/`, faults, { viewport: { width: 1000, height: 700 } });
  await check('port 443 has the page, and a guest joins', () => join(page, 'Ana'));
  await check("the virtual camera's picture comes, decoded, through the forwarded ports", async () => {
    await framesGrow(page, 1);
    return `${since(switchedOn)} s after power-on`;
  });
  await check('what is written is in the chat', async () => {
    await page.getByRole('button', { name: 'Chat', exact: true }).click();
    await page.getByRole('textbox', { name: 'Message' }).fill('kept over an update');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByRole('log').getByText('kept over an update').waitFor();
  });
  if (shots) await page.screenshot({ path: path.join(shots, 'image-room.png') });
  await page.context().close();
}

async function plainHttp(browser) {
  await check('port 80 leads to https', async () => {
    const page = await openPage(browser, `http://${BOX}/`, faults);
    const { protocol, port } = new URL(page.url());
    await page.context().close();
    if (protocol !== 'https:' || port !== '') throw new Error(`it led to ${protocol} ${port}`);
  });
}

async function inside(machine) {
  /** @type {Record<string, string>} */
  const seen = {};
  await check('from inside: the system is whole', async () => {
    await machine.says(/^LOOK done/, START_S, true);
    for (const line of machine.lines) {
      const [, key, text] = /^LOOK (\S+) ?(.*)/.exec(line) ?? [];
      if (key) seen[key] = text.trim();
    }
    return seen;
  });
  await check('the root is read-only, /etc an overlay', () => {
    if (!/^ro\b/.test(seen.root) || seen.etc !== 'overlay') throw new Error(`${seen.root}; ${seen.etc}`);
  });
  await check('the data partition has grown to the disk', () => {
    if (Number(seen.data) < 1.5e9) throw new Error(`${seen.data} bytes`);
    return `${Math.round(Number(seen.data) / 1e6)} MB`;
  });
  await check('no unit has failed', () => {
    if (seen.failed) throw new Error(seen.failed);
  });
  await check('the slot is marked good', () => {
    if (!/A_OK=1/.test(seen.slot) || !/A_TRY=0/.test(seen.slot)) throw new Error(seen.slot);
  });
}

/** Whoever joins now reads what was written before. */
async function kept(browser) {
  const page = await openPage(browser, `https://${BOX}/`, faults);
  await check('chat is kept, and the camera is seen', async () => {
    await join(page, 'Ben');
    await page.getByRole('button', { name: 'Chat', exact: true }).click();
    await page.getByRole('log').getByText('kept over an update').waitFor();
    const others = await page.evaluate(() => window.parlor.state.members.filter(({ id }) => id !== window.parlor.state.you).map(({ name }) => name));
    await pictureGrows(page, others);
  });
  await check('the owner is known, and the announced address', async () => {
    const answer = await page.evaluate(async (password) => {
      const json = { 'Content-Type': 'application/json' };
      const session = await fetch('/api/v1/session', { method: 'POST', headers: json, body: JSON.stringify({ name: 'Ada', password }) });
      const settings = await (await fetch('/api/v1/settings')).text();
      return { status: session.status, settings };
    }, PASSWORD);
    if (answer.status !== 201 || !answer.settings.includes(BOX)) throw new Error(JSON.stringify(answer).slice(0, 300));
  });
  await page.context().close();
}

async function updated(machine, browser, file, expected) {
  copyFileSync(file.path, path.join(folder, file.name));
  await machine.cut();
  const started = performance.now();
  machine.start({ 'parlor-vivid.service': VIVID, 'parlor-test-update.service': update(file.name) });
  await check(`the update ${file.name} is taken`, async () => {
    const [, rc] = await machine.says(new RegExp(`UPDATE ${file.name} rc=(\\d+)`), START_S);
    if (rc !== '0') throw new Error(`rauc ended with ${rc}: ${machine.lines.slice(-12).join(' | ')}`);
    return `${since(started)} s after power-on`;
  });
  const slots = [];
  await check(`then the box runs from slot ${expected.join(', then ')}`, async () => {
    for (const wanted of expected) {
      const [, slot] = await machine.says(/parlor: slot ([AB])/, START_S);
      slots.push(slot);
      if (slot !== wanted) throw new Error(slots.join(', '));
    }
    await machine.says(/READY/, START_S);
    return `READY ${since(started)} s after power-on`;
  });
  await kept(browser);
}

async function main({ box, client }) {
  await cable([
    { namespace: box, device: 'eth0', address: BOX },
    { namespace: client, device: 'eth0', address: CLIENT },
  ]);
  const machine = new Machine({ image, folder, address: BOX, prefix: ['ip', 'netns', 'exec', box] });
  // For updates: the machine's 10.0.2.2 is the namespace's loopback.
  const files = spawn('ip', ['netns', 'exec', box, 'python3', '-m', 'http.server', '--bind', '127.0.0.1', '--directory', folder, '8000'], { stdio: 'ignore' });
  process.on('exit', () => files.kill());
  let browser;
  try {
    const switchedOn = performance.now();
    machine.start({ 'parlor-vivid.service': VIVID, 'parlor-test-look.service': LOOK });
    const code = await bootAndLook(machine, switchedOn);
    browser = await launch({ ...LIGHT, executablePath: chromiumIn(client) });
    if (code) {
      await setUp(browser, code);
      await inRoom(browser, switchedOn);
      await plainHttp(browser);
      await inside(machine);
      if (bundle) await updated(machine, browser, { path: bundle, name: 'good.raucb' }, ['B']);
      if (broken) await updated(machine, browser, { path: broken, name: 'broken.raucb' }, ['A', 'B']);
    }
  } finally {
    await browser?.close();
    await machine.cut();
    files.kill();
  }
  console.log(`the console's log: ${path.join(folder, 'console.log')}`);
  finish();
}

const made = makeNamespaces(['box', 'client']);
if ('why' in made) console.log(`skipped: image/disk/test.mjs: ${made.why}`);
else await main(made.namespaces);
