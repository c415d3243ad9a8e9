// What one shares of one's own screen: a slim line below the head, with a small picture of it.

import { byId, show } from '../../shared/dom.js';

export class SharingView {
  #strip = byId('sharing', HTMLElement);
  #video = byId('sharing-video', HTMLVideoElement);
  /** @type {MediaStreamTrack | null} */
  #track = null;

  /** @param {{ stop: () => void }} wires */
  constructor(wires) {
    byId('sharing-stop', HTMLButtonElement).addEventListener('click', () => wires.stop());
  }

  /** @param {MediaStreamTrack | null} track */
  render(track) {
    if (track === this.#track) return;
    this.#track = track;
    this.#video.srcObject = track ? new MediaStream([track]) : null;
    show(this.#strip, track !== null);
  }
}
