// Who is in which room, for the join page: asked when the name changes and every five seconds, as long as
// this visitor may know.

/** @typedef {{ name: string, kind: string }} Present */
/** @typedef {{ name: string, members: Present[], password?: boolean }} Room the members of one with a password are told to whoever has it */

const TYPING_MS = 300;
const EVERY_MS = 5000;

/**
 * @param {object} wires
 * @param {() => string} wires.room
 * @param {() => boolean} wires.wanted
 * @param {(members: Present[] | null, others: Room[]) => void} wires.told who is in the room that is typed (null: not known), and the other rooms
 */
export function watchPresence(wires) {
  let timer = 0;
  let asked = 0;
  let allowed = true;
  const ask = async () => {
    clearTimeout(timer);
    timer = setTimeout(ask, EVERY_MS);
    if (!allowed || !wires.wanted() || document.hidden) return;
    asked += 1;
    const mine = asked;
    const rooms = await allRooms();
    if (rooms === 'forbidden') allowed = false;
    if (mine !== asked || !wires.wanted()) return;
    if (!Array.isArray(rooms)) return wires.told(null, []);
    const wanted = folded(wires.room().trim());
    const found = rooms.find(({ name }) => folded(name) === wanted);
    wires.told(wanted === '' || found?.password ? null : found?.members ?? [], rooms.filter(({ name, members: inside }) => folded(name) !== wanted && inside.length > 0));
  };
  return {
    /** Soon, once typing pauses. */
    ask() {
      clearTimeout(timer);
      timer = setTimeout(ask, TYPING_MS);
    },
  };
}

/**
 * The list of rooms, and not one by its name: that a room is not there is no error.
 * @returns {Promise<Room[] | 'forbidden' | null>} null: not known now
 */
async function allRooms() {
  try {
    const answer = await fetch('/api/v1/rooms', { headers: { accept: 'application/json' } });
    if (!answer.ok) return answer.status === 403 || answer.status === 401 ? 'forbidden' : null;
    const rooms = await answer.json();
    return Array.isArray(rooms) ? rooms.filter(({ name, members }) => typeof name === 'string' && Array.isArray(members)) : null;
  } catch {
    return null;
  }
}

/** Names of rooms are compared so. @param {string} name */
export const folded = (name) => name.normalize('NFC').toLowerCase();
