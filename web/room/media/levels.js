// How loud our own microphone is, and whether we speak: that loudness, held for 300 ms. Who else speaks
// the box tells (`speakers`), which sees the level of every packet.

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

/** Loudness of a track, 0 to 1, for the meter and for one's own outline. */
export class LevelMeter {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
  /** @type {AnalyserNode | null} */
  #analyser = null;
  #samples = new Float32Array(1024);

  /** @param {MediaStreamTrack | null} track */
  watch(track) {
    this.#source?.disconnect();
    this.#source = null;
    if (!track) return;
    this.#context ??= new AudioContext();
    void this.#context.resume().catch(() => {});
    this.#analyser ??= new AnalyserNode(this.#context, { fftSize: 1024 });
    this.#source = new MediaStreamAudioSourceNode(this.#context, { mediaStream: new MediaStream([track]) });
    this.#source.connect(this.#analyser);
  }

  /** @returns {number} root mean square of the last 20 ms, 0 to 1 */
  level() {
    if (!this.#source || !this.#analyser) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return Math.sqrt(sum / this.#samples.length);
  }
}
