// What a module of the page asks of a browser, made up: sockets that are answered by hand, beacons and
// listeners that are kept. Imported before the module is.

/** Every socket that was opened, oldest first. @type {FakeSocket[]} */
export const sockets = [];
/** @type {{ path: string, body: string }[]} */
export const beacons = [];
/** Listeners of the window, by event. @type {Record<string, (() => void)[]>} */
export const heard = {};

class FakeSocket {
  static OPEN = 1;
  readyState = 1;
  /** @type {{ id: number, type: string }[]} */
  sent = [];

  constructor() {
    sockets.push(this);
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }

  /** The box answers the newest request. @param {object} message */
  async answer(message) {
    this.onmessage({ data: JSON.stringify({ ...message, re: this.sent.at(-1).id }) });
    await new Promise(setImmediate);
  }
}

Object.assign(globalThis, {
  WebSocket: FakeSocket,
  addEventListener: (name, listener) => (heard[name] ??= []).push(listener),
  document: { addEventListener: () => {}, hidden: false },
  location: { protocol: 'https:', host: 'box' },
});
Object.defineProperty(globalThis, 'navigator', {
  value: { sendBeacon: (path, body) => beacons.push({ path, body }) > 0 },
});
