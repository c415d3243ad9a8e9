// A parlor of a scene's own: free ports, an empty data folder, a test picture with sound as camera.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { PATIENCE } from './patience.mjs';

const READY_MS = 30_000 * PATIENCE;
/** One that has not ended by then is killed; the contract's 5 s are the scenes' to check. */
const END_MS = 15_000 * PATIENCE;

const CAMERA = `
[[camera]]
id = "demo"
source = "test"
audio = "test"
`;
/** Keys that make the camera cheap: for scenes that are about something else. */
export const LIGHT_CAMERA = 'size = "320x240"\nfps = 10\n';

/** Whether nobody has this TCP and this UDP port at this moment. @param {number} port */
async function isFree(port) {
  const tcp = createServer();
  const udp = createSocket('udp4');
  try {
    const listening = [once(tcp, 'listening'), once(udp, 'listening')];
    tcp.listen(port);
    udp.bind(port);
    await Promise.all(listening);
    return true;
  } catch {
    return false;
  } finally {
    tcp.close();
    udp.close();
  }
}

let nGiven = 0;
/**
 * The first of so many ports in a row that nobody has, each given out once. They lie below the range
 * that the system gives to clients (`ip_local_port_range`, from 32768): a browser has hundreds of
 * sockets, and none takes a port before the box does, nor while it is being started again.
 */
export async function freePorts(nPorts = 1) {
  for (;;) {
    const first = 20_000 + (process.pid + nGiven) % 10_000;
    nGiven += nPorts;
    let next = first;
    while (next < first + nPorts && await isFree(next)) next += 1;
    if (next === first + nPorts) return first;
  }
}

/** Resolves with the exit code, or the signal's name. */
export const ended = (child) => new Promise((resolve) => {
  child.once('error', (error) => resolve(error.message));
  child.once('exit', (code, signal) => resolve(code ?? signal));
});

/** What a parlor is started with, so that it can be started again as the same one. */
export class Box {
  #binary;
  /** Words before the binary, such as `ip netns exec NAME`. @type {string[]} */
  #prefix;
  #folder = '';
  /** @type {import('node:child_process').ChildProcess | null} */
  #child = null;
  /** @type {Promise<number | string>} */
  #ended = Promise.resolve(0);
  /** Addresses of the `open https://...` lines, as they came. @type {string[]} */
  opened = [];
  /** Whether two people talk directly: what most scenes look at is how the box forwards. @type {'auto' | 'never' | 'only'} */
  direct = 'never';
  /** Of its first worker, on loopback. */
  mediaPort = 0;
  /** What the `set-up code: ...` line said. */
  setUpCode = '';

  /** @param {string} binary @param {string[]} [prefix] */
  constructor(binary, prefix = []) {
    this.#binary = binary;
    this.#prefix = prefix;
    // Nothing is left where a scene is broken off.
    process.on('exit', () => {
      this.#child?.kill('SIGKILL');
      if (this.#folder) rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  /** Starts with this configuration. Resolves when it is ready. @param {string} configuration */
  async startWith(configuration) {
    this.#folder = await mkdtemp(path.join(tmpdir(), 'parlor-browser-'));
    await writeFile(path.join(this.#folder, 'parlor.toml'), configuration);
    await this.start();
  }

  /** Starts with nothing configured but the camera, which may have more keys. */
  async startWithDefaults(camera = '') {
    await this.startWith(`${CAMERA}${camera}`);
  }

  /**
   * Starts on free ports of loopback; a null camera is none. `media` are more keys of that section.
   * Resolves with its URL when it is ready. With `relays` so many of its ports are for relays, and TURN
   * is served on one more.
   */
  async startOnLoopback(camera = '', media = '', nPorts = 1, relays = 0) {
    const first = await freePorts(nPorts + relays);
    this.mediaPort = first;
    const host = `127.0.0.1:${await freePorts()}`;
    const turn = relays === 0 ? 'listen = []' : `listen = "127.0.0.1:${await freePorts()}"\nrelay_ports = "${first + nPorts}-${first + nPorts + relays - 1}"`;
    const ports = `[access]\nloopback = "guest"\n[http]\nlisten = "${host}"\n[turn]\n${turn}\n[media]\nports = "${first}-${first + nPorts - 1}"\n${media}`;
    await this.startWith(camera === null ? `camera = []\n${ports}` : `${ports}${CAMERA}${camera}`);
    return `https://${host}/`;
  }

  /** Starts, or starts again with the same ports and data. Resolves when it has said where to open it. */
  async start() {
    const [command, ...words] = [
      ...this.#prefix, this.#binary, 'serve',
      '--config', path.join(this.#folder, 'parlor.toml'), '--data', path.join(this.#folder, 'data'),
      // The page as it lies in a folder, without building it in: for whoever works on it.
      ...(process.env.WEB_DIR ? ['--web-dir', process.env.WEB_DIR] : []),
    ];
    // What the developer's shell sets must not count, other than how much is logged.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PARLOR_') || name === 'PARLOR_LOG'));
    env.PARLOR_ROOMS_DIRECT = this.direct;
    const child = spawn(command, words, { stdio: ['ignore', 'inherit', 'pipe'], env });
    this.#child = child;
    this.#ended = ended(child);
    this.opened = [];
    const ready = new Promise((resolve) => {
      createInterface({ input: child.stderr }).on('line', (line) => {
        process.stderr.write(`${line}\n`);
        this.setUpCode = /\bset-up code: (\S+)/.exec(line)?.[1] ?? this.setUpCode;
        const found = /\bopen https:\/\/(\S+)/.exec(line);
        if (!found) return;
        this.opened.push(found[1]);
        resolve(true);
      });
    });
    const late = new Promise((resolve) => { setTimeout(resolve, READY_MS, false).unref(); });
    const code = this.#ended.then((how) => { throw new Error(`parlor ended at once with ${how}`); });
    code.catch(() => {}); // it ends some day
    if (!(await Promise.race([ready, late, code]))) throw new Error(`parlor was not ready after ${READY_MS / 1000} s`);
  }

  /** Where its keys, certificates and data lie. */
  get data() {
    return path.join(this.#folder, 'data');
  }

  /** Sends SIGTERM. Resolves with what it ended with, and how long that took. */
  async stop() {
    const started = performance.now();
    this.#child?.kill('SIGTERM');
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), END_MS);
    const code = await this.#ended;
    clearTimeout(timer);
    this.#child = null;
    return { code, ms: Math.round(performance.now() - started) };
  }

  /** Ends it as a power cut does. */
  async kill() {
    this.#child?.kill('SIGKILL');
    await this.#ended;
    this.#child = null;
  }

  /** Ends it if it runs, and removes the folder; an end other than a clean one is an error. */
  async remove() {
    const running = this.#child !== null;
    const { code } = await this.stop();
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
    if (running && code !== 0) throw new Error(`parlor ended with ${code}, not with 0`);
  }
}
