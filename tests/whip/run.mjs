// Clients that are none of ours, against a running parlor: GStreamer publishes H.264 and VP8 by WHIP,
// Chromium, GStreamer and (where there is one) aiortc watch by WHEP. ffmpeg's WHIP muxer publishes, by
// the program and by the library.
//
// usage: node tests/whip/run.mjs BINARY
// AIORTC=PYTHON names a Python that has aiortc, FFMPEG=PROGRAM an ffmpeg of version 8 or later (else the
// one in PATH), AV=PYTHON a Python that has PyAV 16 or later and numpy. What is not there is skipped by name.
// Exit 0 if every check passed.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../browser/box.mjs';
import { launch, openPage } from '../browser/page.mjs';
import { watch } from './watch.mjs';

/** The one that Debian's python3-gi is of. */
const PYTHON = '/usr/bin/python3';
const WITHIN_MS = 30_000;
const FRAMES = 45;
/** What GStreamer's player offers beside its codecs. */
const OFFERS = [[], ['--transport-cc'], ['--transport-cc', '--fec']];

const [binary] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/whip/run.mjs BINARY');
const script = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Starts a program; `line` resolves with its first line that matches. */
function start(program, args, env = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const ended = new Promise((resolve) => { child.once('exit', (code, signal) => resolve(code ?? signal)); });
  let heard = '';
  const waiting = [];
  const hear = (chunk) => {
    heard += chunk;
    waiting.forEach((look) => look());
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const line = (such) => new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${program}: no ${such}, ${why}:\n${heard}`));
    const timer = setTimeout(() => fail('in time'), WITHIN_MS);
    const look = () => {
      const found = heard.split('\n').find((text) => such.test(text));
      if (found !== undefined) {
        clearTimeout(timer);
        resolve(found);
      }
    };
    waiting.push(look);
    ended.then((code) => { look(); fail(`ended with ${code}`); });
    look();
  });
  return { child, ended, line, heard: () => heard };
}

async function stop({ child, ended }) {
  child.kill('SIGTERM');
  return ended;
}

/** GStreamer watches, with what it offers beside its codecs. */
async function play(the, codec, offered) {
  const player = start(PYTHON, [script('play.py'), `${the.url}/whep/studio`, the.ca, '--frames', String(FRAMES), ...offered]);
  // Without its header extension the feedback means nothing, and is not answered.
  const told = offered.includes('--transport-cc') ? 'True' : 'False';
  const saw = new RegExp(`^player: \\d+ frames of ${codec.toUpperCase()} \\[640, 360\\], transport-cc ${told}; \\d+ of sound$`);
  try {
    const line = await player.line(saw);
    if (await player.ended !== 0 || !player.heard().includes('player: DELETE 200')) throw new Error(player.heard());
    console.log(`ok: GStreamer's ${line} (${offered.join(' ') || 'nothing more offered'})`);
  } finally {
    await stop(player);
  }
}

/** The WHIP muxers that there are: H.264 High by the program, Main by the library. */
function muxers() {
  const ffmpeg = process.env.FFMPEG ?? 'ffmpeg';
  const listed = spawnSync(ffmpeg, ['-hide_banner', '-muxers'], { encoding: 'utf8' });
  const has = /^\s*E\s+whip\s/m.test(listed.stdout ?? '');
  const sources = ['testsrc2=size=640x360:rate=30', 'sine=frequency=440'].flatMap((source) => ['-f', 'lavfi', '-i', source]);
  const codecs = ['-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', 'high', '-bf', '0',
    '-g', '60', '-b:v', '1M', '-c:a', 'libopus', '-ar', '48000', '-ac', '2'];
  return [
    { name: 'ffmpeg', missing: has ? null : 'FFMPEG names no ffmpeg with a WHIP muxer', started: /^Output #0, whip/, program: ffmpeg, args: (url) => ['-hide_banner', '-re', ...sources, ...codecs, '-f', 'whip', url] },
    { name: 'libav', missing: process.env.AV ? null : 'AV names no Python with PyAV', started: /^muxer: publishing/, program: process.env.AV, args: (url) => [script('muxer.py'), url] },
  ];
}

/** A WHIP muxer publishes: it offers `a=setup:passive`, so that parlor has to begin the handshake. */
async function mux(the, { name, missing, started, program, args }, page) {
  if (missing) {
    console.log(`skipped: ${name} publishes (${missing})`);
    return;
  }
  const publisher = start(program, args(`${the.url}/whip/studio?name=${name}`));
  try {
    await publisher.line(started);
    const seen = await watch(page, '/whep/studio', { frames: FRAMES, withinMs: WITHIN_MS, codec: 'h264' });
    console.log(`ok: Chromium decodes H.264 of ${name}'s WHIP muxer: ${JSON.stringify(seen)}`);
  } catch (error) {
    error.message += `\n${publisher.heard()}`;
    throw error;
  } finally {
    await stop(publisher);
  }
  const isThere = async () => page.evaluate(async () => {
    const rooms = await (await fetch('/api/v1/rooms')).json();
    return rooms.some((room) => room.name === 'studio');
  });
  const deadline = Date.now() + WITHIN_MS;
  while (await isThere()) {
    if (Date.now() > deadline) throw new Error(`${name} has not left the room`);
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
  console.log(`ok: ${name}'s session has ended, and the room is empty`);
}

async function check(the, codec, page) {
  const publisher = start(PYTHON, [script('publish.py'), `${the.url}/whip/studio?name=${codec}`, the.ca, codec]);
  try {
    await publisher.line(/^publisher: connected/);
    const seen = await watch(page, '/whep/studio', { frames: FRAMES, withinMs: WITHIN_MS, codec });
    console.log(`ok: Chromium decodes ${codec} of GStreamer: ${JSON.stringify(seen)}`);
    for (const offered of OFFERS) await play(the, codec, offered);
    if (the.aiortc) {
      const viewer = start(the.aiortc, [script('watch.py'), `${the.url}/whep/studio`, the.ca, String(FRAMES)]);
      if (await viewer.ended !== 0) throw new Error(`aiortc: ${viewer.heard()}`);
      console.log(`ok: ${await viewer.line(/^aiortc: POST 201/)}`);
    } else {
      console.log('skipped: aiortc (AIORTC names no Python that has it)');
    }
  } catch (error) {
    error.message += `\n${publisher.heard()}`;
    throw error;
  } finally {
    await stop(publisher);
  }
  if (!publisher.heard().includes('DELETE 200')) throw new Error(publisher.heard());
  const rooms = await page.evaluate(async () => (await fetch('/api/v1/rooms')).json());
  if (rooms.some((room) => room.name === 'studio')) throw new Error(JSON.stringify(rooms));
  console.log(`ok: GStreamer's ${codec} session ended by DELETE, and the room is empty`);
}

const folder = await mkdtemp(path.join(tmpdir(), 'parlor-whip-'));
const [port, media] = [await freePorts(), await freePorts()];
const data = path.join(folder, 'data');
const parlor = start(binary, ['serve', '--data', data, '--listen', `127.0.0.1:${port}`], {
  PARLOR_MEDIA_PORTS: `${media}-${media}`,
  PARLOR_TURN_LISTEN: '127.0.0.1:0',
  PARLOR_ACCESS_LOOPBACK: 'guest',
});
const the = { url: `https://127.0.0.1:${port}`, ca: path.join(data, 'ca.crt'), aiortc: process.env.AIORTC };
const browser = await launch();
const faults = [];
try {
  await parlor.line(new RegExp(the.url));
  const page = await openPage(browser, `${the.url}/`, faults);
  await check(the, 'h264', page);
  await check(the, 'vp8', page);
  for (const muxer of muxers()) await mux(the, muxer, page);
  if (faults.length > 0) throw new Error(`faults of the page: ${faults.join('; ')}`);
} catch (error) {
  console.error(`FAILED: ${error.message}`);
  console.error(parlor.heard());
  process.exitCode = 1;
} finally {
  await browser.close();
  const code = await stop(parlor);
  if (code !== 0) {
    console.error(`parlor ended with ${code} on SIGTERM, not with 0`);
    process.exitCode = 1;
  }
  await rm(folder, { recursive: true, force: true });
}
