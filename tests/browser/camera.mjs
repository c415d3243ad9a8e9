// One camera as people and programs see it: its page, alone and embedded, who is watching, stills.
//
// usage: node tests/browser/camera.mjs BINARY [SHOTS]
// Starts a parlor with a test camera and a browser of its own; pictures of the pages go to the folder
// SHOTS. Prints one line a check and a JSON summary; exit 1 if any check failed.

import { createSocket } from 'node:dgram';
import { mkdir } from 'node:fs/promises';
import https from 'node:https';
import path from 'node:path';

import { Box, freePorts } from './box.mjs';
import { checklist } from './checks.mjs';
import { RtspClient } from './rtsp.mjs';
import { join, launch, openPage, until } from './page.mjs';

const [binary, shots] = process.argv.slice(2);
if (!binary) throw new Error('usage: node tests/browser/camera.mjs BINARY [SHOTS]');
if (shots) await mkdir(shots, { recursive: true });
const { summary, check, finish } = checklist({});
/** @type {string[]} */
const faults = [];
const box = new Box(binary);
const rtsp = await freePorts();
const url = await box.startOnLoopback(`name = "Front door"\n[rtsp]\nlisten = "127.0.0.1:${rtsp}"\n`);
const browser = await launch({ fps: 5 });

const shot = (page, name) => (shots ? page.screenshot({ path: path.join(shots, `${name}.png`) }) : undefined);
const stateOf = (page) => page.locator('#camera').getAttribute('data-state');
const live = (page) => until('it is live', () => stateOf(page), (state) => state === 'live', 20_000);
const frames = (page) => page.evaluate(() => document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames);
const camera = (page) => page.evaluate(async () => (await fetch('/api/v1/cameras/demo')).json());

/** As a program does: no browser, no cookies. Resolves with the head and the first bytes. */
function get(address, { headers = {}, bytes = Infinity } = {}) {
  return new Promise((resolve, reject) => {
    const request = https.get(new URL(address, url), { headers, rejectUnauthorized: false }, (response) => {
      const parts = [];
      let length = 0;
      const done = () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) });
      response.on('data', (part) => {
        parts.push(part);
        length += part.length;
        if (length >= bytes) {
          response.destroy();
          done();
        }
      });
      response.on('end', done);
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** Width and height of a JPEG (ITU T.81, B.2.2). */
function sizeOf(jpeg) {
  if (jpeg.readUInt16BE(0) !== 0xffd8) throw new Error('it is no JPEG');
  for (let at = 2; at < jpeg.length;) {
    const marker = jpeg.readUInt16BE(at);
    if (marker >= 0xffc0 && marker <= 0xffc2) return `${jpeg.readUInt16BE(at + 7)}x${jpeg.readUInt16BE(at + 5)}`;
    at += 2 + jpeg.readUInt16BE(at + 2);
  }
  throw new Error('it has no size');
}

async function alone() {
  const started = performance.now();
  const page = await openPage(browser, `${url}c/demo`, faults);
  await check('the page shows the picture', async () => {
    await live(page);
    const before = await frames(page);
    await until('frames go on', () => frames(page), (n) => n > before + 5);
    summary.firstPictureMs = Math.round(performance.now() - started);
    return summary.firstPictureMs;
  });
  await check('it says its name and that it is live, and offers sound', async () => {
    await page.getByRole('heading', { name: 'Front door' }).waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    const heard = page.getByRole('button', { name: 'Tap to hear' });
    await heard.click();
    await page.getByRole('button', { name: 'Sound off' }).waitFor();
    const energy = () => page.evaluate(async () => {
      const stats = await window.parlorCamera.whep.pc.getStats();
      return [...stats.values()].find(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio')?.totalAudioEnergy ?? 0;
    });
    await until('sound is heard', energy, (sum) => sum > 0);
  });
  await shot(page, 'camera');
  return page;
}

async function watched(page) {
  await check('whoever watches is seen by all', async () => {
    const room = await openPage(browser, `${url}r/home`, faults);
    await join(room, 'Ana');
    const button = page.getByRole('button', { name: /watching/ });
    await until('Ana counts too', () => button.textContent(), (text) => text?.includes('2 watching'));
    await button.click();
    await page.getByText('In the room: Ana').waitFor();
    await shot(page, 'watchers');
    await page.keyboard.press('Escape');
    const seen = await camera(page);
    if (seen.viewers.length !== 1 || seen.people[0] !== 'Ana') throw new Error(JSON.stringify(seen));
    await room.context().close();
  });
}

async function stills() {
  await check('a snapshot is a JPEG of the whole picture, a second old at most', async () => {
    const { status, headers, body } = await get('/api/v1/cameras/demo/snapshot.jpg');
    if (status !== 200 || headers['content-type'] !== 'image/jpeg') throw new Error(`${status} ${body}`);
    const age = Date.now() - Number(headers['x-parlor-taken-ms']);
    if (Math.abs(age) > 2500) throw new Error(`${age} ms old`);
    return [sizeOf(body), age];
  });
  await check('as go2rtc gives it', async () => {
    const { status, body } = await get('/api/frame.jpeg?src=demo');
    if (status !== 200) throw new Error(`${status}`);
    const { status: none } = await get('/api/frame.jpeg?src=nobody');
    if (none !== 404) throw new Error(`an unknown one: ${none}`);
    return sizeOf(body);
  });
  for (const address of ['/api/v1/cameras/demo/stream.mjpeg', '/api/stream.mjpeg?src=demo']) {
    await check(`${address} brings picture after picture`, async () => {
      const { status, headers, body } = await get(address, { bytes: 300_000 });
      if (status !== 200 || !headers['content-type']?.startsWith('multipart/x-mixed-replace')) throw new Error(`${status} ${headers['content-type']}`);
      const n = body.toString('latin1').split('--frame\r\n').length - 1;
      if (n < 2) throw new Error(`${n} pictures`);
      return n;
    });
  }
  await check('a page of another site gets none, whether it says where it is or not', async () => {
    for (const headers of [{ 'Sec-Fetch-Site': 'cross-site' }, { Origin: 'https://elsewhere.example' }]) {
      for (const address of ['/api/v1/cameras/demo/snapshot.jpg', '/api/frame.jpeg?src=demo', '/api/stream.mjpeg?src=demo']) {
        const { status } = await get(address, { headers });
        if (status !== 403) throw new Error(`${address} ${JSON.stringify(headers)}: ${status}`);
      }
    }
  });
}

async function players(page) {
  await check('a player watches by RTSP, from a keyframe on, and is seen', async () => {
    const client = await RtspClient.connect(rtsp);
    try {
      const { status, body } = await client.ask('DESCRIBE', 'demo');
      if (status !== 200 || !/a=rtpmap:96 H264.90000/.test(body) || !/opus.48000.2/.test(body)) throw new Error(`${status} ${body}`);
      for (const track of [0, 1]) await client.ask('SETUP', `demo/trackID=${track}`, { Transport: `RTP/AVP/TCP;unicast;interleaved=${2 * track}-${2 * track + 1}` });
      await client.ask('PLAY', 'demo');
      await until('packets come', () => client.counts(), ([picture = 0, , sound = 0]) => picture > 60 && sound > 60, 20_000);
      if (!client.beginsWithKeyframe) throw new Error('it begins in the middle');
      await until('it is seen', async () => (await camera(page)).viewers.map(({ name }) => name), (names) => names.includes('Scene'));
      await until('reports come', () => client.counts(), (counts) => counts[1] > 0 && counts[3] > 0, 10_000);
      return client.counts();
    } finally {
      client.close();
    }
  });
  await check('it is gone when its connection is', () => until('it is gone', async () => (await camera(page)).viewers.map(({ name }) => name), (names) => !names.includes('Scene')));
  await check('by UDP too', async () => {
    const client = await RtspClient.connect(rtsp);
    const socket = createSocket('udp4');
    let n = 0;
    socket.on('message', () => { n += 1; });
    try {
      await new Promise((resolve) => { socket.bind(0, '127.0.0.1', resolve); });
      const { port } = socket.address();
      await client.ask('SETUP', 'demo/trackID=0', { Transport: `RTP/AVP;unicast;client_port=${port}-${port + 1}` });
      await client.ask('PLAY', 'demo');
      await until('packets come', () => n, (count) => count > 60, 20_000);
    } finally {
      client.close();
      socket.close();
    }
  });
  await check('what is no request, and what is not there, is said', async () => {
    const client = await RtspClient.connect(rtsp);
    const answers = [];
    for (const [method, path] of [['OPTIONS', ''], ['DESCRIBE', 'nobody'], ['PLAY', 'demo'], ['RECORD', 'demo']]) answers.push((await client.ask(method, path)).status);
    client.close();
    if (answers.join() !== '200,404,455,405') throw new Error(answers.join());
  });
}

async function go2rtc(page) {
  await check('a client made for go2rtc watches by its socket', () => page.evaluate(() => new Promise((resolve, reject) => {
    const pc = new RTCPeerConnection();
    pc.addTransceiver('video', { direction: 'recvonly' });
    const video = document.createElement('video');
    video.muted = true;
    pc.ontrack = ({ streams: [stream] }) => {
      video.srcObject = stream;
      void video.play();
      video.requestVideoFrameCallback(() => { pc.close(); socket.close(); resolve(undefined); });
    };
    const socket = new WebSocket(`wss://${location.host}/api/ws?src=demo`);
    socket.onopen = async () => {
      await pc.setLocalDescription();
      socket.send(JSON.stringify({ type: 'webrtc/offer', value: pc.localDescription.sdp }));
    };
    socket.onmessage = ({ data }) => {
      const { type, value } = JSON.parse(data);
      if (type === 'webrtc/answer') void pc.setRemoteDescription({ type: 'answer', sdp: value });
      else reject(new Error(`${type}: ${value}`));
    };
    setTimeout(() => reject(new Error('no picture')), 15_000);
  })));
}

async function embedded() {
  await check('embedded and bare it is the picture alone', async () => {
    const page = await openPage(browser, `${url}c/demo?bare`, faults, { viewport: { width: 480, height: 270 } });
    await live(page);
    if (await page.getByRole('button').count() !== 0) throw new Error('there are buttons');
    await shot(page, 'bare');
    await page.context().close();
  });
  await check('the box’s own pages may embed it', async () => {
    const page = await openPage(browser, `${url}signin`, faults);
    await page.evaluate(() => {
      const frame = document.createElement('iframe');
      frame.src = '/c/demo?bare';
      document.body.append(frame);
    });
    const frame = page.frameLocator('iframe');
    await until('it is live', () => frame.locator('#camera').getAttribute('data-state'), (state) => state === 'live', 20_000);
    await page.context().close();
  });
}

async function others() {
  const phone = { viewport: { width: 390, height: 844 }, locale: 'zh-CN' };
  await check('on a phone, in Chinese', async () => {
    const page = await openPage(browser, `${url}c/demo`, faults, phone);
    await live(page);
    await page.getByText('直播').waitFor();
    await shot(page, 'phone-zh');
    await page.context().close();
  });
  await check('a camera that is not there is said not to be, with a way on', async () => {
    const noted = [];
    const page = await openPage(browser, `${url}c/nobody`, noted);
    await page.getByText('This box has no camera called nobody.').waitFor();
    await page.getByRole('link', { name: 'See the rooms' }).waitFor();
    await shot(page, 'unknown');
    await page.context().close();
  });
}

async function closed(page) {
  const room = await openPage(browser, `${url}r/home`, faults);
  await join(room, 'Ben');
  const owner = await openPage(browser, `${url}c/demo`, faults);
  await check('the owner closes it, and all are told by whom', async () => {
    const made = await owner.evaluate(async (code) => {
      const body = JSON.stringify({ code, name: 'Ana', password: 'correct horse battery' });
      return (await fetch('/api/v1/setup', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })).status;
    }, box.setUpCode);
    if (made !== 201) throw new Error(`set-up: ${made}`);
    const { status } = await page.evaluate(async () => {
      const body = JSON.stringify({ closed: true });
      const answer = await fetch('/api/v1/cameras/demo', { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body });
      return { status: answer.status };
    });
    if (status !== 401) throw new Error(`a guest: ${status}`);
    faults.splice(0, faults.length, ...faults.filter((fault) => !fault.includes('401')));
    await owner.reload();
    await live(owner);
    await owner.getByRole('button', { name: 'Close the camera' }).click();
    await owner.getByRole('button', { name: 'Open the camera' }).waitFor();
    await page.getByText('Ana closed the camera at').waitFor();
    await room.getByRole('group', { name: 'Front door' }).getByText('Ana closed the camera at').waitFor();
    await shot(page, 'closed');
    await shot(room, 'closed-tile');
    const still = await get('/api/v1/cameras/demo/snapshot.jpg?last');
    if (still.status !== 503) throw new Error(`a still: ${still.status}`);
  });
  await check('it stays closed over a restart, and opens when its owner says so', async () => {
    await box.stop();
    await box.start();
    await page.getByText('Ana closed the camera at').waitFor({ timeout: 40_000 });
    await owner.reload();
    await owner.getByRole('button', { name: 'Open the camera' }).click();
    await live(owner);
    await until('it is live for others too', () => stateOf(page), (state) => state === 'live', 30_000);
  });
  await owner.context().close();
  await room.context().close();
}

async function lost(page) {
  await check('the box goes and comes back, and so does the picture', async () => {
    faults.splice(0); // from here on it has reason to complain
    await box.kill();
    await until('it says so', () => stateOf(page), (state) => state !== 'live', 30_000);
    await page.getByText('The connection was lost at').waitFor({ timeout: 15_000 });
    await shot(page, 'lost');
    await box.start();
    await until('it is live', () => stateOf(page), (state) => state === 'live', 40_000);
  });
}

try {
  const page = await alone();
  await watched(page);
  await stills();
  await players(page);
  await go2rtc(page);
  await embedded();
  await others();
  await check('no page complains', () => {
    // Before the first still of a camera there is no poster.
    const real = faults.filter((fault) => !fault.includes('503'));
    if (real.length > 0) throw new Error(real.join('; '));
  });
  await closed(page);
  await lost(page);
} finally {
  await browser.close();
  await box.remove();
}
finish();
