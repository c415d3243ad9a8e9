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

/** @typedef {import('./media/own.js').Source} Source */
/** Sources of a notice about devices, by how its key begins. @type {Record<string, Source[]>} */
const ABOUT = { camera: ['camera'], microphone: ['microphone'], both: ['camera', 'microphone'] };

/**
 * Camera and microphone, where a notice is about them: which, and what is wrong.
 * @param {string} key
 * @returns {{ sources: Source[], fault: string } | null}
 */
function aboutDevices(key) {
  const [, begin = '', fault = ''] = /^(camera|microphone|both)_?(Gone|[a-z]+)$/.exec(key) ?? [];
  const sources = ABOUT[begin];
  return sources ? { sources, fault } : null;
}

/**
 * The notices with one more. One a key; and what is wrong with a device is said once, for both devices
 * together where it is the same.
 * @param {Notice[]} notices
 * @param {Notice} added
 * @returns {Notice[]}
 */
export function withNotice(notices, added) {
  const about = aboutDevices(added.key);
  const [source] = about?.sources ?? [];
  if (!about || !source) return [...notices.filter(({ key }) => key !== added.key), added];
  const kept = about.sources.reduce(withoutDevice, notices);
  const partner = kept.find(({ key }) => {
    const other = aboutDevices(key);
    return about.sources.length === 1 && other?.fault === about.fault && about.fault !== 'Gone';
  });
  if (!partner) return [...kept, added];
  return [...kept.filter((other) => other !== partner), { ...added, key: `both_${about.fault}` }];
}

/**
 * The notices once nothing is wrong with this device any more.
 * @param {Notice[]} notices
 * @param {Source} source
 * @returns {Notice[]}
 */
export function withoutDevice(notices, source) {
  return notices.flatMap((other) => {
    const about = aboutDevices(other.key);
    if (!about?.sources.includes(source)) return [other];
    const [rest] = about.sources.filter((one) => one !== source);
    return rest ? [{ ...other, key: `${rest}_${about.fault}` }] : [];
  });
}

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

/**
 * Media finds no way. Which port it would need is in what the box has offered.
 * @param {string} sdp
 * @returns {Notice}
 */
export function noPathNotice(sdp) {
  const ports = new Set([...sdp.matchAll(/^a=candidate:\S+ 1 udp \S+ \S+ (\d+) typ host/gim)].map(([, port]) => port ?? ''));
  if (ports.size === 0) return notice('noPathPlain', 'warn', ['openDoctor', 'dismiss']);
  const key = /^a=candidate:\S+ 1 tcp /im.test(sdp) ? 'noPath' : 'noPathUdp';
  return { ...notice(key, 'warn', ['openDoctor', 'dismiss']), params: { port: [...ports].join(', ') } };
}

/** Codes of the box and of the page itself. @type {Record<string, [string, string[]]>} */
const REFUSALS = {
  'room-full': ['roomFull', ['tryAgain', 'dismiss']],
  'room-locked': ['roomLocked', ['tryAgain', 'dismiss']],
  removed: ['removed', ['dismiss']],
  'signed-out': ['signedOut', ['signIn', 'tryAgain', 'dismiss']],
  refused: ['notLetIn', ['tryAgain', 'dismiss']],
  'not-admitted': ['notAdmitted', ['tryAgain', 'dismiss']],
  'password-required': ['passwordRequired', ['dismiss']],
  'password-wrong': ['passwordWrong', ['dismiss']],
  'store-unavailable': ['storeTrouble', ['tryAgain', 'dismiss']],
  'room-create-refused': ['roomRefused', ['dismiss']],
  'room-name-invalid': ['roomNameInvalid', ['dismiss']],
  'name-invalid': ['nameInvalid', ['dismiss']],
  forbidden: ['forbidden', ['signIn', 'tryAgain', 'dismiss']],
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
  return { ...notice(key, code === 'replaced' ? 'info' : 'danger', actions), code, ...(message === '' ? {} : { detail: message }) };
}

/** What goes wrong with what one does to others. @type {Record<string, [string, string[]]>} */
const DEEDS = { 'room-full': ['admitFull', ['dismiss']], forbidden: ['deedForbidden', ['dismiss']], 'rate-limited': ['rateLimited', ['dismiss']] };

/**
 * Why something was not done that was asked for in a room; nothing where nobody need know: the member,
 * or the line, has gone meanwhile.
 * @param {{ code: string, message: string }} error
 * @returns {Notice | null}
 */
export function deedNotice({ code, message }) {
  if (['member-unknown', 'line-unknown', 'socket-lost'].includes(code)) return null;
  const [key, actions] = DEEDS[code] ?? ['boxFault', ['dismiss']];
  return { ...notice(key, 'warn', actions), code, ...(message === '' ? {} : { detail: message }) };
}
