// @ts-check
// Sound in two channels, where it comes so. Pure.

/**
 * An answer that says that Opus is decoded in two channels (RFC 7587, 7.1). Browsers other than Firefox
 * decode one unless their own description says so, whatever the offer said.
 * @param {string} sdp
 * @returns {string}
 */
export function inStereo(sdp) {
  const opus = new Set([...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000\/2\r?$/gim)].map(([, type]) => type));
  return sdp.replace(/^a=fmtp:(\d+) (.*?)(\r?)$/gm, (line, type, parameters, end) => (
    opus.has(type) && !/(^|;)\s*stereo=/.test(parameters) ? `a=fmtp:${type} ${parameters};stereo=1${end}` : line));
}
