// A player that speaks RTSP (RFC 2326) on its connection, for scenes. It keeps no picture: it counts packets.

import { once } from 'node:events';
import { connect } from 'node:net';

export class RtspClient {
  #buffer = Buffer.alloc(0);
  #sequence = 0;
  #session = '';
  /** @type {Map<number, (answer: { status: number, fields: Record<string, string>, body: string }) => void>} */
  #waiting = new Map();
  /** Packets by channel. @type {number[]} */
  #counts = [0, 0, 0, 0];
  /** Whether the first packet of the picture has parameter sets. @type {boolean | null} */
  beginsWithKeyframe = null;

  /** @param {import('node:net').Socket} socket @param {number} port */
  constructor(socket, port) {
    this.socket = socket;
    this.port = port;
    socket.on('data', (bytes) => {
      this.#buffer = Buffer.concat([this.#buffer, bytes]);
      while (this.#read()) { /* all that is there whole */ }
    });
  }

  /** @param {number} port */
  static async connect(port) {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RtspClient(socket, port);
  }

  /** @param {string} method @param {string} path @param {Record<string, string>} [fields] */
  ask(method, path, fields = {}) {
    this.#sequence += 1;
    const all = { CSeq: String(this.#sequence), 'User-Agent': 'Scene/1', ...(this.#session ? { Session: this.#session } : {}), ...fields };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join('');
    this.socket.write(`${method} rtsp://127.0.0.1:${this.port}/${path} RTSP/1.0\r\n${lines}\r\n`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${method}`)), 15_000);
      this.#waiting.set(this.#sequence, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
    });
  }

  counts() {
    return [...this.#counts];
  }

  close() {
    this.socket.destroy();
  }

  #read() {
    const bytes = this.#buffer;
    if (bytes[0] === 0x24) {
      if (bytes.length < 4 || bytes.length < 4 + bytes.readUInt16BE(2)) return false;
      const packet = bytes.subarray(4, 4 + bytes.readUInt16BE(2));
      this.#counts[bytes[1]] += 1;
      if (bytes[1] === 0) this.beginsWithKeyframe ??= [7, 24].includes(packet[12] & 0x1f);
      this.#buffer = bytes.subarray(4 + packet.length);
      return true;
    }
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const [first, ...lines] = bytes.subarray(0, end).toString().split('\r\n');
    const fields = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
    const length = Number(fields['content-length'] ?? 0);
    if (bytes.length < end + 4 + length) return false;
    this.#session ||= (fields.session ?? '').split(';')[0];
    this.#buffer = bytes.subarray(end + 4 + length);
    const answer = { status: Number(first.split(' ')[1]), fields, body: bytes.subarray(end + 4, end + 4 + length).toString() };
    this.#waiting.get(Number(fields.cseq))?.(answer);
    return true;
  }
}
