// What this browser can show. A picture comes as its publisher has encoded it, and the box does not
// encode it anew: a tile whose picture cannot be shown says so.

/** @type {Set<string> | null} lower case */
let known = null;

/**
 * False only where that is certain.
 * @param {string | undefined} codec as in SDP's rtpmap
 */
export function canShow(codec) {
  if (codec === undefined) return true;
  known ??= new Set((globalThis.RTCRtpReceiver?.getCapabilities?.('video')?.codecs ?? []).map(({ mimeType }) => mimeType.toLowerCase()));
  return known.size === 0 || known.has(`video/${codec.toLowerCase()}`);
}

/**
 * The codec of a member's picture that cannot be shown here, or null.
 * @param {import('../protocol.js').Member} member
 * @param {'camera' | 'screen'} source
 */
export function unshowable(member, source) {
  const track = member.tracks.find((other) => other.kind === 'video' && other.source === source);
  return track?.codec !== undefined && !canShow(track.codec) ? track.codec : null;
}
