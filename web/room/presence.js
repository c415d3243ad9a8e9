// Who is in the room already, for the join page: asked when the name changes and every five seconds.

const TYPING_MS = 300;
const EVERY_MS = 5000;

/**
 * @param {object} wires
 * @param {() => string} wires.room
 * @param {() => boolean} wires.wanted
 * @param {(members: { name: string, kind: string }[] | null) => void} wires.told null: not known
 */
export function watchPresence(wires) {
  let timer = 0;
  let asked = 0;
  const ask = async () => {
    clearTimeout(timer);
    timer = setTimeout(ask, EVERY_MS);
    const room = wires.room().trim();
    if (!wires.wanted() || document.hidden) return;
    asked += 1;
    const mine = asked;
    const members = room === '' ? null : await whoIsIn(room);
    if (mine === asked && wires.wanted()) wires.told(members);
  };
  return {
    /** Soon, once typing pauses. */
    ask() {
      clearTimeout(timer);
      timer = setTimeout(ask, TYPING_MS);
    },
  };
}

/** @param {string} room */
async function whoIsIn(room) {
  try {
    // The list of rooms, and not one by its name: that a room is not there is no error.
    const answer = await fetch('/api/v1/rooms', { headers: { accept: 'application/json' } });
    if (!answer.ok) return null;
    const rooms = await answer.json();
    const wanted = folded(room);
    const members = rooms.find((/** @type {{ name: string }} */ { name }) => folded(name) === wanted)?.members ?? [];
    return Array.isArray(members) ? members.filter((member) => typeof member?.name === 'string') : null;
  } catch {
    return null;
  }
}

/** Names of rooms are compared so. @param {string} name */
const folded = (name) => name.normalize('NFC').toLowerCase();
