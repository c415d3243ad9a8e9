// A virtual machine with the image, under QEMU, in a network namespace: its console's lines, its ports
// forwarded to the namespace's address as a router does it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, createWriteStream } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { execFileSync } from 'node:child_process';

const OVMF = process.env.OVMF ?? '/usr/share/OVMF';
// One emulated processor without wide vectors: two wait for each other where the machine is busy, and AVX is slow to emulate.
/** What people are told to forward, and what a browser asks for by itself. */
const FORWARDED = [['tcp', 8172], ['tcp', 443], ['tcp', 80], ['udp', 10000], ['tcp', 10000]];

/** Terminal's colours and cursor, which the console is full of. */
// eslint-disable-next-line no-control-regex
const plain = (line) => line.replace(/\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|[\r\x07]/g, '');

export class Machine {
  #image;
  #folder;
  #prefix;
  #address;
  /** @type {import('node:child_process').ChildProcess | null} */
  #child = null;
  #ended = Promise.resolve();
  /** @type {((line: string) => void)[]} */
  #listeners = [];
  /** All lines of the console since the last start. @type {string[]} */
  lines = [];

  /**
   * @param {{ image: string, folder: string, address: string, prefix?: string[], size?: string }} given
   *   the image, which is not written; where its changes and the console's log go; the address its ports are forwarded from
   */
  constructor({ image, folder, address, prefix = [], size = '6G' }) {
    this.#image = path.join(folder, 'disk.qcow2');
    this.#folder = folder;
    this.#address = address;
    this.#prefix = prefix;
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', path.resolve(image), '-F', 'raw', this.#image, size]);
    copyFileSync(path.join(OVMF, 'OVMF_VARS_4M.fd'), path.join(folder, 'vars.fd'));
    process.on('exit', () => this.#child?.kill('SIGKILL'));
  }

  /**
   * Switches it on. `units` are further units, by systemd's own way for virtual machines: the image
   * itself stays as people get it.
   * @param {Record<string, string>} units name -> text
   */
  start(units = {}) {
    const credentials = Object.entries(units).flatMap(([name, text]) => (
      ['-smbios', `type=11,value=io.systemd.credential.binary:systemd.extra-unit.${name}=${Buffer.from(text).toString('base64')}`]));
    const wants = Object.keys(units).filter((name) => !name.includes('@'));
    if (wants.length > 0) {
      const dropin = Buffer.from(`[Unit]\nWants=${wants.join(' ')}\n`).toString('base64');
      credentials.push('-smbios', `type=11,value=io.systemd.credential.binary:systemd.unit-dropin.multi-user.target=${dropin}`);
    }
    const forwards = FORWARDED.map(([kind, port]) => `hostfwd=${kind}:${this.#address}:${port}-:${port}`).join(',');
    const [command, ...words] = [
      ...this.#prefix, 'nice', '-n', process.env.NICE ?? '0', 'qemu-system-x86_64',
      '-M', 'q35', '-accel', process.env.ACCEL ?? 'tcg,thread=multi', '-cpu', process.env.CPU ?? 'Nehalem,+aes,+rdrand', '-smp', process.env.SMP ?? '1', '-m', '1536', '-nodefaults', '-display', 'none',
      '-drive', `if=pflash,format=raw,readonly=on,file=${OVMF}/OVMF_CODE_4M.fd`,
      '-drive', `if=pflash,format=raw,file=${path.join(this.#folder, 'vars.fd')}`,
      '-drive', `if=virtio,format=qcow2,file=${this.#image}`,
      '-netdev', `user,id=lan,${forwards}`, '-device', 'virtio-net-pci,netdev=lan',
      '-device', 'virtio-rng-pci', '-device', 'i6300esb', '-watchdog-action', 'reset', '-serial', 'stdio', ...credentials,
    ];
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    this.#ended = once(child, 'exit').then(() => { this.#child = null; });
    this.lines = [];
    const log = createWriteStream(path.join(this.#folder, 'console.log'), { flags: 'a' });
    createInterface({ input: child.stdout }).on('line', (raw) => {
      const line = plain(raw);
      log.write(`${line}\n`);
      this.lines.push(line);
      for (const listener of this.#listeners) listener(line);
    });
  }

  /** Resolves with the match of the first line from here on (or of those before, with `past`) that fits. */
  says(pattern, seconds, past = false) {
    const before = past ? this.lines.map((line) => pattern.exec(line)).find((match) => match) : null;
    if (before) return Promise.resolve(before);
    return new Promise((resolve, reject) => {
      const done = (settle, value) => {
        clearTimeout(timer);
        this.#listeners = this.#listeners.filter((one) => one !== listener);
        settle(value);
      };
      const listener = (line) => {
        const match = pattern.exec(line);
        if (match) done(resolve, match);
      };
      const timer = setTimeout(() => done(reject, new Error(`the console has not said ${pattern} within ${seconds} s; last: ${this.lines.slice(-3).join(' | ')}`)), seconds * 1000);
      this.#listeners.push(listener);
    });
  }

  /** A power cut. */
  async cut() {
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }
}
