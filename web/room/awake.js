// The screen stays on while one is in a room. Where the system refuses (a low battery), it does not.

export class ScreenAwake {
  /** @type {WakeLockSentinel | null} */
  #lock = null;

  /** @param {() => boolean} wanted */
  constructor(wanted) {
    this.wanted = wanted;
    // The system takes it away from a page that is hidden.
    document.addEventListener('visibilitychange', () => void this.keep());
  }

  async keep() {
    if (!this.wanted() || document.hidden || !('wakeLock' in navigator)) return;
    this.#lock = await navigator.wakeLock.request('screen').catch(() => null);
  }

  release() {
    void this.#lock?.release().catch(() => {});
    this.#lock = null;
  }
}
