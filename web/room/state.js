// What the page knows: one value, changed only by `reduce`. Pure: no DOM, no socket, no clock; time
// comes with the event. Views read it, `app.js` feeds it.
//
//   join --(joined)--> room --(left)--> join
//                       | link: open <-> reconnecting | stopping (the box says that it restarts)

import { NO_RULES, keep, watchersOf } from './keeping.js';
import { withNotice, withoutDevice } from './notice.js';

/** @typedef {import('./protocol.js').Member} Member */
/** @typedef {import('./protocol.js').ChatLine} ChatLine */
/** @typedef {import('./protocol.js').Shown} Shown */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */
/** @typedef {import('./media/own.js').Source} Source */
/** @typedef {'none' | 'chat' | 'people'} Panel */
/** @typedef {'idle' | 'connecting' | 'open' | 'reconnecting' | 'stopping'} Link */

/**
 * Something the user is to know, with ways on. `key` names the sentence; one notice a key.
 * @typedef {object} Notice
 * @property {string} key of the string table
 * @property {'info' | 'warn' | 'danger'} tone
 * @property {Record<string, string>} [params]
 * @property {string} [code] shown small below
 * @property {string} [detail] the box's own sentence, in English
 * @property {string[]} [actions] keys of buttons, in order
 */

/**
 * @typedef {object} PageState
 * @property {'join' | 'joining' | 'room'} phase
 * @property {Link} link
 * @property {boolean} away the box is silent: what is shown of the others stands still
 * @property {string} room as it is shown
 * @property {string | null} you own id while in a room
 * @property {boolean} waiting to be let in, before joining
 * @property {import('./protocol.js').RoomRules} rules how the room is kept
 * @property {import('./protocol.js').Knock[]} knocks who waits to be let in, as moderators are told
 * @property {import('./protocol.js').Viewer[]} viewers who watches without being a member
 * @property {Member[]} members in order of arrival, oneself included
 * @property {Record<string, number>} since when a member became what it is, ms since 1970
 * @property {ChatLine[]} chat oldest first
 * @property {boolean} olderLines the box may have lines from before the first
 * @property {number} asked lines that the reader has asked for beyond what is kept anyway
 * @property {number} unread lines that came while the chat was closed
 * @property {number | null} firstUnread the first of them, by its number
 * @property {number | null} marked where the reader goes on: the first that was unread when the chat was opened
 * @property {ChatLine | null} newest the line that peeks above the bar
 * @property {Panel} panel
 * @property {boolean} mic on
 * @property {boolean} cam on
 * @property {boolean} sharing one's screen
 * @property {Record<string, Shown>} mids what each m-section of `down` shows
 * @property {string[]} speaking ids, as the box hears it
 * @property {string | null} speaker who dominates, or did last
 * @property {boolean} ownVoice one's own microphone hears speech
 * @property {import('./direct.js').DirectView | null} direct whose pictures come directly, from browser to browser
 * @property {boolean} directVoice that one speaks
 * @property {boolean} boxRelayed the box's pictures come by a relay
 * @property {string | null} pinned key of the tile that is large
 * @property {boolean} saver no pictures are received
 * @property {boolean} soundBlocked the browser waits for a tap
 * @property {Notice[]} notices oldest first
 */

/**
 * @typedef {{ type: 'server', message: ServerMessage, now: number }
 *   | { type: 'joining', room: string }
 *   | { type: 'link', link: Link }
 *   | { type: 'away', away: boolean }
 *   | { type: 'panel', panel: Panel }
 *   | { type: 'media', mic?: boolean, cam?: boolean, sharing?: boolean }
 *   | { type: 'own-voice', speaking: boolean }
 *   | { type: 'direct', direct: import('./direct.js').DirectView | null }
 *   | { type: 'peer-voice', speaking: boolean }
 *   | { type: 'box-path', relayed: boolean }
 *   | { type: 'pin', key: string | null }
 *   | { type: 'saver', on: boolean }
 *   | { type: 'sound-blocked', blocked: boolean }
 *   | { type: 'peeked' }
 *   | { type: 'notice', notice: Notice }
 *   | { type: 'notice-over', key: string }
 *   | { type: 'device-well', source: Source }
 *   | { type: 'left' }} PageEvent
 */

/** Lines kept; the box sends its last 200 to whoever joins. Those that the reader has asked for come on top. */
const MAX_LINES = 500;

/** Notices that mean nothing outside the room. */
const OF_THE_ROOM = ['mutedBy', 'welcome', 'tapToHear', 'boxAway', 'noPath', 'noPathPlain', 'admitFull', 'deedForbidden'];

/** @returns {PageState} */
export function initialState() {
  return {
    phase: 'join', link: 'idle', away: false, room: '', waiting: false, rules: NO_RULES, knocks: [], viewers: [], you: null, members: [], since: {}, chat: [], olderLines: false, asked: 0, unread: 0, firstUnread: null,
    marked: null, newest: null, panel: 'none', mic: true, cam: true, sharing: false, mids: {},
    speaking: [], speaker: null, ownVoice: false, direct: null, directVoice: false, boxRelayed: false, pinned: null, saver: false, soundBlocked: false, notices: [],
  };
}

/**
 * The state after an event. Never changes the old one.
 * @param {PageState} state
 * @param {PageEvent} event
 * @returns {PageState}
 */
export function reduce(state, event) {
  switch (event.type) {
    case 'server': return heard(state, event.message, event.now);
    case 'joining': return { ...state, phase: 'joining', room: event.room, waiting: false };
    case 'link': return { ...state, link: event.link };
    case 'away': return { ...state, away: event.away && state.link !== 'open' };
    case 'panel': return withPanel(state, event.panel);
    case 'media': return {
      ...state, mic: event.mic ?? state.mic, cam: event.cam ?? state.cam, sharing: event.sharing ?? state.sharing,
      notices: event.mic ? without(state.notices, 'mutedBy') : state.notices,
    };
    case 'own-voice': return { ...state, ownVoice: event.speaking };
    case 'direct': return { ...state, direct: event.direct };
    case 'peer-voice': return { ...state, directVoice: event.speaking };
    case 'box-path': return { ...state, boxRelayed: event.relayed };
    case 'pin': return { ...state, pinned: event.key };
    case 'saver': return { ...state, saver: event.on };
    case 'sound-blocked': return { ...state, soundBlocked: event.blocked };
    case 'peeked': return { ...state, newest: null };
    case 'notice': return { ...state, notices: withNotice(state.notices, event.notice) };
    case 'notice-over': return { ...state, notices: without(state.notices, event.key) };
    case 'device-well': return { ...state, notices: withoutDevice(state.notices, event.source) };
    case 'left': return {
      ...initialState(), room: state.room, mic: state.mic, cam: state.cam, saver: state.saver, notices: state.notices.filter(({ key }) => !OF_THE_ROOM.includes(key)),
    };
  }
}

/** @param {Notice[]} notices @param {string} key */
function without(notices, key) {
  return notices.filter((notice) => notice.key !== key);
}

/**
 * @param {PageState} state
 * @param {ServerMessage} message
 * @param {number} now
 * @returns {PageState}
 */
function heard(state, message, now) {
  switch (message.type) {
    case 'joined': return joined(state, message, now);
    case 'member-joined': return withMember(state, message.member, now);
    case 'member-changed':
      // One that is not there has left; a late word must not bring its tile back.
      return state.members.some(({ id }) => id === message.member.id) ? withMember(state, message.member, now) : state;
    case 'member-left': return withoutMember(state, message.id);
    case 'chat': return withLine(state, message.line);
    case 'speakers': return { ...state, speaking: message.speaking, speaker: message.active };
    case 'offer':
    case 'mids': return { ...state, mids: message.mids };
    case 'bye': return message.reason === 'server-stopping' ? { ...state, link: 'stopping' } : state;
    default: return keep(state, message);
  }
}

/**
 * @param {PageState} state
 * @param {import('./protocol.js').Joined} message
 * @param {number} now
 * @returns {PageState}
 */
function joined(state, message, now) {
  const same = message.resumed && state.you === message.you;
  const seen = same ? (state.chat.at(-1)?.seq ?? -1) : Infinity;
  const fresh = message.chat.filter((line) => line.seq > seen);
  const [missed, ...more] = fresh.filter((line) => line.from !== message.you);
  const foreign = missed ? 1 + more.length : 0;
  /** @type {Record<string, number>} */
  const since = {};
  for (const member of message.members) {
    const before = state.members.find((other) => other.id === member.id);
    since[member.id] = before?.state === member.state ? (state.since[member.id] ?? now) : now;
  }
  return {
    ...state, phase: 'room', link: 'open', away: false, notices: without(state.notices, 'boxAway'), room: message.room, you: message.you,
    waiting: false, rules: message.rules, viewers: message.viewers, knocks: [], // the box says after this who knocks
    members: message.members, since,
    chat: (same ? [...state.chat, ...fresh] : message.chat).slice(-MAX_LINES - (same ? state.asked : 0)),
    olderLines: same ? state.olderLines : (message.chat[0]?.seq ?? 1) > 1,
    asked: same ? state.asked : 0,
    unread: state.panel === 'chat' ? 0 : same ? state.unread + foreign : 0,
    firstUnread: same && state.panel !== 'chat' ? (state.firstUnread ?? missed?.seq ?? null) : null,
    marked: same ? state.marked : null,
    mids: same ? state.mids : {},
    speaking: [], speaker: null, // the box says it after this
  };
}

/**
 * @param {PageState} state
 * @param {Member} member
 * @param {number} now
 * @returns {PageState}
 */
function withMember(state, member, now) {
  const before = state.members.find((other) => other.id === member.id);
  const members = before
    ? state.members.map((other) => (other.id === member.id ? member : other))
    : [...state.members, member];
  const since = before?.state === member.state ? state.since : { ...state.since, [member.id]: now };
  return { ...state, members, since };
}

/** @param {PageState} state @param {string} id @returns {PageState} */
function withoutMember(state, id) {
  const { [id]: _gone, ...since } = state.since;
  return {
    ...state, since,
    members: state.members.filter((member) => member.id !== id),
    speaking: state.speaking.filter((speaker) => speaker !== id),
    speaker: state.speaker === id ? null : state.speaker,
    pinned: state.pinned !== null && keyOwner(state.pinned) === id ? null : state.pinned,
  };
}

/** @param {PageState} state @param {Panel} panel @returns {PageState} */
function withPanel(state, panel) {
  if (panel !== 'chat') return { ...state, panel, newest: null, marked: null };
  return { ...state, panel, newest: null, unread: 0, firstUnread: null, marked: state.firstUnread };
}

/** @param {PageState} state @param {ChatLine} line @returns {PageState} */
function withLine(state, line) {
  if (state.chat.some((known) => known.seq === line.seq)) return state;
  const chat = [...state.chat, line].slice(-MAX_LINES - state.asked);
  const quiet = state.panel === 'chat' || line.from === state.you;
  return quiet ? { ...state, chat } : {
    ...state, chat, unread: state.unread + 1, firstUnread: state.firstUnread ?? line.seq, newest: line,
  };
}

/**
 * What `data-state` of a tile says.
 * @typedef {'connecting' | 'live' | 'muted' | 'lost'} PictureState
 */

/** What `data-path` of a tile says. @typedef {'direct' | 'box' | 'relay'} MediaPath */

/**
 * A tile to be drawn. `key` stays with it for as long as it is there.
 * @typedef {object} TileModel
 * @property {string} key the member's id; a screen's has `:screen` behind it
 * @property {Member} member
 * @property {boolean} own
 * @property {boolean} screen
 * @property {PictureState} expected `live` here still waits for the first frame
 * @property {string | null} videoMid m-section of `down`
 * @property {string | null} audioMid
 * @property {number} since
 * @property {boolean} speaking
 * @property {MediaPath | null} path how its media comes; null is one's own
 * @property {boolean} saved its picture is left out to save data
 * @property {string[]} watchers who sees it without being a member
 */

/** @param {string} key of a tile */
export function keyOwner(key) {
  return key.replace(/:screen$/, '');
}

/**
 * Everybody, oneself with the switches as they stand here and not as the box heard of them last.
 * @param {PageState} state
 * @returns {Member[]}
 */
export function members(state) {
  return state.members.map((member) => (member.id === state.you ? { ...member, mic: state.mic, cam: state.cam } : member));
}

/**
 * The tiles of the room: screens first, then members in order of arrival, oneself last.
 * @param {PageState} state
 * @returns {TileModel[]}
 */
export function tiles(state) {
  /** @type {TileModel[]} */
  const screens = [];
  /** @type {TileModel[]} */
  const others = [];
  /** @type {TileModel[]} */
  const own = [];
  for (const member of members(state)) {
    const you = member.id === state.you;
    const base = {
      member, own: you, screen: false, saved: state.saver && !you && member.cam, watchers: watchersOf(state, member.id), since: state.since[member.id] ?? 0,
      speaking: you ? state.ownVoice : isHeard(state, member),
      path: you ? null : pathOf(state, member.id),
    };
    (you ? own : others).push({
      ...base, key: member.id,
      expected: you ? ownPicture(state) : picture(state, member),
      videoMid: midOf(state.mids, member.id, 'camera'), audioMid: midOf(state.mids, member.id, 'microphone'),
    });
    const screenMid = midOf(state.mids, member.id, 'screen');
    const direct = state.direct?.peer === member.id && member.tracks.some(({ source }) => source === 'screen');
    if ((screenMid !== null || direct) && !you && !state.saver) {
      screens.push({
        ...base, key: `${member.id}:screen`, screen: true, speaking: false,
        expected: !direct && (member.state === 'lost' || state.away) ? 'lost' : 'live',
        videoMid: screenMid, audioMid: midOf(state.mids, member.id, 'screenaudio'),
      });
    }
  }
  return [...screens, ...others, ...own];
}

/** @param {PageState} state @param {Member} member */
function isHeard(state, member) {
  if (state.direct?.peer === member.id) return state.directVoice;
  return !state.away && member.state !== 'lost' && state.speaking.includes(member.id);
}

/** @param {PageState} state @param {string} member @returns {MediaPath} */
function pathOf(state, member) {
  if (state.direct?.peer === member) return state.direct.relayed ? 'relay' : 'direct';
  return state.boxRelayed ? 'relay' : 'box';
}

/** @param {PageState} state @param {Member} member @returns {PictureState} */
function picture(state, member) {
  // What comes directly goes on without the box.
  const isDirect = state.direct?.peer === member.id;
  if (!isDirect && (member.state === 'lost' || state.away)) return 'lost';
  if (!member.cam || state.saver) return 'muted';
  return isDirect ? 'live' : member.state;
}

/** @param {PageState} state @returns {PictureState} */
function ownPicture(state) {
  if (!state.cam) return 'muted';
  return 'live';
}

/**
 * @param {Record<string, Shown>} mids
 * @param {string} member
 * @param {import('./protocol.js').TrackSource} source
 */
export function midOf(mids, member, source) {
  const found = Object.entries(mids).find(([, shown]) => shown.member === member && shown.source === source);
  return found ? found[0] : null;
}

/**
 * One or two letters for a tile without a picture.
 * @param {string} name
 */
export function initials(name) {
  const plain = name.replace(/ \(\d+\)$/, '').trim();
  const words = plain.split(/[\s_.-]+/).filter((part) => /^[\p{L}\p{N}]/u.test(part));
  const [first = '', ...rest] = words;
  // Scripts that are read by the character begin with two of them.
  if (/^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u.test(first)) return [...first].slice(0, 2).join('');
  const last = rest.at(-1) ?? '';
  // Letters that join (Arabic and its kin) are not written side by side: the first alone stands well.
  const letters = /^[\p{Script=Arabic}\p{Script=Syriac}]/u.test(first) ? [first] : [first, last];
  return letters.map((word) => firstLetter(word)).join('').toLocaleUpperCase() || '?';
}

/** A letter with its accents. @param {string} word */
function firstLetter(word) {
  const [letter] = [...new Intl.Segmenter().segment(word)];
  return letter?.segment ?? '';
}

/**
 * A hue from a name, 0-359, the same everywhere.
 * @param {string} name
 */
export function hue(name) {
  let hash = 2166136261; // FNV-1a
  for (const char of name) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619);
  return (hash >>> 0) % 360;
}
