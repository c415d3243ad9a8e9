// How each track that we receive is doing, from the connection's statistics, read every two seconds.
// `figuresFrom` is pure.

const EVERY_MS = 2000;
/** Points of the line: a minute. */
const KEPT = 30;

/**
 * @typedef {object} Figures
 * @property {'box' | 'relay' | 'direct'} path
 * @property {string} codec
 * @property {number} width
 * @property {number} height
 * @property {number} fps
 * @property {number} kbps
 * @property {number} lossPercent
 * @property {number | null} rttMs
 * @property {1 | 2 | 3} bars
 * @property {number[]} line kbps of the last minute
 */
/** @typedef {{ at: number, bytes: number, lost: number, received: number, line: number[] }} Past */

/**
 * @param {Iterable<any>} stats of one connection
 * @param {Map<string, Past>} past by mid; kept up to date here
 * @returns {Map<string, Figures>} by mid, of pictures
 */
export function figuresFrom(stats, past) {
  const byId = new Map([...stats].map((entry) => [entry.id, entry]));
  const all = [...byId.values()];
  const transport = all.find(({ type }) => type === 'transport');
  const pair = byId.get(transport?.selectedCandidatePairId) ?? all.find(({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded');
  const path = byId.get(pair?.localCandidateId)?.candidateType === 'relay' ? 'relay' : 'box';
  const rttMs = typeof pair?.currentRoundTripTime === 'number' ? Math.round(pair.currentRoundTripTime * 1000) : null;
  /** @type {Map<string, Figures>} */
  const figures = new Map();
  for (const entry of all) {
    if (entry.type !== 'inbound-rtp' || entry.kind !== 'video' || typeof entry.mid !== 'string') continue;
    const before = past.get(entry.mid);
    const { bytesReceived: bytes = 0, packetsLost: lost = 0, packetsReceived: received = 0, timestamp: at } = entry;
    const ms = before ? at - before.at : 0;
    // A track of another connection, or counters that began anew.
    const goesOn = before !== undefined && ms > 0 && bytes >= before.bytes;
    const kbps = goesOn ? Math.round(((bytes - before.bytes) * 8) / ms) : 0;
    const nLost = goesOn ? Math.max(0, lost - before.lost) : 0;
    const nAll = nLost + (goesOn ? received - before.received : 0);
    const lossPercent = nAll === 0 ? 0 : Math.round((nLost / nAll) * 1000) / 10;
    const line = goesOn ? [...before.line, kbps].slice(-KEPT) : [];
    past.set(entry.mid, { at, bytes, lost, received, line });
    const fps = Math.round(entry.framesPerSecond ?? 0);
    const codec = String(byId.get(entry.codecId)?.mimeType ?? '').replace(/^video\//, '');
    figures.set(entry.mid, {
      path, codec, width: entry.frameWidth ?? 0, height: entry.frameHeight ?? 0, fps, kbps, lossPercent, rttMs, line,
      bars: bars(lossPercent, rttMs ?? 0, fps, goesOn),
    });
  }
  return figures;
}

/** @param {number} lossPercent @param {number} rttMs @param {number} fps @param {boolean} known @returns {1 | 2 | 3} */
function bars(lossPercent, rttMs, fps, known) {
  if (!known) return 3;
  if (lossPercent > 8 || rttMs > 600 || fps < 4) return 1;
  return lossPercent > 2 || rttMs > 250 || fps < 10 ? 2 : 3;
}

export class FigureReader {
  /** @type {Map<string, Past>} */
  #past = new Map();
  /** @type {Map<string, Past>} */
  #directly = new Map();
  #timer = 0;

  /**
   * @param {object} wires
   * @param {() => RTCPeerConnection | null} wires.down
   * @param {() => { pc: RTCPeerConnection, relayed: boolean, sources: Map<string, string> } | null} wires.direct what comes directly, by m-section
   * @param {(figures: Map<string, Figures>) => void} wires.told
   */
  constructor(wires) {
    this.wires = wires;
  }

  start() {
    this.#past.clear();
    this.#timer ||= setInterval(() => void this.#read(), EVERY_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
  }

  async #read() {
    if (document.hidden) return;
    const direct = this.wires.direct();
    const [box, other] = await Promise.all([this.wires.down(), direct?.pc].map((pc) => pc?.getStats().catch(() => null)));
    if (this.#timer === 0) return;
    const figures = box ? figuresFrom(box.values(), this.#past) : new Map();
    if (!direct) this.#directly.clear();
    for (const [mid, seen] of direct && other ? figuresFrom(other.values(), this.#directly) : []) {
      figures.set(`direct:${direct?.sources.get(mid)}`, { ...seen, path: direct?.relayed ? 'relay' : 'direct' });
    }
    this.wires.told(figures);
  }
}
