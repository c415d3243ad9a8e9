// Short sounds for what happens in the room, made here so that no file has to be fetched: the speaker
// test, who comes, who goes, who knocks, who writes.

import { speakerAllowed } from './devices.js';

const RATE = 22050;
const LOUDEST = 9000;

/** Pitch in Hz and when it begins, in seconds. @typedef {[number, number][]} Notes */

/** @type {Record<'test' | 'joined' | 'left' | 'knock' | 'hand', Notes>} */
const TUNES = {
  test: [[523.25, 0], [659.25, 0.35]],
  joined: [[523.25, 0], [783.99, 0.12]],
  left: [[659.25, 0], [440, 0.12]],
  knock: [[783.99, 0], [659.25, 0.28], [783.99, 0.9], [659.25, 1.18]],
  hand: [[880, 0]],
};
/** @typedef {keyof typeof TUNES} Tune */

/** @param {Tune} tune @param {string} speaker @param {number} [loudness] 0 to 1 */
export async function play(tune, speaker, loudness = 1) {
  const sound = new Audio(URL.createObjectURL(wave(TUNES[tune])));
  sound.volume = loudness;
  sound.onended = () => URL.revokeObjectURL(sound.src);
  if (speakerAllowed()) await sound.setSinkId(speaker).catch(() => {});
  await sound.play().catch(() => {});
}

/** @param {Notes} notes @returns {Blob} a WAV file */
function wave(notes) {
  const [, last] = notes.at(-1) ?? [0, 0];
  const length = Math.round(RATE * (last + 0.55));
  const view = new DataView(new ArrayBuffer(44 + length * 2));
  const word = (/** @type {number} */ at, /** @type {string} */ text) => {
    [...text].forEach((char, index) => view.setUint8(at + index, char.charCodeAt(0)));
  };
  word(0, 'RIFF'); view.setUint32(4, 36 + length * 2, true); word(8, 'WAVEfmt ');
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true); view.setUint32(28, RATE * 2, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true); word(36, 'data'); view.setUint32(40, length * 2, true);
  for (let index = 0; index < length; index += 1) {
    const time = index / RATE;
    const [pitch, start] = notes.filter(([, at]) => at <= time).at(-1) ?? [0, 0];
    const fade = Math.exp(-(time - start) * 6) * Math.min(1, (time - start) * 80);
    view.setInt16(44 + index * 2, Math.sin(2 * Math.PI * pitch * time) * fade * LOUDEST, true);
  }
  return new Blob([view], { type: 'audio/wav' });
}
