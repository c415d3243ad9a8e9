// Who speaks: loudness of each received track and of our own microphone, held for 300 ms.

/** Loudness from which somebody speaks, 0 to 1. */
const SPEAKING = 0.02;
const HOLD_MS = 300;
const EVERY_MS = 100;
/** Statistics cost more than sync sources; asked this often, where the latter carry no level. */
const STATS_MS = 300;

export class SpeakerWatch {
  /** @type {Map<string, number>} member to when it was last loud */
  #loud = new Map();
  #said = '';
  #timer = 0;
  #statsAt = 0;

  /**
   * @param {object} wires
   * @param {() => Map<string, string>} wires.mids m-section of each member's sound
   * @param {(mid: string) => RTCRtpReceiver | null} wires.receiver
   * @param {() => RTCPeerConnection | null} wires.connection
   * @param {() => { id: string, level: number } | null} wires.own
   * @param {(ids: string[]) => void} wires.speaking
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
    this.#loud.clear();
    this.#said = '';
  }

  #look() {
    const now = performance.now();
    let silentSources = false;
    for (const [member, mid] of this.wires.mids()) {
      const source = this.wires.receiver(mid)?.getSynchronizationSources()[0];
      if (source && source.audioLevel === undefined) silentSources = true;
      this.#hear(member, source?.audioLevel ?? 0, now);
    }
    const own = this.wires.own();
    if (own) this.#hear(own.id, own.level, now);
    if (silentSources && now - this.#statsAt > STATS_MS) {
      this.#statsAt = now;
      void this.#ask();
    }
    this.#tell(now);
  }

  /** The box does not forward levels: what the decoder heard has to do. */
  async #ask() {
    const report = await this.wires.connection()?.getStats().catch(() => null);
    const now = performance.now();
    const members = new Map([...this.wires.mids()].map(([member, mid]) => [mid, member]));
    report?.forEach((stats) => {
      const member = stats.type === 'inbound-rtp' && stats.kind === 'audio' ? members.get(stats.mid) : undefined;
      if (member) this.#hear(member, stats.audioLevel ?? 0, now);
    });
  }

  /** @param {string} member @param {number} level @param {number} now */
  #hear(member, level, now) {
    if (level >= SPEAKING) this.#loud.set(member, now);
  }

  /** @param {number} now */
  #tell(now) {
    for (const [member, at] of this.#loud) {
      if (now - at > HOLD_MS + EVERY_MS) this.#loud.delete(member);
    }
    const ids = [...this.#loud.keys()].sort();
    const said = ids.join();
    if (said === this.#said) return;
    this.#said = said;
    this.wires.speaking(ids);
  }
}
