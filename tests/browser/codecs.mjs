// Pictures in other codecs and from other devices: what is published passes as it is, late viewers
// begin at once, a change in the middle is not seen, and who cannot show a picture is told why.
//
// usage: node tests/browser/codecs.mjs URL [--gap MS]
//   --gap   longest stillness over a change (default 1000)
// Publishers choose by a script of this test's own, before the page's: a page does not choose.
// Prints one line a check and a JSON summary; exit 1 if any check failed.

import { parseArgs } from 'node:util';

import { checklist } from './checks.mjs';
import { LIGHT, WORDS, join, launch, noFaults, openPage, pictureGrows, tilesOf, until } from './page.mjs';
import { look, mark, seen } from './picture.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { gap: { type: 'string', default: '1000' } } });
const [url] = positionals;
if (!URL.canParse(url)) throw new Error('usage: node tests/browser/codecs.mjs URL [--gap MS]');
const longestMs = Number(values.gap);
/** How long a camera is off: the box keeps no picture for so long. */
const OFF_MS = 3000;
const { check, finish } = checklist({ url });
/** @type {string[]} */
const faults = [];

/** In the page, before its own scripts: its camera is offered in this codec, or with these encodings. */
function publishAs({ codec, encodings }) {
  const original = RTCPeerConnection.prototype.addTransceiver;
  RTCPeerConnection.prototype.addTransceiver = function addTransceiver(track, init) {
    if (typeof track === 'string' || track.kind !== 'video') return original.call(this, track, init);
    const change = (encoding) => ({ ...encoding, scalabilityMode: 'L1T1', scaleResolutionDownBy: 2 * (encoding.scaleResolutionDownBy ?? 1) });
    const sendEncodings = Array.isArray(encodings) ? encodings : init.sendEncodings.map(change);
    const transceiver = original.call(this, track, { ...init, sendEncodings });
    if (codec) {
      const all = RTCRtpReceiver.getCapabilities('video').codecs;
      transceiver.setCodecPreferences(all.filter(({ mimeType }) => [`video/${codec}`, 'video/rtx'].includes(mimeType)));
    }
    return transceiver;
  };
}

/** In the page, before its own scripts: this browser has no decoder for a codec. */
function unableToShow(codec) {
  const without = ({ mimeType }) => mimeType !== `video/${codec}`;
  const capabilities = RTCRtpReceiver.getCapabilities.bind(RTCRtpReceiver);
  RTCRtpReceiver.getCapabilities = (kind) => ({ ...capabilities(kind), codecs: capabilities(kind).codecs.filter(without) });
  const original = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = async function setRemoteDescription(description) {
    await original.call(this, description);
    if (description.type !== 'offer') return;
    for (const transceiver of this.getTransceivers()) {
      if (transceiver.receiver.track.kind === 'video') transceiver.setCodecPreferences(RTCRtpReceiver.getCapabilities('video').codecs);
    }
  };
}

const one = [{ maxBitrate: 700_000, scaleResolutionDownBy: 2 }];
const WAYS = {
  'VP9 in three layers': { codec: 'VP9', encodings: 'simulcast' },
  'VP9 with spatial layers in one stream': { codec: 'VP9', encodings: [{ maxBitrate: 900_000, scalabilityMode: 'L3T3_KEY', scaleResolutionDownBy: 2 }] },
  AV1: { codec: 'AV1', encodings: one },
};

/** The codec of somebody's picture as a page decodes it. */
const decoded = (page, name) => page.evaluate(async (wanted) => {
  const { state, down } = window.parlor;
  const member = state.members.find((other) => other.name === wanted);
  const all = await down?.getStats();
  for (const stats of all?.values() ?? []) {
    const shown = stats.type === 'inbound-rtp' && stats.kind === 'video' ? state.mids[stats.mid] : undefined;
    if (shown?.member === member?.id) return all.get(stats.codecId)?.mimeType.replace('video/', '');
  }
  return undefined;
}, name);

/** A page whose scripts begin with one of this test's. */
async function openWith(browser, script, argument) {
  const page = await openPage(browser, 'about:blank', faults);
  await page.addInitScript(script, argument);
  await page.goto(url);
  return page;
}

async function leaves(page, name, witness) {
  await page.getByRole('button', { name: WORDS.en.leave }).click();
  await until(`${name} is gone`, () => tilesOf(witness), (tiles) => !tiles.some((tile) => tile.name === name));
  await page.context().close();
}

/** A change of the followed picture; the longest stillness is held against the limit. */
async function without(page, change, done) {
  await mark(page);
  await change();
  await until('it has changed', done, Boolean);
  await until('and goes on', () => seen(page), ({ ms, frames }) => ms > 1500 && frames > 10);
  const { longestGapMs, heights } = await seen(page);
  if (!(longestGapMs <= longestMs)) throw new Error(`still for ${longestGapMs} ms`);
  return { longestGapMs, heights };
}

async function ways(browser, ana) {
  for (const [what, way] of Object.entries(WAYS)) {
    const ben = await openWith(browser, publishAs, way);
    await check(`${what} is seen as it was sent`, async () => {
      await join(ben, 'Ben');
      await pictureGrows(ana, ['Ben']);
      const codec = await decoded(ana, 'Ben');
      if (codec !== way.codec) throw new Error(`it comes as ${codec}`);
    });
    await check(`${what}: whoever comes late sees it too`, async () => {
      const cleo = await openPage(browser, url, faults);
      await join(cleo, 'Cleo');
      const { live, joinedAt } = await until('a picture', () => cleo.evaluate(() => window.seen), (found) => found.live.Ben !== undefined);
      await pictureGrows(cleo, ['Ben']);
      await leaves(cleo, 'Cleo', ana);
      return Math.round(live.Ben - joinedAt);
    });
    await leaves(ben, 'Ben', ana);
  }
}

/** Everything that is sent of the camera is encoded so from now on. */
const encodeAs = (page, codec) => page.evaluate(async (wanted) => {
  const sender = window.parlor.up.getSenders().find(({ track }) => track?.kind === 'video');
  const parameters = sender.getParameters();
  const [found] = parameters.codecs.filter(({ mimeType }) => mimeType === `video/${wanted}`);
  for (const encoding of parameters.encodings) encoding.codec = found;
  await sender.setParameters(parameters);
}, codec);

/** The camera's track is one of this size from now on. */
const takeDevice = (page, width, height) => page.evaluate(async (size) => {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { exact: size.width }, height: { exact: size.height } } });
  const sender = window.parlor.up.getSenders().find(({ track }) => track?.kind === 'video');
  await sender.replaceTrack(stream.getVideoTracks()[0]);
}, { width, height });

async function changes(browser, ana) {
  const ben = await openWith(browser, publishAs, { encodings: [{ maxBitrate: 700_000 }] });
  await join(ben, 'Ben');
  await pictureGrows(ana, ['Ben']);
  await look(ana, 'Ben');
  for (const codec of ['VP9', 'H264', 'VP8']) {
    await check(`from here on in ${codec}: the picture goes on`, () => without(
      ana, () => encodeAs(ben, codec), async () => (await decoded(ana, 'Ben')) === codec));
  }
  for (const [width, height] of [[320, 240], [1280, 720]]) {
    await check(`from a device of ${height} lines: the picture goes on`, () => without(
      ana, () => takeDevice(ben, width, height), async () => (await seen(ana)).height === height));
  }
  await check('camera off is told, and on again it is back', async () => {
    const camera = ben.getByRole('button', { name: 'Camera', exact: true });
    const state = () => ana.getByRole('group', { name: 'Ben', exact: true }).getAttribute('data-state');
    await camera.click();
    await until('off', state, (value) => value === 'muted');
    // What the box kept of the picture is old by then.
    await until('no frame for a while', () => seen(ana), ({ longestGapMs }) => longestGapMs > OFF_MS);
    await mark(ana);
    const before = (await seen(ana)).decoded;
    await camera.click();
    await until('on', state, (value) => value === 'live');
    const { ms, decoded: frames } = await until('it is decoded', () => seen(ana), (now) => now.decoded > before);
    if (!(ms <= longestMs)) throw new Error(`back after ${ms} ms`);
    return { ms, frames };
  });
  await leaves(ben, 'Ben', ana);
}

async function refusal(browser, ana) {
  const cleo = await openWith(browser, unableToShow, 'VP9');
  const ben = await openWith(browser, publishAs, { codec: 'VP9', encodings: one });
  await check('who cannot show a picture is told so, and the others see it', async () => {
    await join(cleo, 'Cleo');
    await join(ben, 'Ben');
    await pictureGrows(ana, ['Ben']);
    const words = () => cleo.getByRole('group', { name: 'Ben', exact: true }).locator('.tile-words').textContent();
    return until('a sentence', words, (text) => (text ?? '').includes('VP9'));
  });
  await leaves(ben, 'Ben', ana);
  await leaves(cleo, 'Cleo', ana);
}

async function main() {
  const browser = await launch(LIGHT);
  try {
    const ana = await openPage(browser, url, faults);
    await join(ana, 'Ana');
    await ways(browser, ana);
    await changes(browser, ana);
    await refusal(browser, ana);
    await check('no errors in any page', () => noFaults(faults));
  } finally {
    await browser.close();
  }
}

await main();
finish();
