// The box does not answer: is media still coming, and how long has it been? Told once a second, so that
// frozen faces do not pass for live ones, and a user who waits learns why.

const EVERY_MS = 1000;
/** A socket that is back by then was a blink. */
const GREY_MS = 3000;
/** From here on the user is told, with ways on. */
const SAY_MS = 15_000;

export class Away {
  #timer = 0;
  #since = 0;
  #packets = 0;
  #said = false;

  /**
   * @param {object} wires
   * @param {() => RTCPeerConnection | null} wires.down
   * @param {(still: boolean) => void} wires.still no media comes either
   * @param {() => void} wires.long
   */
  constructor(wires) {
    this.wires = wires;
  }

  /** The socket was lost; once more while it is away changes nothing. */
  begin() {
    if (this.#timer !== 0) return;
    this.#since = performance.now();
    this.#packets = -1;
    this.#said = false;
    this.#timer = setInterval(() => void this.#look(), EVERY_MS);
  }

  /** The box is back, or nobody waits for it any more. */
  end() {
    clearInterval(this.#timer);
    this.#timer = 0;
  }

  async #look() {
    const timer = this.#timer;
    const packets = await received(this.wires.down());
    if (timer !== this.#timer) return;
    const waited = performance.now() - this.#since;
    const still = packets === 0 || packets === this.#packets;
    this.#packets = packets;
    if (waited >= GREY_MS) this.wires.still(still);
    if (waited < SAY_MS || this.#said) return;
    this.#said = true;
    this.wires.long();
  }
}

/** Packets of media so far. @param {RTCPeerConnection | null} pc */
async function received(pc) {
  const stats = await pc?.getStats().catch(() => null);
  let packets = 0;
  for (const entry of stats?.values() ?? []) if (entry.type === 'inbound-rtp') packets += entry.packetsReceived ?? 0;
  return packets;
}
