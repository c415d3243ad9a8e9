// Signaling by POST and server-sent events, with a WebSocket's face: for browsers that refuse wss under a
// certificate they do not trust, and for proxies that refuse an upgrade.

const PATH = '/api/v1/signal';
/** The box reads one message after the other; those that wait are sent in their order. */
const HEADER = 'Parlor-Session';

/** What `socket.js` uses of a WebSocket. */
export class EventSocket {
  /** @type {number} */ readyState = WebSocket.CONNECTING;
  /** @type {(() => void) | null} */ onopen = null;
  /** @type {((event: { data: string }) => void) | null} */ onmessage = null;
  /** @type {(() => void) | null} */ onclose = null;
  /** @type {(() => void) | null} */ onerror = null;
  #id = '';
  #source = new EventSource(PATH);
  /** The message before. */
  #sent = Promise.resolve();

  constructor() {
    this.#source.addEventListener('session', ({ data }) => {
      // A source that has come back by itself has another session: the one of before is over.
      if (this.#id !== '') return this.#end();
      this.#id = data;
      this.readyState = WebSocket.OPEN;
      this.onopen?.();
    });
    this.#source.onmessage = ({ data }) => this.onmessage?.({ data });
    this.#source.addEventListener('close', () => this.#end());
    this.#source.onerror = () => this.#end();
  }

  /** @param {string} text */
  send(text) {
    this.#sent = this.#sent.then(() => this.#post(text));
  }

  close() {
    this.readyState = WebSocket.CLOSED;
    this.#source.close();
  }

  /** @param {string} body */
  async #post(body) {
    if (this.readyState !== WebSocket.OPEN) return;
    try {
      const headers = { [HEADER]: this.#id, 'Content-Type': 'application/json' };
      const answer = await fetch(PATH, { method: 'POST', headers, body, cache: 'no-store', keepalive: body.length < 60_000 });
      // What is wrong with a message comes as an event; this is a session that is no more.
      if (!answer.ok && answer.status !== 429) this.#end();
    } catch {
      this.#end();
    }
  }

  #end() {
    if (this.readyState === WebSocket.CLOSED) return;
    this.close();
    this.onclose?.();
  }
}
