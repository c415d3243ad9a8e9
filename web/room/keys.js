// Keys of the room: M V D C S, Space to talk, ? for help. Silent while somebody types, and inside a
// drawer or a dialog, where a letter is taken for one of a text.

/** @typedef {import('./views/room.js').RoomAction} RoomAction */

/** @type {Record<string, RoomAction>} */
const ACTIONS = { m: 'mic', v: 'cam', d: 'share', c: 'chat' };

/**
 * @param {object} wires
 * @param {() => boolean} wires.inRoom
 * @param {(action: RoomAction) => void} wires.act
 * @param {(down: boolean) => void} wires.talk
 * @param {() => void} wires.help
 */
export function listenKeys(wires) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !wires.inRoom() || typing(event.target)) return;
    const action = ACTIONS[event.key.toLowerCase()];
    if (event.key === ' ') {
      if (event.target instanceof Element && event.target.closest('button, a, [role="button"]')) return; // Space presses it
      wires.talk(true);
    } else if (event.repeat) return;
    else if (action) wires.act(action);
    else if (event.key === '?') wires.help();
    else if (event.key.toLowerCase() === 's') fullScreen();
    else return;
    event.preventDefault();
  });
  document.addEventListener('keyup', (event) => {
    if (event.key === ' ') wires.talk(false);
  });
  // A key that is let go elsewhere is not heard here.
  addEventListener('blur', () => wires.talk(false));
}

/** @param {EventTarget | null} target */
function typing(target) {
  return target instanceof HTMLElement
    && (target.isContentEditable || target.closest('input, textarea, select, dialog, .drawer') !== null);
}

/** Of the whole page, or of one element; once more ends it. @param {Element} [element] */
export function fullScreen(element = document.documentElement) {
  const change = document.fullscreenElement ? document.exitFullscreen() : element.requestFullscreen();
  change.catch(() => {}); // phones of Apple have none
}
