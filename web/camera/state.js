// What the camera's page shows, decided in one place. Pure: nothing here knows the document.

/** @typedef {import('../shared/fault.js').MediaFault} MediaFault */
/**
 * A camera as the box tells of it.
 * @typedef {object} Camera
 * @property {string} id
 * @property {string} name
 * @property {string} room
 * @property {'starting' | 'live' | 'resting' | 'faulty' | 'closed'} state
 * @property {MediaFault | null} fault
 * @property {boolean} sound
 * @property {{ id: string, name: string }[]} viewers
 * @property {string[]} people
 */
/** @typedef {'idle' | 'connecting' | 'playing' | 'lost' | 'unknown' | 'full' | 'refused'} Link */
/**
 * @typedef {object} Seen
 * @property {string} id
 * @property {Camera | null} camera null: nothing was heard of it yet
 * @property {Link} link how the connection is
 * @property {boolean} frames a frame of this connection was shown, and they go on
 * @property {number} since when the link became what it is
 * @property {string} detail what the box said
 */
/** @typedef {import('../shared/i18n/index.js').Key} Key */
/** @typedef {{ key: Key, params?: Record<string, string | number>, since?: number } | { fault: MediaFault }} Words */

/** What stands over the picture; null while it is live. @param {Seen} seen @returns {Words | null} */
export function words({ id, camera, link, frames, since, detail }) {
  if (link === 'unknown') return { key: 'cameraUnknown', params: { id } };
  // Why the camera gives nothing is more than that the connection brings nothing.
  if (camera?.fault) return { fault: camera.fault };
  if (link === 'refused') return { key: 'cameraRefused', params: { detail } };
  if (link === 'full') return { key: 'cameraFull' };
  if (link === 'lost') return { key: 'cameraLost', since };
  if (link === 'playing' && frames) return null;
  if (camera?.state === 'starting') return { key: 'cameraStarting' };
  if (camera?.state === 'resting') return { key: 'cameraWaking' };
  return { key: 'cameraConnecting' };
}

/** Everybody who watches, by name; the page's own viewer is one of them. @param {Camera | null} camera */
export function watchers(camera) {
  return [...(camera?.viewers ?? []).map(({ name }) => name), ...(camera?.people ?? [])];
}

/** Milliseconds before the next try, the first of which is at once. @param {number} nTries */
export function pause(nTries) {
  return nTries === 0 ? 0 : Math.min(1000 * 2 ** (nTries - 1), 15_000);
}

/** The file of a snapshot. @param {string} name @param {Date} at */
export function fileName(name, at) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}.${two(at.getMinutes())}.${two(at.getSeconds())}`;
  return `${name.replace(/[/\\:*?"<>|\p{Cc}]+/gu, ' ').trim() || 'camera'} ${day} ${time}.jpg`;
}

/** Whether an answer turns the picture down: this browser cannot show it. @param {string} sdp */
export function hasNoPicture(sdp) {
  return /^m=video 0 /m.test(sdp);
}
