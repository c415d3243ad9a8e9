// Whether we speak ourselves: the loudness of our own microphone, held for 300 ms. Who else speaks the
// box tells (`speakers`), which sees the level of every packet.

/** Loudness from which somebody speaks, 0 to 1. */
const SPEAKING = 0.02;
const HOLD_MS = 300;
const EVERY_MS = 100;

export class OwnVoice {
  #loudAt = -Infinity;
  #said = false;
  #timer = 0;

  /**
   * @param {object} wires
   * @param {() => number} wires.level of the microphone, 0 to 1; 0 while it is off
   * @param {(speaking: boolean) => void} wires.speaking
   */
  constructor(wires) {
    this.wires = wires;
  }

  start() {
    this.#timer ||= setInterval(() => this.#look(), EVERY_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#said = false;
  }

  #look() {
    const now = performance.now();
    if (this.wires.level() >= SPEAKING) this.#loudAt = now;
    const speaking = now - this.#loudAt <= HOLD_MS;
    if (speaking === this.#said) return;
    this.#said = speaking;
    this.wires.speaking(speaking);
  }
}
