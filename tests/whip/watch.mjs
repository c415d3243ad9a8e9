// A WHEP viewer that is none of ours: an empty page of Chromium with fetch and RTCPeerConnection.

const EVERY_MS = 50;

/** In the page: offers, and leaves the connection in `window.peer`. */
async function connect(path) {
  const peer = new RTCPeerConnection();
  peer.addTransceiver('audio', { direction: 'recvonly' });
  const { receiver } = peer.addTransceiver('video', { direction: 'recvonly' });
  const video = document.createElement('video');
  Object.assign(video, { srcObject: new MediaStream([receiver.track]), muted: true, autoplay: true });
  // Beside what the page is made of, which goes on asking what there is.
  document.querySelectorAll('body > video').forEach((earlier) => earlier.remove());
  document.body.append(video);
  await peer.setLocalDescription();
  const answer = await fetch(path, {
    method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: peer.localDescription.sdp,
  });
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
  window.session = { url: answer.headers.get('Location'), etag: answer.headers.get('ETag') };
  await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  window.peer = peer;
}

/** In the page: an ICE restart by PATCH (RFC 9725, 4.3.3). */
async function restart() {
  const { peer, session } = window;
  const before = peer.remoteDescription.sdp;
  await peer.setLocalDescription(await peer.createOffer({ iceRestart: true }));
  const line = (sdp, key) => sdp.match(new RegExp(`^a=${key}:(.*)$`, 'm'))[1].trim();
  const [ufrag, pwd] = [line(peer.localDescription.sdp, 'ice-ufrag'), line(peer.localDescription.sdp, 'ice-pwd')];
  const answer = await fetch(session.url, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*' },
    body: `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${pwd}\r\n`,
  });
  if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
  const fragment = await answer.text();
  const sdp = before
    .replaceAll(/a=ice-ufrag:.*\r\n/g, `a=ice-ufrag:${line(fragment, 'ice-ufrag')}\r\n`)
    .replaceAll(/a=ice-pwd:.*\r\n/g, `a=ice-pwd:${line(fragment, 'ice-pwd')}\r\n`);
  await peer.setRemoteDescription({ type: 'answer', sdp });
  session.etag = answer.headers.get('ETag');
}

/** In the page: what has been decoded so far. */
async function read() {
  const reports = [...(await window.peer.getStats()).values()];
  const inbound = (kind) => reports.find((report) => report.type === 'inbound-rtp' && report.kind === kind) ?? {};
  const codec = reports.find((report) => report.id === inbound('video').codecId);
  const { framesDecoded: frames = 0, frameWidth: width, freezeCount: freezes } = inbound('video');
  // Samples are only counted where something plays them; a muted page has nothing that does.
  const { packetsReceived: sound = 0 } = inbound('audio');
  return { frames, width, freezes, sound, codec: codec?.mimeType, state: window.peer.connectionState };
}

/**
 * @param {import('playwright-core').Page} page on any page of the box
 * @param {string} path of the WHEP resource
 * @param {{ frames: number, withinMs: number, codec?: string }} wanted
 */
export async function watch(page, path, { frames, withinMs, codec }) {
  await page.evaluate(connect, path);
  const until = async (what, so) => {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const seen = await page.evaluate(read);
      if (so(seen)) return seen;
      if (Date.now() > deadline) throw new Error(`${what}: ${JSON.stringify(seen)}`);
      await new Promise((resolve) => { setTimeout(resolve, EVERY_MS); });
    }
  };
  const decoded = (n) => (seen) => seen.frames >= n && seen.sound > 0
    && (!codec || seen.codec?.toLowerCase() === `video/${codec}`);
  const first = await until(`${frames} frames of ${codec}`, decoded(frames));
  await page.evaluate(restart);
  const after = await until('frames after an ICE restart', decoded(first.frames + frames));
  const status = await page.evaluate(async () => {
    const { status } = await fetch(window.session.url, { method: 'DELETE' });
    return status;
  });
  if (status !== 200) throw new Error(`DELETE was answered ${status}`);
  await until('the connection closes', (seen) => ['closed', 'disconnected', 'failed'].includes(seen.state));
  return after;
}
