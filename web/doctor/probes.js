// What the browser tries: sockets, clocks, connections to the box's media plane. Facts only; `verdicts.js`
// says what they mean.

import { candidate, candidatesOf, only } from './verdicts.js';

/** @typedef {import('./verdicts.js').Path} Path @typedef {import('./verdicts.js').Candidate} Candidate */

/** A socket that has not opened by then is not going to. */
const SOCKET_MS = 6_000;
/** Connections: browsers give up on a way after some 15 s, and one that stands does within one or two. */
const PATH_MS = 10_000;
/** Gathering: an answer that comes later is of no use in a call either. */
const GATHER_MS = 9_500;

/** @param {number} ms */
const after = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** The signaling socket, up to the box's welcome. @returns {Promise<{ open: boolean, detail: string, tookMs: number }>} */
export async function trySocket() {
  const started = performance.now();
  const url = `${location.protocol === 'http:' ? 'ws' : 'wss'}://${location.host}/api/v1/signal`;
  const said = await new Promise((resolve) => {
    void after(SOCKET_MS).then(() => resolve(''));
    try {
      const socket = new WebSocket(url);
      socket.onopen = () => socket.send(JSON.stringify({ id: 0, type: 'hello', version: 1 }));
      socket.onmessage = ({ data }) => { resolve(String(data)); socket.close(); };
      socket.onclose = ({ code }) => resolve(`closed with ${code}`);
    } catch (error) {
      resolve(String(error));
    }
  });
  const open = said.includes('"welcome"');
  return { open, detail: open ? url : `${url}: ${said || 'no answer'}`, tookMs: performance.now() - started };
}

/** The way without WebSocket: events come by an answer that goes on. @returns {Promise<{ open: boolean, detail: string, tookMs: number }>} */
export async function tryEvents() {
  const started = performance.now();
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), SOCKET_MS);
  try {
    const answer = await fetch('/api/v1/signal', { headers: { Accept: 'text/event-stream' }, cache: 'no-store', signal: giveUp.signal });
    const type = answer.headers.get('content-type') ?? '';
    const first = answer.ok ? await answer.body?.getReader().read() : undefined;
    const open = type.startsWith('text/event-stream') && first?.done === false;
    return { open, detail: `${answer.status} ${type}`, tookMs: performance.now() - started };
  } catch (error) {
    return { open: false, detail: String(error), tookMs: performance.now() - started };
  } finally {
    clearTimeout(timer);
    giveUp.abort();
  }
}

/** The box's clock, by the head of an answer, and ours half way through. */
export async function tryClock() {
  const started = performance.now();
  const answer = await fetch('/healthz', { cache: 'no-store' });
  const tookMs = performance.now() - started;
  const date = Date.parse(answer.headers.get('date') ?? '');
  return { hereMs: Date.now() - tookMs / 2, thereMs: date, tookMs };
}

/**
 * Whether the browser lets this page reach the local network (Chromium's Local Network Access); `null`
 * where it does not tell.
 */
export async function localNetwork() {
  try {
    const asked = await navigator.permissions.query({ name: /** @type {PermissionName} */ ('local-network-access') });
    return asked.state;
  } catch {
    return null;
  }
}

/** Silence that goes on: something to send, without asking for a microphone. */
function silence() {
  const context = new AudioContext();
  const source = context.createMediaStreamDestination();
  const [track] = source.stream.getAudioTracks();
  if (!track) throw new Error('no sound');
  return { track, end: () => void context.close() };
}

/** The pair that media goes by. @param {RTCPeerConnection} pc */
async function pairOf(pc) {
  const stats = await pc.getStats();
  const all = /** @type {any[]} */ ([...stats.values()]);
  const transport = all.find(({ type }) => type === 'transport');
  const pair = stats.get(transport?.selectedCandidatePairId) ?? all.find(({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded');
  const [local, remote] = [stats.get(pair?.localCandidateId), stats.get(pair?.remoteCandidateId)];
  if (!remote) return '';
  const rtt = pair.currentRoundTripTime === undefined ? '' : `, ${Math.round(pair.currentRoundTripTime * 1000)} ms there and back`;
  const by = local?.candidateType === 'relay' ? `relay ${local.relayProtocol ?? ''} → ` : '';
  return `${by}${remote.protocol} ${remote.address ?? remote.ip}:${remote.port}${rtt}`;
}

/**
 * Sends an offer to the box's doctor and tries to connect by what `choose` leaves of the answer.
 * @param {RTCConfiguration} configuration
 * @param {'udp' | 'tcp'} protocol
 * @returns {Promise<Path>}
 */
export async function tryMedia(configuration, protocol) {
  const started = performance.now();
  const pc = new RTCPeerConnection(configuration);
  const sound = silence();
  /** @type {string[]} */
  let tried = [];
  try {
    pc.addTransceiver(sound.track, { direction: 'sendonly' });
    await pc.setLocalDescription();
    await gathered(pc, GATHER_MS);
    const answer = await fetch('/api/v1/doctor/media', { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription?.sdp ?? '' });
    if (!answer.ok) throw new Error(`the box has answered with ${answer.status}`);
    const sdp = await answer.text();
    tried = candidatesOf(sdp, protocol);
    if (tried.length === 0) return { connected: false, tookMs: performance.now() - started, tried, pair: '' };
    await pc.setRemoteDescription({ type: 'answer', sdp: only(sdp, protocol) });
    const begun = performance.now();
    const connected = await stands(pc);
    const pair = connected ? await pairOf(pc) : '';
    return { connected, tookMs: performance.now() - begun, tried, pair };
  } finally {
    pc.close();
    sound.end();
  }
}

/** @param {RTCPeerConnection} pc */
async function stands(pc) {
  const deadline = after(PATH_MS).then(() => false);
  const settled = new Promise((resolve) => {
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === 'connected') resolve(true);
      if (pc.connectionState === 'failed') resolve(false);
    };
  });
  return await Promise.race([settled, deadline]) === true;
}

/** @param {RTCPeerConnection} pc @param {number} patienceMs */
async function gathered(pc, patienceMs) {
  if (pc.iceGatheringState === 'complete') return;
  const done = new Promise((resolve) => {
    pc.onicegatheringstatechange = () => { if (pc.iceGatheringState === 'complete') resolve(true); };
  });
  await Promise.race([done, after(patienceMs)]);
}

/**
 * Gathers candidates by these servers and tells each as it comes.
 * @param {RTCConfiguration} configuration
 * @param {(found: Candidate | { fault: string, url: string, atMs: number }) => void} tell
 * @returns {Promise<{ found: Candidate[], tookMs: number }>}
 */
export async function gather(configuration, tell) {
  const started = performance.now();
  const pc = new RTCPeerConnection(configuration);
  /** @type {Candidate[]} */
  const found = [];
  try {
    pc.onicecandidate = ({ candidate: one }) => {
      if (!one?.candidate) return;
      const url = /** @type {any} */ (one).url ?? '';
      const seen = candidate(one.candidate, url, /** @type {any} */ (one).relayProtocol ?? '', performance.now() - started);
      if (!seen) return;
      found.push(seen);
      tell(seen);
    };
    pc.onicecandidateerror = (event) => {
      const { url, errorCode, errorText } = /** @type {RTCPeerConnectionIceErrorEvent} */ (event);
      tell({ fault: `${errorCode} ${errorText}`.trim(), url: url ?? '', atMs: performance.now() - started });
    };
    pc.createDataChannel('doctor');
    await pc.setLocalDescription();
    await gathered(pc, GATHER_MS);
    return { found, tookMs: performance.now() - started };
  } finally {
    pc.close();
  }
}
