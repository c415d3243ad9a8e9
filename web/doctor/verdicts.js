// What the browser's facts mean: pure functions from facts to checks, as the box's doctor has them.

import { sayIn } from './words.js';

/**
 * @typedef {{ id: string, ok: boolean | null, took_ms: number, detail: string, remedy: string | null, remedy_zh: string | null, hop: Hop }} Check
 * @typedef {'browser' | 'router' | 'box'} Hop
 * @typedef {import('./words.js').Word} Word
 * @typedef {{ connected: boolean, tookMs: number, tried: string[], pair: string }} Path how a connection to the media port went
 * @typedef {{ type: string, protocol: string, address: string, port: number, url: string, relayProtocol: string, related: number, atMs: number }} Candidate
 */

/** @param {string} id @param {Hop} hop @param {boolean | null} ok @param {number} tookMs @param {string} detail @param {Word | null} [fix] @param {Record<string, string | number>} [params] @returns {Check} */
export function check(id, hop, ok, tookMs, detail, fix = null, params = {}) {
  const remedy = fix === null ? null : sayIn('en', fix, params);
  const remedy_zh = fix === null ? null : sayIn('zh-CN', fix, params);
  return { id, hop, ok, took_ms: Math.round(tookMs), detail, remedy, remedy_zh };
}

/** What the page is allowed. @param {{ isSecure: boolean, hasRtc: boolean, agent: string }} facts @returns {Check[]} */
export function browserChecks({ isSecure, hasRtc, agent }) {
  return [
    isSecure ? check('secure', 'browser', true, 0, 'secure context') : check('secure', 'browser', false, 0, 'no secure context', 'fixSecure'),
    hasRtc ? check('rtc', 'browser', true, 0, agent) : check('rtc', 'browser', false, 0, agent, 'fixRtc'),
  ];
}

/**
 * What the browser says of the local network (Chromium's Local Network Access): a refusal that is not in the
 * way is no fault. `null`: it says nothing.
 * @param {string | null} state @param {boolean} isReached whether media has reached the box @returns {Check[]}
 */
export function localNetworkChecks(state, isReached) {
  if (state === null) return [];
  return [state === 'denied' && !isReached ? check('local-network', 'browser', false, 0, state, 'fixLocalNetwork') : check('local-network', 'browser', true, 0, state)];
}

/** @param {{ open: boolean, detail: string, tookMs: number }} socket @param {{ open: boolean, detail: string, tookMs: number } | null} events @returns {Check[]} */
export function signalingChecks(socket, events) {
  const checks = [socket.open
    ? check('socket', 'router', true, socket.tookMs, socket.detail)
    : check('socket', 'router', events?.open ? null : false, socket.tookMs, socket.detail, 'fixSocket')];
  if (events) {
    checks.push(events.open
      ? check('events', 'router', true, events.tookMs, events.detail)
      : check('events', 'router', false, events.tookMs, events.detail, 'fixEvents'));
  }
  return checks;
}

/** @param {{ who: string, from?: string }} who @param {number} tookMs @returns {Check} */
export function sessionCheck(who, tookMs) {
  const detail = who.from ? `${who.who}, ${who.from}` : who.who;
  return who.who === 'stranger' ? check('session', 'router', null, tookMs, detail, 'fixSession') : check('session', 'router', true, tookMs, detail);
}

/** Beyond this, passwords that expire are in danger; what the network takes is less. */
const APART_S = 60;

/** @param {number} hereMs @param {number} thereMs @param {number} tookMs @returns {Check} */
export function clockCheck(hereMs, thereMs, tookMs) {
  const seconds = Math.round(Math.abs(hereMs - thereMs) / 1000);
  const detail = `${seconds} s apart`;
  return seconds > APART_S ? check('clocks', 'box', false, tookMs, detail, 'fixClocks', { seconds }) : check('clocks', 'box', true, tookMs, detail);
}

/** Of the machine itself: for others they are no way. @param {string} address */
const isLoopback = (address) => address === '::1' || address.startsWith('127.');

/** Candidates of an answer by a protocol, as `ADDRESS:PORT`. @param {string} sdp @param {'udp' | 'tcp'} protocol */
export function candidatesOf(sdp, protocol) {
  const lines = [...sdp.matchAll(/^a=candidate:\S+ 1 (\S+) \d+ (\S+) (\d+) typ host/gim)];
  const found = lines.filter(([, kind]) => kind?.toLowerCase() === protocol).map(([, , address = '', port = '']) => ({ address, port }));
  const outside = found.filter(({ address }) => !isLoopback(address));
  return (outside.length > 0 ? outside : found).map(({ address, port }) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`));
}

/** The answer with these candidates alone. @param {string} sdp @param {'udp' | 'tcp'} protocol */
export function only(sdp, protocol) {
  const keep = (/** @type {string} */ line) => !/^a=candidate:/.test(line) || line.split(' ')[2]?.toLowerCase() === protocol;
  return sdp.split(/\r?\n/).filter(keep).join('\r\n');
}

/** @param {string[]} tried */
const portOf = (tried) => [...new Set(tried.map((one) => one.split(':').at(-1) ?? ''))].join(', ') || '10000';

/**
 * The ways to the media port, and through the relay; `null` was not tried.
 * @param {{ udp: Path | null, tcp: Path | null, relay: Path | null }} paths @param {string} https the port of https
 * @returns {Check[]}
 */
export function mediaChecks({ udp, tcp, relay }, https) {
  const checks = [];
  const anyDirect = udp?.connected || tcp?.connected;
  for (const [protocol, path, fix] of /** @type {['udp' | 'tcp', Path | null, 'fixUdp' | 'fixTcp'][]} */ ([['udp', udp, 'fixUdp'], ['tcp', tcp, 'fixTcp']])) {
    if (!path) continue;
    const id = `media-${protocol}`;
    const other = protocol === 'udp' ? tcp?.connected : udp?.connected;
    if (path.connected) checks.push(check(id, 'router', true, path.tookMs, path.pair));
    else if (path.tried.length === 0) checks.push(check(id, 'box', other ? null : false, path.tookMs, 'no candidate', 'fixNoCandidates', { protocol: protocol.toUpperCase() }));
    else checks.push(check(id, 'router', other || relay?.connected ? null : false, path.tookMs, `no answer: ${path.tried.join(' ')}`, fix, { port: portOf(path.tried), tried: path.tried.join(' ') }));
  }
  const port = portOf([...(udp?.tried ?? []), ...(tcp?.tried ?? [])]);
  if (relay) {
    if (relay.connected) checks.push(anyDirect ? check('relay', 'router', true, relay.tookMs, relay.pair) : check('relay', 'router', null, relay.tookMs, relay.pair, 'fixBoth', { port }));
    else checks.push(check('relay', 'router', anyDirect ? null : false, relay.tookMs, 'nothing comes through', anyDirect ? 'fixRelay' : 'fixNoWay', { port, https }));
  }
  return checks;
}

/** Which of the box's relays gave a candidate. @param {string[]} urls @param {Candidate[]} candidates @param {number} tookMs @returns {Check[]} */
export function relayChecks(urls, candidates, tookMs) {
  const kinds = /** @type {[string, string, (url: string) => boolean][]} */ ([
    ['turn-udp', 'udp', (url) => url.startsWith('turn:') && !url.includes('transport=tcp')],
    ['turn-tcp', 'tcp', (url) => url.startsWith('turn:') && url.includes('transport=tcp')],
    ['turns', 'tls', (url) => url.startsWith('turns:')],
  ]);
  return kinds.flatMap(([id, protocol, is]) => {
    const asked = urls.filter(is);
    if (asked.length === 0) return [];
    const got = candidates.find((one) => one.type === 'relay' && (one.url ? is(one.url) : one.relayProtocol === protocol));
    const detail = asked.join(' ');
    return [got ? check(id, 'router', true, got.atMs, `${got.address}:${got.port} by ${detail}`) : check(id, 'router', null, tookMs, `no answer: ${detail}`, 'fixTurn', { protocol: protocol.toUpperCase(), servers: detail })];
  });
}

/**
 * The router's kind (RFC 5780 in what a browser shows): one local port seen under several is symmetric.
 * @param {Candidate[]} candidates @param {number} tookMs @returns {Check[]}
 */
export function natChecks(candidates, tookMs) {
  const seen = candidates.filter(({ type, protocol, address }) => type === 'srflx' && protocol === 'udp' && !address.includes(':'));
  if (seen.length === 0) return [];
  /** @type {Map<number, Set<string>>} */
  const byLocal = new Map();
  for (const { related, address, port } of seen) byLocal.set(related, (byLocal.get(related) ?? new Set()).add(`${address}:${port}`));
  const isSymmetric = [...byLocal.values()].some((mapped) => mapped.size > 1);
  const detail = seen.map(({ address, port, related }) => `${related} → ${address}:${port}`).join(', ');
  return [isSymmetric ? check('nat', 'router', null, tookMs, detail, 'fixNat') : check('nat', 'router', true, tookMs, detail)];
}

/** The box's own checks with the hop that they are of; their names do not meet the browser's. @param {Omit<Check, 'hop'>[]} checks @returns {Check[]} */
export const boxChecks = (checks) => checks.map((one) => ({ ...one, id: `box.${one.id}`, hop: one.id === 'hairpin' ? 'router' : 'box' }));

/** How a hop is, by the worst of its checks; `undefined`: nothing is known yet. @param {Check[]} checks @param {Hop} hop */
export function hopState(checks, hop) {
  const own = checks.filter((one) => one.hop === hop);
  if (own.length === 0) return undefined;
  if (own.some(({ ok }) => ok === false)) return false;
  return own.some(({ ok, remedy }) => ok === null && remedy !== null) ? null : true;
}

/** A candidate by its line. @param {string} line @param {string} url @param {string} relayProtocol @param {number} atMs @returns {Candidate | null} */
export function candidate(line, url, relayProtocol, atMs) {
  const found = /^(?:a=)?candidate:\S+ \d+ (\S+) \d+ (\S+) (\d+) typ (\S+)(?:.* rport (\d+))?/.exec(line);
  if (!found) return null;
  const [, protocol = '', address = '', port = '', type = '', related = ''] = found;
  return { type, protocol: protocol.toLowerCase(), address, port: Number(port), url, relayProtocol, related: Number(related), atMs };
}

/** The report as text. @param {Check[]} checks @param {string} head */
export function reportText(checks, head) {
  const mark = (/** @type {boolean | null} */ ok) => (ok === null ? '?' : ok ? '✓' : '✗');
  const lines = checks.map(({ id, ok, detail, took_ms, remedy }) => `${mark(ok)} ${id}: ${detail} (${took_ms} ms)${remedy ? `\n  → ${remedy}` : ''}`);
  return [head, ...lines, ''].join('\n');
}
