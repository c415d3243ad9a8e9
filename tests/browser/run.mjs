// Starts a parlor of its own, on free ports and an empty data folder, and runs room.mjs against it.
//
// usage: node tests/browser/run.mjs BINARY [options of room.mjs]
// Exit 0 if every check passed and parlor then ended on SIGTERM with exit code 0.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const READY_MS = 30_000;
const EVERY_MS = 50;

const [binary, ...options] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/run.mjs BINARY [options of room.mjs]');

/** A TCP port that nobody has at this moment. */
function freeTcpPort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A UDP port that nobody has at this moment. */
function freeUdpPort() {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4').once('error', reject);
    socket.bind(0, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** The status of a GET, 0 if there was none. */
function status(url) {
  return new Promise((resolve) => {
    // The box's certificate is its own.
    const request = https.get(url, { rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', () => resolve(0));
  });
}

/** Resolves with the exit code, or the signal's name. */
const ended = (child) => new Promise((resolve) => {
  child.once('exit', (code, signal) => resolve(code ?? signal));
});

async function ready(url, child) {
  const deadline = Date.now() + READY_MS;
  while (child.exitCode === null && Date.now() < deadline) {
    if ((await status(`${url}readyz`)) === 200) return;
    await new Promise((resolve) => { setTimeout(resolve, EVERY_MS); });
  }
  throw new Error(child.exitCode === null
    ? `parlor was not ready after ${READY_MS / 1000} s`
    : `parlor ended at once with exit code ${child.exitCode}`);
}

const folder = await mkdtemp(path.join(tmpdir(), 'parlor-browser-'));
const media = await freeUdpPort();
const url = `https://127.0.0.1:${await freeTcpPort()}/`;
await writeFile(path.join(folder, 'parlor.toml'), `
[http]
listen = "${new URL(url).host}"
[media]
ports = "${media}-${media}"
[[camera]]
id = "demo"
source = "test"
audio = "test"
`);
const parlor = spawn(
  binary,
  ['serve', '--config', path.join(folder, 'parlor.toml'), '--data', path.join(folder, 'data')],
  { stdio: ['ignore', 'inherit', 'inherit'] },
);
const parlorEnded = ended(parlor);
try {
  await ready(url, parlor);
  const script = fileURLToPath(new URL('room.mjs', import.meta.url));
  const test = spawn(process.execPath, [script, url, ...options], { stdio: 'inherit' });
  process.exitCode = (await ended(test)) === 0 ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  parlor.kill('SIGTERM');
  const code = await parlorEnded;
  if (code !== 0) {
    console.error(`parlor ended with ${code} on SIGTERM, not with 0`);
    process.exitCode = 1;
  }
  await rm(folder, { recursive: true, force: true });
}
