// Runs the browser scenes one after the other, each with a parlor of its own.
//
// usage: node tests/browser/run.mjs BINARY [--scene NAME] [--light] [options of room.mjs]
//   --scene   only this one of `scenes` below, some of which (`byName`) are not run otherwise
//   --light   fewer frames from the cameras of the room's scene, for a development build on a small machine
// Exit 0 if every check passed and each parlor ended on SIGTERM with exit code 0.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { Box, LIGHT_CAMERA, ended } from './box.mjs';

const [binary, ...options] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/run.mjs BINARY [--scene NAME] [options of room.mjs]');
const at = options.indexOf('--scene');
const only = at < 0 ? null : options.splice(at, 2)[1];

/** @type {import('node:child_process').ChildProcess | null} */
let running = null;
let brokenOff = false;
// A scene cleans up after itself: it is told, and waited for.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    brokenOff = true;
    running?.kill(signal);
  });
}

/** Whether the script ends well. */
async function script(name, ...words) {
  running = spawn(process.execPath, [fileURLToPath(new URL(name, import.meta.url)), ...words], { stdio: 'inherit' });
  const code = await ended(running);
  running = null;
  return code === 0;
}

/** A scene with a parlor of loopback: what it is started with, and words for the script. */
async function onLoopback(name, started, ...words) {
  const box = new Box(binary);
  try {
    return await script(name, await box.startOnLoopback(...started), ...words);
  } finally {
    await box.remove();
  }
}

// A development build, three browsers and their encoders fill a small machine: with fewer frames, what is
// seen late is late by the box's fault.
const light = options.includes('--light');
if (light) process.env.PARLOR_PATIENCE ??= '5';
const budget = options.includes('--budget') ? ['--budget', options[options.indexOf('--budget') + 1]] : [];
const scenes = {
  room: () => onLoopback('room.mjs', light ? [LIGHT_CAMERA] : [], ...options),
  layers: () => onLoopback('layers.mjs', [null], ...budget),
  codecs: () => onLoopback('codecs.mjs', [null]),
  workers: () => onLoopback('workers.mjs', [LIGHT_CAMERA, 'workers = 2\nviewers_per_worker = 1\n', 2]),
  direct: () => script('direct.mjs', binary, ...budget),
  firefox: () => onLoopback('firefox.mjs', [LIGHT_CAMERA]),
  looks: () => script('looks.mjs', binary),
  hands: () => onLoopback('hands.mjs', [LIGHT_CAMERA]),
  relay: () => onLoopback('relay.mjs', [LIGHT_CAMERA, '', 1, 60]),
  trouble: () => script('trouble.mjs', binary),
  lost: () => script('lost.mjs', binary),
  lan: () => script('lan.mjs', binary),
  tcp: () => script('tcp.mjs', binary),
  doctor: () => script('doctor.mjs', binary),
  accounts: () => script('accounts.mjs', binary),
  camera: () => script('camera.mjs', binary),
  chat: () => script('chat.mjs', binary),
  settings: () => script('settings.mjs', binary),
  trust: () => script('trust.mjs', binary),
  events: () => script('events.mjs', binary),
  moderation: () => script('moderation.mjs', binary),
  'firefox-lan': () => script('firefox-lan.mjs', binary),
  weak: () => script('weak.mjs', binary),
  roam: () => script('roam.mjs', binary),
  proxy: () => script('proxy.mjs', binary),
};
// What three browsers, Firefox's three layers, or seconds come to on a busy machine is the machine's affair.
const byName = ['firefox-lan', 'weak', 'roam', 'proxy'];
const wanted = Object.entries(scenes).filter(([name]) => (only === null ? !byName.includes(name) : name === only));
if (wanted.length === 0) throw new Error(`no scene is called ${only}; there are ${Object.keys(scenes).join(', ')}`);
for (const [name, run] of wanted) {
  if (brokenOff) break;
  console.log(`scene ${name}`);
  const good = await run().catch((error) => {
    console.error(error.message);
    return false;
  });
  if (!good) {
    console.log(`scene ${name} FAILED`);
    process.exitCode = 1;
  }
}
