// Keys of the room: M V D C S, Space to talk, ? for help. Silent while somebody types.

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
      if (event.target instanceof HTMLButtonElement) return; // Space presses the button
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
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'));
}

function fullScreen() {
  const change = document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
  change.catch(() => {}); // phones of Apple have none
}
