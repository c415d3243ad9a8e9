// Cameras, microphones and speakers of this device: asks, opens, switches, says what went wrong.
// Nothing here knows the room.

/** @typedef {'refused' | 'busy' | 'none' | 'insecure' | 'unknown'} MediaFault */
/** @typedef {'auto' | 'high' | 'standard' | 'low'} Quality */
/** @typedef {{ camera: string, microphone: string, speaker: string, quality: Quality, noiseSuppression: boolean, echoCancellation: boolean, autoGainControl: boolean }} Choice */
/** What may be done to one's own sound. @typedef {'noiseSuppression' | 'echoCancellation' | 'autoGainControl'} Treatment */

/** What each quality asks of the camera, and of the encoder in bits a second. */
export const QUALITIES = {
  auto: { width: 1280, height: 720, frameRate: 30, maxBitrate: 1_500_000 },
  high: { width: 1280, height: 720, frameRate: 30, maxBitrate: 2_500_000 },
  standard: { width: 640, height: 360, frameRate: 30, maxBitrate: 700_000 },
  low: { width: 320, height: 180, frameRate: 15, maxBitrate: 200_000 },
};

/** True where the browser hands out devices at all: https, or localhost. */
export const devicesAllowed = () => isSecureContext && navigator.mediaDevices !== undefined;
/** True where a screen can be shared (phones cannot). */
export const screenAllowed = () => devicesAllowed() && 'getDisplayMedia' in navigator.mediaDevices;
/** True where the speaker can be chosen. */
export const speakerAllowed = () => 'setSinkId' in HTMLMediaElement.prototype;

/**
 * Why a device could not be had.
 * @param {unknown} error of getUserMedia
 * @returns {MediaFault}
 */
export function faultOf(error) {
  if (!devicesAllowed()) return 'insecure';
  const name = error instanceof Error ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'refused';
  if (name === 'NotReadableError' || name === 'AbortError') return 'busy';
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'none';
  return 'unknown';
}

/**
 * Whether the browser would open this at once, would ask, or would refuse.
 * @param {'camera' | 'microphone'} kind
 * @returns {Promise<'granted' | 'prompt' | 'denied'>}
 */
export async function permission(kind) {
  try {
    const status = await navigator.permissions.query({ name: /** @type {PermissionName} */ (kind) });
    return status.state;
  } catch {
    return 'prompt'; // this browser does not tell
  }
}

/**
 * The devices there are. Before permission they have no names and are left out.
 * @returns {Promise<Record<'camera' | 'microphone' | 'speaker', MediaDeviceInfo[]>>}
 */
export async function listDevices() {
  const all = await everyDevice();
  const named = all.filter((device) => device.deviceId !== '' && device.label !== '');
  return {
    camera: named.filter((device) => device.kind === 'videoinput'),
    microphone: named.filter((device) => device.kind === 'audioinput'),
    speaker: named.filter((device) => device.kind === 'audiooutput'),
  };
}

/**
 * Whether this machine has any such device at all; told before permission, too.
 * @returns {Promise<{ camera: boolean, microphone: boolean }>}
 */
export async function presentDevices() {
  const all = await everyDevice().catch(() => null);
  const has = (/** @type {MediaDeviceKind} */ kind) => all?.some((device) => device.kind === kind) ?? true;
  // Without https nothing is listed; what is missing there is not the device.
  return devicesAllowed() ? { camera: has('videoinput'), microphone: has('audioinput') } : { camera: true, microphone: true };
}

async function everyDevice() {
  return devicesAllowed() ? navigator.mediaDevices.enumerateDevices() : [];
}

/**
 * The device that was chosen, or any where it is no longer there. Not `ideal`: browsers weigh that
 * against size and frame rate, and then open another one.
 * @param {string} id
 */
const chosen = (id) => ({ deviceId: { exact: id } });

/** @param {Choice} choice @returns {MediaTrackConstraints} */
function cameraWish({ camera, quality }) {
  const { width, height, frameRate } = QUALITIES[quality];
  return {
    width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: frameRate },
    ...(camera === '' ? { facingMode: 'user' } : chosen(camera)),
  };
}

/** @param {Choice} choice @returns {MediaTrackConstraints} */
function microphoneWish({ microphone, noiseSuppression, echoCancellation, autoGainControl }) {
  return {
    echoCancellation, noiseSuppression, autoGainControl,
    ...(microphone === '' ? {} : chosen(microphone)),
  };
}

/** @param {Choice} choice @returns {Promise<MediaStreamTrack>} */
export async function openCamera(choice) {
  const open = async (/** @type {Choice} */ wish) => first((await getMedia({ video: cameraWish(wish) })).getVideoTracks());
  return open(choice).catch((error) => (choice.camera !== '' && isAway(error) ? open({ ...choice, camera: '' }) : Promise.reject(error)));
}

/** @param {Choice} choice @returns {Promise<MediaStreamTrack>} */
export async function openMicrophone(choice) {
  const open = async (/** @type {Choice} */ wish) => first((await getMedia({ audio: microphoneWish(wish) })).getAudioTracks());
  return open(choice).catch((error) => (choice.microphone !== '' && isAway(error) ? open({ ...choice, microphone: '' }) : Promise.reject(error)));
}

/** The device that was chosen is not there. @param {unknown} error */
const isAway = (error) => error instanceof Error && (error.name === 'OverconstrainedError' || error.name === 'NotFoundError');

/** @param {MediaStreamConstraints} wish */
async function getMedia(wish) {
  if (!devicesAllowed()) throw new DOMException('no devices without https', 'SecurityError');
  return navigator.mediaDevices.getUserMedia(wish);
}

/** @param {MediaStreamTrack[]} tracks */
function first(tracks) {
  const track = tracks[0];
  if (!track) throw new DOMException('no track', 'NotFoundError');
  if (track.kind === 'video') track.contentHint = 'motion';
  return track;
}

/**
 * @typedef {object} Opened
 * @property {MediaStreamTrack | null} camera
 * @property {MediaStreamTrack | null} microphone
 * @property {MediaFault | null} cameraFault
 * @property {MediaFault | null} microphoneFault
 */

/**
 * Opens what is wanted with one question to the user; nothing is asked for that is not there or that
 * the user has blocked. If one of the two cannot be had, the other is opened alone.
 * @param {Choice} choice
 * @param {{ camera: boolean, microphone: boolean }} want
 * @returns {Promise<Opened>}
 */
export async function openBoth(choice, want) {
  /** @type {Opened} */
  const opened = { camera: null, microphone: null, cameraFault: null, microphoneFault: null };
  const [present, camera, microphone] = await Promise.all([presentDevices(), permission('camera'), permission('microphone')]);
  opened.cameraFault = want.camera ? foreseen(present.camera, camera) : null;
  opened.microphoneFault = want.microphone ? foreseen(present.microphone, microphone) : null;
  want = { camera: want.camera && opened.cameraFault === null, microphone: want.microphone && opened.microphoneFault === null };
  if (want.camera && want.microphone) {
    try {
      const stream = await getMedia({ video: cameraWish(choice), audio: microphoneWish(choice) });
      opened.camera = first(stream.getVideoTracks());
      opened.microphone = first(stream.getAudioTracks());
      return opened;
    } catch (error) {
      const fault = faultOf(error);
      if (fault === 'refused' || fault === 'insecure') {
        // Refused is one answer for both; what is granted may still be opened alone.
        const [cameraNow, microphoneNow] = await Promise.all([permission('camera'), permission('microphone')]);
        const one = cameraNow === 'granted' ? microphoneNow !== 'granted' : microphoneNow === 'granted';
        want = { camera: one && cameraNow === 'granted', microphone: one && microphoneNow === 'granted' };
        opened.cameraFault = want.camera ? null : fault;
        opened.microphoneFault = want.microphone ? null : fault;
      }
    }
  }
  if (want.camera) {
    try { opened.camera = await openCamera(choice); } catch (error) { opened.cameraFault = faultOf(error); }
  }
  if (want.microphone) {
    try { opened.microphone = await openMicrophone(choice); } catch (error) { opened.microphoneFault = faultOf(error); }
  }
  return opened;
}

/**
 * Why it need not even be asked for.
 * @param {boolean} present
 * @param {'granted' | 'prompt' | 'denied'} answer
 * @returns {MediaFault | null}
 */
function foreseen(present, answer) {
  if (!devicesAllowed()) return 'insecure';
  if (!present) return 'none';
  return answer === 'denied' ? 'refused' : null;
}

/**
 * A screen, window or tab, with its sound where the browser offers that.
 * @returns {Promise<{ video: MediaStreamTrack, audio: MediaStreamTrack | null }>}
 */
export async function openScreen() {
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: true });
  const video = stream.getVideoTracks()[0];
  if (!video) throw new DOMException('no track', 'NotFoundError');
  video.contentHint = 'detail';
  return { video, audio: stream.getAudioTracks()[0] ?? null };
}
