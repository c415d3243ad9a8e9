// Signaling messages between this page and its box, as data: what each holds, how it is written and
// read. Pure: no socket, no clock, no DOM. `docs/protocol.md` tells what each means, and
// `tests/protocol/*.json` hold one of each, read by the Rust and by the JavaScript tests.

/** The version spoken here. */
export const VERSION = 1;
/** Longest chat line, in characters (code points). */
export const MAX_CHAT_CHARS = 4000;
/** Longest room name and nickname, in characters (code points) after NFC. */
export const MAX_NAME_CHARS = 64;

/** @typedef {'up' | 'down'} Direction */
/** @typedef {'camera' | 'microphone' | 'screen' | 'screenaudio'} TrackSource */
/** @typedef {'audio' | 'video'} MediaKind */
/** @typedef {'thumbs-up' | 'heart' | 'laugh' | 'bravo' | 'party' | 'wow'} Reaction */
/** @typedef {'person' | 'camera' | 'stream'} MemberKind */
/** @typedef {'connecting' | 'live' | 'lost'} MemberState */
/** @typedef {{ mid: string, source: TrackSource }} PublishTrack */
/** @typedef {{ id: string, kind: MediaKind, source: TrackSource, codec?: string }} Track */
/** @typedef {{ member: string, track: string, kind: MediaKind, source: TrackSource }} Shown */
/** @typedef {{ urls: string[], username?: string, credential?: string }} IceServer */
/** @typedef {{ seq: number, from: string, name: string, text: string, at_ms: number }} ChatLine */
/**
 * @typedef {object} Member
 * @property {string} id
 * @property {string} name unique in the room
 * @property {MemberKind} kind
 * @property {'moderator' | 'owner'} [rank] what it may do here; unset: participant
 * @property {MemberState} state what is seen of its media
 * @property {string} [reason] why it is not live, in a sentence
 * @property {import('../shared/fault.js').MediaFault} [fault] the same for other languages
 * @property {boolean} mic
 * @property {boolean} cam
 * @property {boolean} [hand] raised
 * @property {Track[]} tracks
 */

/** @typedef {'auto' | 'never' | 'only'} DirectPolicy */
/** @typedef {'prepare' | 'direct' | 'return' | 'over'} DirectPhase */
/** @typedef {'third-person' | 'viewer' | 'policy' | 'path' | 'unable' | 'gone'} DirectReason */
/** @typedef {{ max_participants: number, locked: boolean, lobby: boolean, welcome: string, direct?: DirectPolicy }} RoomRules */
/**
 * A word from one browser of a pair to the other.
 * @typedef {{ kind: 'offer', sdp: string, tracks: PublishTrack[] }
 *   | { kind: 'answer', sdp: string }
 *   | { kind: 'candidate', candidate: string | null, mid?: string }} PeerSignal
 */
/** @typedef {{ id: string, name: string }} Knock who waits to be let in */
/** @typedef {{ id: string, name: string, watches: string | null }} Viewer who watches without being a member */

/** @typedef {{ type: 'hello', version: number }} Hello */
/** @typedef {{ type: 'join', room: string, name: string, mic: boolean, cam: boolean, resume?: string, password?: string, device?: string }} Join */
/** @typedef {{ type: 'publish', generation: number, sdp: string, tracks: PublishTrack[] }} Publish */
/** @typedef {{ type: 'answer', generation: number, revision: number, sdp: string }} Answer */
/** @typedef {{ type: 'candidate', direction: Direction, generation: number, candidate: string | null, mid?: string }} Candidate */
/** @typedef {{ type: 'restart', direction: Direction }} Restart */
/** @typedef {{ type: 'watch', members: string[] | null }} Watch */
/** @typedef {{ member: string, track?: string, width: number, height: number, visible: boolean }} TileSize in device pixels */
/** @typedef {{ type: 'tiles', tiles: TileSize[] }} Tiles */
/** @typedef {{ type: 'chat', text: string }} Say */
/** @typedef {{ type: 'state', mic: boolean, cam: boolean }} State */
/** @typedef {{ type: 'rename', name: string }} Rename */
/** @typedef {{ type: 'chat-delete', seq: number }} ChatDelete */
/** @typedef {{ type: 'history', before: number }} AskHistory */
/** @typedef {{ type: 'hand', on: boolean }} Hand */
/** @typedef {{ type: 'react', reaction: Reaction }} React */
/** @typedef {{ type: 'admit' | 'refuse' | 'mute' | 'remove', member: string }} Moderate */
/** @typedef {{ type: 'moderator', member: string, on: boolean }} Appoint */
/** @typedef {{ type: 'lock' | 'lobby', on: boolean }} Rule */
/** @typedef {{ type: 'direct-signal', peer: string, generation: number, signal: PeerSignal }} DirectSignal both ways */
/** @typedef {{ type: 'direct-state', generation: number, revision: number, state: 'ready' | 'unable' | 'connected' | 'forwarded' | 'failed' }} DirectState */
/** @typedef {Hello | Join | Publish | Answer | Candidate | Restart | Watch | Tiles | Say | State | Rename | ChatDelete | AskHistory | Hand | React | Moderate | Appoint | Rule | DirectSignal | DirectState | { type: 'leave' } | { type: 'ping' }} ClientMessage */

/** @typedef {{ type: 'welcome', version: number, server: string }} Welcome */
/** @typedef {{ type: 'joined', room: string, you: string, token: string, resumed: boolean, members: Member[], chat: ChatLine[], ice_servers: IceServer[], viewers: Viewer[], rules: RoomRules }} Joined */
/** @typedef {{ type: 'waiting', room: string, you: string }} Waiting a moderator lets people in: `joined` or `bye` comes later */
/** @typedef {{ type: 'published', generation: number, sdp: string }} Published */
/** @typedef {{ type: 'error', code: string, message: string }} Failure */
/** @typedef {{ type: 'member-joined', member: Member }} MemberJoined */
/** @typedef {{ type: 'member-changed', member: Member }} MemberChanged */
/** @typedef {{ type: 'member-left', id: string, reason: 'left' | 'lost' | 'slow' | 'ended' | 'removed' }} MemberLeft */
/** @typedef {{ type: 'room-changed', rules: RoomRules }} RoomChanged */
/** @typedef {{ type: 'knocks', waiting: Knock[] }} Knocks to moderators */
/** @typedef {{ type: 'muted', by: string }} Muted switch the microphone off */
/** @typedef {{ type: 'chat-deleted', seq: number }} ChatDeleted */
/** @typedef {{ type: 'history', lines: ChatLine[], more: boolean }} History */
/** @typedef {{ type: 'reaction', from: string, reaction: Reaction }} Reacted */
/** @typedef {{ type: 'viewer-joined' | 'viewer-changed', viewer: Viewer }} ViewerSeen */
/** @typedef {{ type: 'viewer-left', id: string }} ViewerLeft */
/** @typedef {{ type: 'chat', line: ChatLine }} Said */
/** @typedef {{ type: 'ice-servers', ice_servers: IceServer[] }} IceServers for connections made from here on */
/** @typedef {{ type: 'speakers', active: string | null, speaking: string[] }} Speakers */
/** @typedef {{ type: 'offer', generation: number, revision: number, sdp: string, mids: Record<string, Shown> }} Offer */
/** @typedef {{ type: 'mids', generation: number, mids: Record<string, Shown> }} Mids */
/** @typedef {{ type: 'layers', generation: number, tracks: Record<string, boolean[]> }} Layers by mid, in the order of the offer */
/** @typedef {{ type: 'direct', generation: number, revision: number, peer: string, offerer: string, phase: DirectPhase, reason?: DirectReason }} Direct */
/** @typedef {{ type: 'bye', reason: 'server-stopping' | 'replaced' | 'slow' | 'left' | 'removed' | 'refused' | 'signed-out' }} Bye */
/** @typedef {Welcome | Joined | Waiting | Published | { type: 'done' } | { type: 'pong' } | Failure | MemberJoined | MemberChanged | MemberLeft | RoomChanged | Knocks | Muted | ChatDeleted | History | Reacted | ViewerSeen | ViewerLeft | Said | IceServers | Speakers | Offer | Mids | Layers | Direct | DirectSignal | Restart | Bye} ServerMessage */
/** @typedef {ServerMessage & { re?: number }} Outgoing */

/** @typedef {(value: unknown) => boolean} Check */

/** @type {Check} */
const text = (value) => typeof value === 'string';
/** @type {Check} */
const flag = (value) => typeof value === 'boolean';
/** @type {Check} */
const count = (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
/** @type {(...words: string[]) => Check} */
const word = (...words) => (value) => typeof value === 'string' && words.includes(value);
/** @type {(check: Check) => Check} */
const list = (check) => (value) => Array.isArray(value) && value.every(check);
/** @type {(check: Check) => Check} */
const orNull = (check) => (value) => value === null || check(value);
/** @type {(check: Check) => Check} */
const maybe = (check) => (value) => value === undefined || check(value);
/** @type {(check: Check) => Check} */
const table = (check) => (value) => isObject(value) && Object.values(value).every(check);
/**
 * An object with these fields; others are let through, so that a newer box can say more.
 * @param {Record<string, Check>} fields
 * @returns {Check}
 */
const shape = (fields) => (value) =>
  isObject(value) && Object.entries(fields).every(([name, check]) => check(value[name]));

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const direction = word('up', 'down');
const source = word('camera', 'microphone', 'screen', 'screenaudio');
const reaction = word('thumbs-up', 'heart', 'laugh', 'bravo', 'party', 'wow');
const mediaKind = word('audio', 'video');
const chatLine = shape({ seq: count, from: text, name: text, text, at_ms: count });
const shown = shape({ member: text, track: text, kind: mediaKind, source });
const track = shape({ id: text, kind: mediaKind, source, codec: maybe(text) });
const viewer = shape({ id: text, name: text, watches: orNull(text) });
const rules = shape({
  max_participants: count, locked: flag, lobby: flag, welcome: text, direct: maybe(word('auto', 'never', 'only')),
});
const knock = shape({ id: text, name: text });
const iceServer = shape({ urls: list(text), username: maybe(text), credential: maybe(text) });
const mediaFault = shape({ code: text, detail: maybe(text), since_ms: count });
const member = shape({
  id: text, name: text, kind: word('person', 'camera', 'stream'),
  rank: maybe(word('moderator', 'owner')),
  state: word('connecting', 'live', 'lost'), reason: maybe(text), fault: maybe(mediaFault), mic: flag, cam: flag, hand: maybe(flag), tracks: list(track),
});

const publishTrack = shape({ mid: text, source });
/** @type {Record<string, Check>} by kind */
const signals = {
  offer: shape({ sdp: text, tracks: list(publishTrack) }),
  answer: shape({ sdp: text }),
  candidate: shape({ candidate: orNull(text), mid: maybe(text) }),
};
/** @type {Check} */
const signal = (value) => isObject(value) && typeof value.kind === 'string'
  && Object.hasOwn(signals, value.kind) && signals[value.kind]?.(value) === true;

/** What each request holds. @type {Record<string, Record<string, Check>>} */
const CLIENT = {
  hello: { version: count },
  join: { room: text, name: text, mic: flag, cam: flag, resume: maybe(text), password: maybe(text), device: maybe(text) },
  publish: { generation: count, sdp: text, tracks: list(publishTrack) },
  answer: { generation: count, revision: count, sdp: text },
  candidate: { direction, generation: count, candidate: orNull(text), mid: maybe(text) },
  restart: { direction },
  watch: { members: orNull(list(text)) },
  tiles: { tiles: list(shape({ member: text, track: maybe(text), width: count, height: count, visible: flag })) },
  chat: { text },
  state: { mic: flag, cam: flag },
  rename: { name: text },
  'chat-delete': { seq: count },
  history: { before: count },
  hand: { on: flag },
  react: { reaction },
  admit: { member: text },
  refuse: { member: text },
  mute: { member: text },
  remove: { member: text },
  moderator: { member: text, on: flag },
  lock: { on: flag },
  lobby: { on: flag },
  'direct-signal': { peer: text, generation: count, signal },
  'direct-state': { generation: count, revision: count, state: word('ready', 'unable', 'connected', 'forwarded', 'failed') },
  leave: {},
  ping: {},
};

/** What each of the server's messages holds. @type {Record<string, Record<string, Check>>} */
const SERVER = {
  welcome: { version: count, server: text },
  joined: {
    room: text, you: text, token: text, resumed: flag, members: list(member), chat: list(chatLine),
    ice_servers: list(iceServer), viewers: list(viewer), rules,
  },
  waiting: { room: text, you: text },
  published: { generation: count, sdp: text },
  done: {},
  pong: {},
  error: { code: text, message: text },
  'member-joined': { member },
  'member-changed': { member },
  'member-left': { id: text, reason: word('left', 'lost', 'slow', 'ended', 'removed') },
  'room-changed': { rules },
  knocks: { waiting: list(knock) },
  muted: { by: text },
  'chat-deleted': { seq: count },
  history: { lines: list(chatLine), more: flag },
  reaction: { from: text, reaction },
  'viewer-joined': { viewer },
  'viewer-changed': { viewer },
  'viewer-left': { id: text },
  chat: { line: chatLine },
  'ice-servers': { ice_servers: list(iceServer) },
  speakers: { active: orNull(text), speaking: list(text) },
  offer: { generation: count, revision: count, sdp: text, mids: table(shown) },
  mids: { generation: count, mids: table(shown) },
  layers: { generation: count, tracks: table(list(flag)) },
  direct: {
    generation: count, revision: count, peer: text, offerer: text, phase: word('prepare', 'direct', 'return', 'over'),
    reason: maybe(word('third-person', 'viewer', 'policy', 'path', 'unable', 'gone')),
  },
  'direct-signal': { peer: text, generation: count, signal },
  restart: { direction },
  bye: { reason: word('server-stopping', 'replaced', 'slow', 'left', 'removed', 'refused', 'signed-out') },
};

/** The types a client may send. */
export const CLIENT_TYPES = Object.keys(CLIENT);
/** The types a server may send. */
export const SERVER_TYPES = Object.keys(SERVER);

/**
 * The first thing that is wrong with a message, or null.
 * @param {Record<string, Record<string, Check>>} known
 * @param {unknown} message
 * @returns {string | null}
 */
function fault(known, message) {
  if (!isObject(message)) return 'the message is not an object';
  const { type } = message;
  if (typeof type !== 'string' || !Object.hasOwn(known, type)) return `${JSON.stringify(type)} is not a message type`;
  const fields = known[type] ?? {};
  const bad = Object.keys(fields).find((name) => !fields[name]?.(message[name]));
  return bad === undefined ? null : `\`${type}\`: \`${bad}\` is missing or of the wrong type`;
}

/**
 * Writes a request. Throws where the page made a message that the box could not read.
 * @param {number} id
 * @param {ClientMessage} message
 * @returns {string}
 */
export function writeRequest(id, message) {
  const wrong = fault(CLIENT, message);
  if (wrong !== null) throw new TypeError(wrong);
  return JSON.stringify({ id, ...message });
}

/**
 * Reads what the server wrote. A type that is not known yields null (the box may be newer); what is
 * no message at all, or lacks a field, throws.
 * @param {string} written
 * @returns {Outgoing | null}
 */
export function readServerMessage(written) {
  const message = JSON.parse(written);
  if (isObject(message) && typeof message.type === 'string' && !Object.hasOwn(SERVER, message.type)) return null;
  const wrong = fault(SERVER, message);
  if (wrong !== null) throw new TypeError(wrong);
  if (!maybe(count)(message.re)) throw new TypeError('`re` is not a number');
  return message;
}

/** A request was answered by `error`, or was not answered at all. */
export class RequestError extends Error {
  /**
   * @param {string} code stable; `timeout` and `socket-lost` are the page's own
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = 'RequestError';
    this.code = code;
  }
}

/** @typedef {{ name: string } | { fault: 'empty' | 'long' | 'forbidden' }} NameCheck */

/**
 * A room's name as the box will take it, or why it will not.
 * @param {string} typed
 * @returns {NameCheck}
 */
export function checkRoomName(typed) {
  return checkName(typed, /[/\p{Cc}]/u);
}

/**
 * A nickname as the box will take it, or why it will not.
 * @param {string} typed
 * @returns {NameCheck}
 */
export function checkNickname(typed) {
  return checkName(typed, /\p{Cc}/u);
}

/**
 * @param {string} typed
 * @param {RegExp} forbidden
 * @returns {NameCheck}
 */
function checkName(typed, forbidden) {
  const name = typed.trim().normalize('NFC').trim();
  if (name === '') return { fault: 'empty' };
  if ([...name].length > MAX_NAME_CHARS) return { fault: 'long' };
  return forbidden.test(name) ? { fault: 'forbidden' } : { name };
}
