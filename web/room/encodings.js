// What each encoding of a picture may take and whether it is sent at all: the wishes of `up.js` and
// the box's, brought to the senders. The camera's picture is sent in three sizes, the lowest first,
// so that each viewer gets what its path and its tile can use, and a size that nobody needs is not
// encoded.

/** Names, parts of the picture's height, and what the lower ones may take. */
const LAYERS = [
  { rid: 'q', scaleResolutionDownBy: 4, mostBitrate: 150_000 },
  { rid: 'h', scaleResolutionDownBy: 2, mostBitrate: 500_000 },
  { rid: 'f', scaleResolutionDownBy: 1, mostBitrate: Infinity },
];

const SCREEN_BITRATE = 2_500_000;

/**
 * Bits a second of a layer, where the whole picture may take `maxBitrate`.
 * @param {string | undefined} rid
 * @param {number} maxBitrate
 */
const layerBitrate = (rid, maxBitrate) => Math.min(maxBitrate, LAYERS.find((layer) => layer.rid === rid)?.mostBitrate ?? Infinity);

/**
 * What a section of this source begins with.
 * @param {import('./protocol.js').TrackSource} source
 * @param {number} maxBitrate of the camera
 * @returns {RTCRtpEncodingParameters[]}
 */
export function firstEncodings(source, maxBitrate) {
  if (source === 'screen') return [{ maxBitrate: SCREEN_BITRATE }];
  if (source !== 'camera') return [];
  return LAYERS.map(({ rid, scaleResolutionDownBy }) => (
    { rid, scaleResolutionDownBy, maxBitrate: layerBitrate(rid, maxBitrate) }));
}

/**
 * Changes encodings to what is wanted. True if that is a change.
 * @param {RTCRtpEncodingParameters[]} encodings the lowest first
 * @param {boolean[] | undefined} wanted by the box; what it does not name is wanted, but nothing is
 *   where all that it has seen so far is not
 * @param {number | null} maxBitrate null: it stays
 */
export function adjust(encodings, wanted, maxBitrate) {
  let changed = false;
  const nothing = wanted !== undefined && !wanted.includes(true);
  encodings.forEach((encoding, layer) => {
    const active = !nothing && (wanted?.[layer] ?? true);
    const bitrate = maxBitrate === null ? encoding.maxBitrate : layerBitrate(encoding.rid, maxBitrate);
    if ((encoding.active ?? true) === active && encoding.maxBitrate === bitrate) return;
    changed = true;
    encoding.active = active;
    if (bitrate !== undefined) encoding.maxBitrate = bitrate;
  });
  return changed;
}

/** Brings senders to what is wanted, each one step after the other. */
export class Encodings {
  /** @type {Map<string, boolean[]>} by mid */
  #wanted = new Map();
  /** @type {WeakMap<RTCRtpSender, Promise<void>>} a second change must wait for the first */
  #chains = new WeakMap();
  maxBitrate = 1_500_000;

  /** Which layers the box needs, by mid. @param {Record<string, boolean[]>} tracks */
  want(tracks) {
    this.#wanted = new Map(Object.entries(tracks));
  }

  /**
   * @param {import('./protocol.js').TrackSource} source
   * @param {RTCRtpTransceiver} transceiver
   * @returns {Promise<void>}
   */
  settle(source, { sender, mid }) {
    if (source !== 'camera' && source !== 'screen') return Promise.resolve();
    const next = (this.#chains.get(sender) ?? Promise.resolve()).then(async () => {
      const parameters = sender.getParameters();
      const wanted = mid === null ? undefined : this.#wanted.get(mid);
      if (!adjust(parameters.encodings, wanted, source === 'camera' ? this.maxBitrate : null)) return;
      await sender.setParameters(parameters).catch((error) => console.warn('parlor: encodings were not changed', error));
    });
    this.#chains.set(sender, next);
    return next;
  }
}
