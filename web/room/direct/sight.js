// Whether what somebody sends is seen here by a path: frames decoded, packets of sound. And by which kind
// of path a connection goes. Reads statistics, decides little, owns nothing.

/** @typedef {import('../protocol.js').Member} Member */
/** @typedef {import('../protocol.js').TrackSource} TrackSource */
/** @typedef {Map<TrackSource, number>} Counts by source: frames decoded, or packets of sound */

/** What does not come by either path for so long is not waited for. */
export const PATIENCE_MS = 3000;

/** What somebody sends that has to be seen. @param {Member} member @returns {TrackSource[]} */
export function sent({ mic, cam, tracks }) {
  const on = { microphone: mic, camera: cam, screen: true, screenaudio: false };
  return tracks.map(({ source }) => source).filter((source) => on[source]);
}

/**
 * Whether all that somebody sends is seen by a path, as far as it can be.
 * @param {object} found
 * @param {TrackSource[]} found.wanted
 * @param {Counts} found.before of the path, when the waiting began
 * @param {Counts} found.now
 * @param {boolean} found.elsewhere it comes by the other path meanwhile
 * @param {number} found.waitedMs since the path stands
 */
export function isSeen({ wanted, before, now, elsewhere, waitedMs }) {
  const missing = wanted.filter((source) => (now.get(source) ?? 0) <= (before.get(source) ?? 0));
  return missing.length === 0 || (waitedMs >= PATIENCE_MS && !elsewhere);
}

/**
 * @param {(source: TrackSource) => RTCRtpReceiver | null} receiverOf
 * @param {TrackSource[]} sources
 * @returns {Promise<Counts>}
 */
export async function counts(receiverOf, sources) {
  /** @type {Counts} */
  const found = new Map();
  await Promise.all(sources.map(async (source) => {
    const report = await receiverOf(source)?.getStats();
    for (const stats of report?.values() ?? []) {
      if (stats.type !== 'inbound-rtp') continue;
      found.set(source, stats.kind === 'video' ? (stats.framesDecoded ?? 0) : (stats.packetsReceived ?? 0));
    }
  }));
  return found;
}

/** Whether some of these have grown. @param {Counts} before @param {Counts} now */
export const hasGrown = (before, now) => [...now].some(([source, count]) => count > (before.get(source) ?? 0));

/**
 * Whether a connection goes by a relay; null while that is not known.
 * @param {RTCPeerConnection | null} pc
 * @returns {Promise<boolean | null>}
 */
export async function isRelayed(pc) {
  const report = await pc?.getStats();
  if (!report) return null;
  const all = [...report.values()];
  const transport = all.find(({ type, selectedCandidatePairId }) => type === 'transport' && selectedCandidatePairId);
  const pair = transport ? report.get(transport.selectedCandidatePairId)
    : all.find(({ type, state, selected, nominated }) => type === 'candidate-pair' && state === 'succeeded' && (selected || nominated));
  if (!pair) return null;
  return [pair.localCandidateId, pair.remoteCandidateId].some((id) => report.get(id)?.candidateType === 'relay');
}
