// The network is another one, or may be: who says so, and when nobody does.
//
// The browser's `online` comes within half a second of a change, where the old address is gone. Where it
// stays behind, on a link that leads nowhere, nobody says anything: media that came all the time and
// comes no more is the first sign.

const EVERY_MS = 1000;
/** Looks without a packet before that is silence. */
const SILENT_LOOKS = 2;
/** News that come together are one. */
const TOGETHER_MS = 300;

/** What has come by a connection so far, checks of its path included. It only grows. @param {RTCPeerConnection} pc */
export async function arrived(pc) {
  const stats = await pc.getStats().catch(() => null);
  let sum = 0;
  for (const entry of stats?.values() ?? []) {
    if (entry.type === 'transport' || entry.type === 'candidate-pair') sum += (entry.bytesReceived ?? 0) + (entry.responsesReceived ?? 0);
  }
  return sum;
}

/** Packets of media so far. @param {RTCPeerConnection} pc */
async function packets(pc) {
  const stats = await pc.getStats().catch(() => null);
  let sum = 0;
  for (const entry of stats?.values() ?? []) if (entry.type === 'inbound-rtp') sum += entry.packetsReceived ?? 0;
  return sum;
}

export class Roaming {
  #timer = 0;
  #toldAt = -Infinity;
  /** @type {RTCPeerConnection | null} */
  #pc = null;
  #packets = 0;
  #flows = false;
  #silent = 0;

  /**
   * @param {object} wires
   * @param {() => RTCPeerConnection | null} wires.down
   * @param {() => void} wires.changed the network is another one
   * @param {() => void} wires.silent nothing comes any more, and nobody has said why
   */
  constructor(wires) {
    this.wires = wires;
    addEventListener('online', () => this.#changed());
    const connection = /** @type {(EventTarget & { type?: string }) | undefined} */ (Reflect.get(navigator, 'connection'));
    let type = connection?.type;
    connection?.addEventListener('change', () => {
      // It changes with every guess of the browser's about speed as well.
      if (connection.type !== type) this.#changed();
      type = connection.type;
    });
  }

  /** From now on it is listened for silence. */
  begin() {
    if (this.#timer === 0) this.#timer = setInterval(() => void this.#look(), EVERY_MS);
  }

  end() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#pc = null;
  }

  #changed() {
    const now = performance.now();
    if (now - this.#toldAt < TOGETHER_MS) return;
    this.#toldAt = now;
    this.wires.changed();
  }

  async #look() {
    const pc = this.wires.down();
    const timer = this.#timer;
    const sum = pc ? await packets(pc) : 0;
    if (timer !== this.#timer) return;
    if (pc !== this.#pc) {
      this.#pc = pc;
      this.#flows = false;
    } else if (sum > this.#packets) {
      this.#flows = true;
      this.#silent = 0;
    } else if (this.#flows) {
      this.#silent += 1;
      if (this.#silent >= SILENT_LOOKS) {
        this.#flows = false; // said once, until something comes again
        this.#silent = 0;
        this.wires.silent();
      }
    }
    this.#packets = sum;
  }
}
