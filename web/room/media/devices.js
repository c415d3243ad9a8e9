// Cameras, microphones and speakers of this device: asks, opens, switches, says what went wrong.
// Nothing here knows the room.

/** @typedef {'refused' | 'busy' | 'none' | 'insecure' | 'unknown'} MediaFault */
/** @typedef {'auto' | 'high' | 'standard' | 'low'} Quality */
/** @typedef {{ camera: string, microphone: string, speaker: string, quality: Quality }} Choice */

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
  const all = devicesAllowed() ? await navigator.mediaDevices.enumerateDevices() : [];
  const named = all.filter((device) => device.deviceId !== '' && device.label !== '');
  return {
    camera: named.filter((device) => device.kind === 'videoinput'),
    microphone: named.filter((device) => device.kind === 'audioinput'),
    speaker: named.filter((device) => device.kind === 'audiooutput'),
  };
}

/** @param {Choice} choice @returns {MediaTrackConstraints} */
function cameraWish({ camera, quality }) {
  const { width, height, frameRate } = QUALITIES[quality];
  return {
    width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: frameRate },
    ...(camera === '' ? { facingMode: 'user' } : { deviceId: { ideal: camera } }),
  };
}

/** @param {Choice} choice @returns {MediaTrackConstraints} */
function microphoneWish({ microphone }) {
  return {
    echoCancellation: true, noiseSuppression: true, autoGainControl: true,
    ...(microphone === '' ? {} : { deviceId: { ideal: microphone } }),
  };
}

/** @param {Choice} choice @returns {Promise<MediaStreamTrack>} */
export async function openCamera(choice) {
  const stream = await getMedia({ video: cameraWish(choice) });
  return first(stream.getVideoTracks());
}

/** @param {Choice} choice @returns {Promise<MediaStreamTrack>} */
export async function openMicrophone(choice) {
  const stream = await getMedia({ audio: microphoneWish(choice) });
  return first(stream.getAudioTracks());
}

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
 * Opens what is wanted with one question to the user. If one of the two is missing or busy, the
 * other is opened alone.
 * @param {Choice} choice
 * @param {{ camera: boolean, microphone: boolean }} want
 * @returns {Promise<Opened>}
 */
export async function openBoth(choice, want) {
  /** @type {Opened} */
  const opened = { camera: null, microphone: null, cameraFault: null, microphoneFault: null };
  if (want.camera && want.microphone) {
    try {
      const stream = await getMedia({ video: cameraWish(choice), audio: microphoneWish(choice) });
      opened.camera = first(stream.getVideoTracks());
      opened.microphone = first(stream.getAudioTracks());
      return opened;
    } catch (error) {
      const fault = faultOf(error);
      if (fault === 'refused' || fault === 'insecure') {
        // Refused is one answer for both; what is granted already may still be opened alone.
        const [camera, microphone] = await Promise.all([permission('camera'), permission('microphone')]);
        const one = camera === 'granted' ? microphone !== 'granted' : microphone === 'granted';
        want = { camera: one && camera === 'granted', microphone: one && microphone === 'granted' };
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

/** Loudness of a track, 0 to 1, for the meter and for one's own outline. */
export class LevelMeter {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
  /** @type {AnalyserNode | null} */
  #analyser = null;
  #samples = new Float32Array(1024);

  /** @param {MediaStreamTrack | null} track */
  watch(track) {
    this.#source?.disconnect();
    this.#source = null;
    if (!track) return;
    this.#context ??= new AudioContext();
    void this.#context.resume().catch(() => {});
    this.#analyser ??= new AnalyserNode(this.#context, { fftSize: 1024 });
    this.#source = new MediaStreamAudioSourceNode(this.#context, { mediaStream: new MediaStream([track]) });
    this.#source.connect(this.#analyser);
  }

  /** @returns {number} root mean square of the last 20 ms, 0 to 1 */
  level() {
    if (!this.#source || !this.#analyser) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return Math.sqrt(sum / this.#samples.length);
  }
}

/** Two soft notes, to hear whether the speaker is the right one. @param {string} speaker */
export async function playTestSound(speaker) {
  const sound = new Audio(URL.createObjectURL(testSound()));
  sound.onended = () => URL.revokeObjectURL(sound.src);
  if (speakerAllowed()) await sound.setSinkId(speaker).catch(() => {});
  await sound.play().catch(() => {});
}

/** @returns {Blob} a WAV file */
function testSound() {
  const rate = 22050;
  const length = Math.round(rate * 0.9);
  const view = new DataView(new ArrayBuffer(44 + length * 2));
  const word = (/** @type {number} */ at, /** @type {string} */ text) => {
    [...text].forEach((char, index) => view.setUint8(at + index, char.charCodeAt(0)));
  };
  word(0, 'RIFF'); view.setUint32(4, 36 + length * 2, true); word(8, 'WAVEfmt ');
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true); word(36, 'data'); view.setUint32(40, length * 2, true);
  for (let index = 0; index < length; index += 1) {
    const time = index / rate;
    const [pitch, start] = time < 0.35 ? [523.25, 0] : [659.25, 0.35];
    const fade = Math.exp(-(time - start) * 6) * Math.min(1, (time - start) * 80);
    view.setInt16(44 + index * 2, Math.sin(2 * Math.PI * pitch * time) * fade * 9000, true);
  }
  return new Blob([view], { type: 'audio/wav' });
}
