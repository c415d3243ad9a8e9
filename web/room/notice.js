// Which sentence and which ways on belong to a failure. Pure.

/** @typedef {import('./state.js').Notice} Notice */
/** @typedef {import('./media/devices.js').MediaFault} MediaFault */
/** @typedef {import('./protocol.js').RequestError} RequestError */

/**
 * @param {string} key
 * @param {Notice['tone']} tone
 * @param {string[]} actions
 * @returns {Notice}
 */
export const notice = (key, tone, actions) => ({ key, tone, actions });

/**
 * What the user is told when camera or microphone, or both, could not be had.
 * @param {MediaFault | null} camera
 * @param {MediaFault | null} microphone
 * @returns {Notice | null}
 */
export function mediaNotice(camera, microphone) {
  if (camera === null && microphone === null) return null;
  const actions = ['tryAgain', 'dismiss'];
  if (camera !== null && microphone !== null) {
    const fault = camera === microphone ? camera : 'unknown';
    return notice(`both_${fault}`, 'warn', fault === 'none' || fault === 'insecure' ? ['dismiss'] : actions);
  }
  return camera !== null ? notice(`camera_${camera}`, 'warn', actions) : notice(`microphone_${microphone}`, 'warn', actions);
}

/** Codes of the box and of the page itself. @type {Record<string, [string, string[]]>} */
const REFUSALS = {
  'room-full': ['roomFull', ['tryAgain', 'dismiss']],
  'room-create-refused': ['roomRefused', ['dismiss']],
  'room-name-invalid': ['roomNameInvalid', ['dismiss']],
  'name-invalid': ['nameInvalid', ['dismiss']],
  forbidden: ['forbidden', ['tryAgain', 'dismiss']],
  'origin-forbidden': ['originForbidden', ['dismiss']],
  'rate-limited': ['rateLimited', ['tryAgain', 'dismiss']],
  'version-unsupported': ['versionOld', ['reload']],
  'server-gone': ['serverGone', ['tryAgain', 'dismiss']],
  timeout: ['serverGone', ['tryAgain', 'dismiss']],
  stopping: ['serverGone', ['tryAgain', 'dismiss']],
  replaced: ['replaced', ['useHere', 'dismiss']],
};

/**
 * Why one is not in the room, or no longer.
 * @param {{ code: string, message: string }} error
 * @returns {Notice}
 */
export function refusalNotice({ code, message }) {
  const [key, actions] = REFUSALS[code] ?? ['boxFault', ['tryAgain', 'dismiss']];
  const shown = message === '' ? code : `${code}: ${message}`;
  return { ...notice(key, code === 'replaced' ? 'info' : 'danger', actions), code: shown };
}
