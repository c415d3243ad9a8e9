// How a room is kept, as the page knows it: its rules, who waits at the door, who watches without being
// a member, lines that were taken back. Pure; `state.js` is its only caller.

/** @typedef {import('./state.js').PageState} PageState */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */
/** @typedef {import('./protocol.js').RoomRules} RoomRules */
/** @typedef {import('./protocol.js').Member} Member */
/** @typedef {'mute' | 'remove' | 'make-moderator' | 'unmake-moderator'} Deed what one member can do to another */

/** @type {RoomRules} */
export const NO_RULES = { max_participants: 0, locked: false, lobby: false, welcome: '' };

/**
 * @param {PageState} state
 * @param {ServerMessage} message
 * @returns {PageState}
 */
export function keep(state, message) {
  switch (message.type) {
    case 'waiting': return { ...state, waiting: true, room: message.room };
    case 'room-changed': return { ...state, rules: message.rules };
    case 'knocks': return { ...state, knocks: message.waiting };
    case 'history': return withOlder(state, message);
    case 'chat-deleted': return withoutLine(state, message.seq);
    case 'viewer-joined':
    case 'viewer-changed': return {
      ...state, viewers: [...state.viewers.filter(({ id }) => id !== message.viewer.id), message.viewer],
    };
    case 'viewer-left': return { ...state, viewers: state.viewers.filter(({ id }) => id !== message.id) };
    default: return state;
  }
}

/**
 * @param {PageState} state
 * @param {import('./protocol.js').History} message
 * @returns {PageState}
 */
function withOlder(state, { lines, more }) {
  const first = state.chat[0]?.seq ?? Infinity;
  const older = lines.filter(({ seq }) => seq < first);
  return { ...state, chat: [...older, ...state.chat], asked: state.asked + older.length, olderLines: more && older.length > 0 };
}

/** @param {PageState} state @param {number} seq @returns {PageState} */
function withoutLine(state, seq) {
  const line = state.chat.find((known) => known.seq === seq);
  if (!line) return state;
  const chat = state.chat.filter((known) => known !== line);
  const newest = state.newest?.seq === seq ? null : state.newest;
  const wasUnread = state.firstUnread !== null && seq >= state.firstUnread && line.from !== state.you;
  if (!wasUnread) return { ...state, chat, newest };
  const unread = Math.max(0, state.unread - 1);
  const firstUnread = unread === 0 ? null : (chat.find((known) => known.seq > seq || known.seq === state.firstUnread)?.seq ?? null);
  return { ...state, chat, newest, unread, firstUnread: seq === state.firstUnread || unread === 0 ? firstUnread : state.firstUnread };
}

/** @param {PageState} state */
export function own(state) {
  return state.members.find(({ id }) => id === state.you);
}

/** Whether one may mute, remove, let in and lock. @param {PageState} state */
export function moderates(state) {
  const rank = own(state)?.rank;
  return rank === 'moderator' || rank === 'owner';
}

/**
 * What one may do to a member now, in the order of the menu; as the box has it (`room/moderation.rs`).
 * @param {PageState} state
 * @param {Member} member
 * @returns {Deed[]}
 */
export function deeds(state, member) {
  if (!moderates(state)) return [];
  const rank = own(state)?.rank;
  if (member.id === state.you) return rank === 'moderator' ? ['unmake-moderator'] : [];
  if (member.rank === 'owner' && rank !== 'owner') return [];
  /** @type {Deed[]} */
  const list = [];
  if (member.kind === 'person') list.push('mute');
  // The box's own cameras go by its settings.
  if (member.kind !== 'camera') list.push('remove');
  if (member.kind === 'person' && member.rank === undefined) list.push('make-moderator');
  if (member.rank === 'moderator' && rank === 'owner') list.push('unmake-moderator');
  return list;
}

/** Whether one may take a line back. @param {PageState} state @param {import('./protocol.js').ChatLine} line */
export const mayDelete = (state, line) => line.from === state.you || moderates(state);

/** Who watches a member without being one. @param {PageState} state @param {string} member */
export const watchersOf = (state, member) => state.viewers.filter(({ watches }) => watches === member).map(({ name }) => name);
