// What a fake microphone hears: somebody who talks for two seconds and is silent for two, for ever.
// Chromium's own beep is shorter than any word, and no box takes it for speech.

import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const RATE = 48_000;
const TALK_S = 2;
const SILENCE_S = 2;

/** One sample of a hum with overtones that swells and fades like syllables, -1 to 1. */
function sample(second) {
  if (second >= TALK_S) return 0;
  const syllable = Math.max(0, Math.sin(2 * Math.PI * 3 * second)) ** 0.5;
  const pitch = 140 + 30 * Math.sin(2 * Math.PI * 0.7 * second);
  let sum = 0;
  for (let overtone = 1; overtone <= 20; overtone += 1) sum += Math.sin(2 * Math.PI * pitch * overtone * second) / overtone;
  return 0.3 * syllable * sum;
}

/** Writes it as WAV (PCM, 16 bit, one channel) into a new folder; resolves to its path. */
export async function voiceFile() {
  const n = RATE * (TALK_S + SILENCE_S);
  const wav = Buffer.alloc(44 + 2 * n);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + 2 * n, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20); // PCM
  wav.writeUInt16LE(1, 22); // channels
  wav.writeUInt32LE(RATE, 24);
  wav.writeUInt32LE(2 * RATE, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(2 * n, 40);
  for (let index = 0; index < n; index += 1) {
    const value = Math.max(-1, Math.min(1, sample(index / RATE)));
    wav.writeInt16LE(Math.round(32_000 * value), 44 + 2 * index);
  }
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'parlor-voice-')), 'voice.wav');
  await writeFile(file, wav);
  return file;
}
