// The doctor's page: this browser's half and the box's, looked at together, drawn as they come.

import { appearanceSwitches } from '../shared/appearance.js';
import { Refused, ask, whoAmI } from '../shared/box.js';
import { byId } from '../shared/dom.js';
import { html, render } from '../shared/lit-html.js';
import { gather, localNetwork, tryClock, tryEvents, tryMedia, trySocket } from './probes.js';
import { Trickle } from './trickle.js';
import { boxChecks, browserChecks, check, clockCheck, localNetworkChecks, mediaChecks, natChecks, relayChecks, reportText, sessionCheck, signalingChecks } from './verdicts.js';
import { diagnosis } from './views.js';
import { say } from './words.js';

/** @typedef {import('./verdicts.js').Check} Check */

/** What each part of the look has found, in the order in which it is shown. @type {Map<string, Check[]>} */
const parts = new Map();
let [busy, copied, isStranger] = [false, false, false];
const trickle = new Trickle(draw);

const checks = () => [...parts.values()].flat();

function draw() {
  byId('title', HTMLElement).textContent = say('title');
  byId('theme', HTMLElement).setAttribute('aria-label', say('theme'));
  document.title = `${say('title')} – parlor`;
  const page = { checks: checks(), busy, copied, isStranger, again: () => void look(), copy: () => void copy() };
  render(html`${diagnosis(page)}${trickle.view()}`, byId('main', HTMLElement));
}

async function copy() {
  const head = `parlor doctor, ${new Date().toISOString()}, ${location.origin}, ${navigator.userAgent}`;
  await navigator.clipboard.writeText(reportText(checks(), head));
  copied = true;
  draw();
}

/**
 * One part of the look: its place is kept from the start, what it finds is drawn when it is there. A part
 * that fails takes no other with it.
 * @param {string} name @param {() => Promise<Check[]>} work
 */
async function part(name, work) {
  parts.set(name, []);
  try {
    parts.set(name, await work());
  } catch (error) {
    parts.set(name, [check(name, 'browser', null, 0, String(error))]);
  }
  draw();
}

async function signaling() {
  const socket = await trySocket();
  return signalingChecks(socket, socket.open ? null : await tryEvents());
}

async function session() {
  const started = performance.now();
  const who = await whoAmI();
  isStranger = who.who === 'stranger';
  return [sessionCheck(who, performance.now() - started)];
}

async function clocks() {
  const { hereMs, thereMs, tookMs } = await tryClock();
  return Number.isNaN(thereMs) ? [] : [clockCheck(hereMs, thereMs, tookMs)];
}

async function box() {
  const started = performance.now();
  try {
    const report = await ask('GET', '/api/v1/doctor');
    return boxChecks(report.checks);
  } catch (error) {
    if (error instanceof Refused && ['forbidden', 'sign-in-needed'].includes(error.code)) return [];
    const why = error instanceof Error ? error.message : String(error);
    return [check('box-report', 'box', false, performance.now() - started, why, 'fixBoxReport', { why })];
  }
}

/** Media by each way at once, and what the servers give. @param {RTCIceServer[]} iceServers */
async function media(iceServers) {
  const urls = iceServers.flatMap(({ urls: of }) => of);
  const hasRelay = urls.some((url) => /^turns?:/.test(url));
  /** @type {RTCConfiguration} */
  const through = { iceServers, iceTransportPolicy: 'relay' };
  const [udp, tcp, relay, ice] = await Promise.all([
    tryMedia({}, 'udp'),
    tryMedia({}, 'tcp'),
    hasRelay ? tryMedia(through, 'udp') : null,
    urls.length > 0 ? gather({ iceServers }, () => {}) : { found: [], tookMs: 0 },
  ]);
  const own = iceServers[0]?.urls ?? [];
  return [...mediaChecks({ udp, tcp, relay }, location.port || '443'), ...relayChecks([own].flat(), ice.found, ice.tookMs), ...natChecks(ice.found, ice.tookMs)];
}

/** Looks at all of it. */
async function look() {
  if (busy) return;
  parts.clear();
  [busy, copied] = [true, false];
  const hasRtc = 'RTCPeerConnection' in window;
  parts.set('browser', browserChecks({ isSecure: isSecureContext, hasRtc, agent: navigator.userAgent }));
  const looking = [part('session', session), part('socket', signaling), part('clocks', clocks), part('box-report', box)];
  draw();
  await looking[0];
  // Whoever is nobody here has no media to try.
  if (hasRtc && !isStranger) await part('media', async () => media(await ask('GET', '/api/v1/ice-servers')));
  await part('local-network', async () => localNetworkChecks(await localNetwork(), checks().some(({ id, ok }) => (id.startsWith('media-') && ok === true) || (id === 'relay' && ok !== false))));
  await Promise.all(looking);
  busy = false;
  draw();
}

appearanceSwitches(draw);
await look();
