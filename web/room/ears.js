// Which sound belongs to what has changed in the room. Pure: two states in, a tune or nothing out.

/** @typedef {import('./state.js').PageState} PageState */
/** @typedef {import('./media/chimes.js').Tune} Tune */

/** In a room of more than so many, coming and going is no news. */
const CROWD = 12;

/**
 * @param {PageState} before
 * @param {PageState} now
 * @returns {Tune | null} the most urgent one
 */
export function tuneFor(before, now) {
  // One's own coming and going, and what is caught up on after a gap, make no sound.
  if (before.phase !== 'room' || now.phase !== 'room' || before.you !== now.you || before.link !== 'open') return null;
  const known = new Set(before.knocks.map(({ id }) => id));
  if (now.knocks.some(({ id }) => !known.has(id))) return 'knock';
  const raised = new Set(before.members.filter(({ hand }) => hand).map(({ id }) => id));
  if (now.members.some(({ id, hand }) => hand && !raised.has(id) && id !== now.you)) return 'hand';
  const [was, is] = [people(before), people(now)];
  if (Math.max(was.size, is.size) > CROWD) return null;
  if ([...is].some((id) => !was.has(id))) return 'joined';
  if ([...was].some((id) => !is.has(id))) return 'left';
  return null;
}

/** @param {PageState} state */
const people = ({ members, you }) => new Set(members.filter(({ id, kind }) => kind === 'person' && id !== you).map(({ id }) => id));
