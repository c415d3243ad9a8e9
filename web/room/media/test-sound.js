// What the speaker test plays: made here, so that no file has to be fetched.

import { speakerAllowed } from './devices.js';

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
