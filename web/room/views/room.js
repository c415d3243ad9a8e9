// The room: tiles on a stage, the bar below, the line above. Draws the state; tells `app.js` what
// was pressed.

import { byId, setAttribute, setText, show } from '../../shared/dom.js';
import { t } from '../../shared/i18n/index.js';
import { arrange } from './layout.js';
import { tiles } from '../state.js';
import { carriedOn, forward } from './order.js';
import { float } from './react.js';
import { ParlorTile } from './tile.js';

/** @typedef {import('../state.js').PageState} PageState */
/** @typedef {import('../state.js').TileModel} TileModel */
/** @typedef {'mic' | 'cam' | 'share' | 'chat' | 'people' | 'settings' | 'leave' | 'copy-link' | 'flip'} RoomAction */

const PEEK_MS = 5000;
const BAR_HIDES_MS = 4000;
const SWIPE_PX = 60;

export class RoomView {
  #view = byId('room-view', HTMLElement);
  #stage = byId('stage', HTMLElement);
  #back = byId('page-back', HTMLButtonElement);
  #on = byId('page-on', HTMLButtonElement);
  #peek = byId('peek', HTMLElement);
  /** @type {Map<string, ParlorTile>} */
  #tiles = new Map();
  /** @type {PageState | null} */
  #state = null;
  #page = 0;
  /** Tiles of others on the first page, where there are several. */
  #perPage = Infinity;
  /** Keys of tiles as they are placed. @type {string[]} */
  #order = [];
  /** When each spoke last. @type {Map<string, number>} */
  #spoke = new Map();
  #speaker = '';
  #peekTimer = 0;
  #peeked = -1;
  #barTimer = 0;
  #swipeFrom = 0;

  /**
   * @param {object} wires
   * @param {(model: TileModel) => { video: MediaStreamTrack | null, audio: MediaStreamTrack | null }} wires.tracks
   * @param {(placed: [TileModel, import('./layout.js').Rect | null][]) => void} wires.placed
   * @param {(action: RoomAction) => void} wires.act
   * @param {(key: string | null) => void} wires.pin
   * @param {() => void} wires.blocked
   * @param {() => void} wires.peeked
   * @param {() => void} wires.speakerFailed
   */
  constructor(wires) {
    this.wires = wires;
    /** @type {[string, RoomAction][]} */
    const buttons = [
      ['bar-mic', 'mic'], ['bar-cam', 'cam'], ['bar-share', 'share'], ['bar-chat', 'chat'], ['bar-people', 'people'],
      ['bar-settings', 'settings'], ['bar-leave', 'leave'], ['copy-link', 'copy-link'], ['flip-camera', 'flip'],
    ];
    for (const [id, action] of buttons) {
      const button = byId(id, HTMLButtonElement);
      button.addEventListener('click', (event) => {
        // Pressed by pointer it does not keep the focus, so that Space stays "hold to talk".
        if (event.detail > 0) button.blur();
        wires.act(action);
      });
    }
    this.#back.addEventListener('click', () => this.#turn(-1));
    this.#on.addEventListener('click', () => this.#turn(1));
    this.#peek.addEventListener('click', () => wires.act('chat'));
    new ResizeObserver(() => this.#arrange(false)).observe(this.#stage);
    this.#stage.addEventListener('touchstart', (event) => { this.#swipeFrom = event.touches[0]?.clientX ?? 0; }, { passive: true });
    this.#stage.addEventListener('touchend', (event) => this.#swiped(event.changedTouches[0]?.clientX ?? 0), { passive: true });
    for (const type of ['pointermove', 'pointerdown', 'keydown', 'fullscreenchange']) {
      document.addEventListener(type, () => this.#wakeBar());
    }
  }

  /** @param {PageState} state */
  render(state) {
    this.#state = state;
    show(this.#view, state.phase === 'room');
    if (state.phase !== 'room') return this.#empty();
    setText(byId('room-name', HTMLElement), state.room);
    setText(byId('room-count', HTMLElement), String(state.members.length));
    this.#renderLink(state);
    this.#renderBar(state);
    this.#renderPeek(state);
    this.#renderTiles(state);
  }

  /** Another m-section may show another track. */
  refreshTracks() {
    if (this.#state?.phase === 'room') this.#renderTiles(this.#state);
  }

  /** @param {string} sinkId */
  setSpeaker(sinkId) {
    this.#speaker = sinkId;
    for (const tile of this.#tiles.values()) this.#useSpeaker(tile);
  }

  /** The room has been entered: the next key is for it, and whoever hears the page hears its name. */
  focus() {
    byId('room-title', HTMLElement).focus({ preventScroll: true });
  }

  /** After a tap the browser lets sound through. */
  playSound() {
    for (const tile of this.#tiles.values()) tile.playSound();
  }

  /** @param {PageState} state */
  #renderLink(state) {
    const text = state.link === 'stopping' ? t('restarting') : state.link === 'open' ? '' : t('reconnecting');
    setText(byId('link-status', HTMLElement), text);
    this.#view.classList.toggle('unlinked', text !== '');
  }

  /** @param {PageState} state */
  #renderBar(state) {
    /** @type {[string, boolean][]} */
    const pressed = [
      ['bar-mic', state.mic], ['bar-cam', state.cam], ['bar-share', state.sharing],
      ['bar-chat', state.panel === 'chat'], ['bar-people', state.panel === 'people'],
    ];
    for (const [id, on] of pressed) setAttribute(byId(id, HTMLButtonElement), 'aria-pressed', String(on));
    const badge = byId('unread', HTMLElement);
    show(badge, state.unread > 0);
    setText(badge, state.unread > 99 ? '99+' : String(state.unread));
    const count = state.unread === 1 ? t('unreadOne') : t('unreadMany', { count: state.unread });
    setText(byId('unread-words', HTMLElement), state.unread > 0 ? count : '');
    document.title = state.unread > 0
      ? t('documentTitleUnread', { room: state.room, count: state.unread })
      : t('documentTitle', { room: state.room });
    this.#view.dataset.panel = state.panel;
  }

  /** @param {PageState} state */
  #renderPeek(state) {
    const line = state.newest;
    show(this.#peek, line !== null);
    if (!line || line.seq === this.#peeked) return;
    this.#peeked = line.seq;
    setText(this.#peek, t('peek', { name: line.name, text: line.text }));
    clearTimeout(this.#peekTimer);
    this.#peekTimer = setTimeout(() => this.wires.peeked(), PEEK_MS);
  }

  /** @param {PageState} state */
  #renderTiles(state) {
    const models = tiles(state);
    const wanted = new Set(models.map((model) => model.key));
    for (const [key, tile] of this.#tiles) {
      if (wanted.has(key)) continue;
      this.#tiles.delete(key);
      tile.dispose();
    }
    for (const model of models) {
      const tile = this.#tiles.get(model.key) ?? this.#newTile(model.key);
      const { video, audio } = this.wires.tracks(model);
      tile.show(model, video, audio, state.pinned === model.key);
    }
    this.#arrange(true);
  }

  /** @param {string} key */
  #newTile(key) {
    const tile = new ParlorTile();
    this.#tiles.set(key, tile);
    this.#stage.append(tile);
    tile.onBlocked = () => this.wires.blocked();
    tile.onPin = () => this.wires.pin(this.#state?.pinned === key ? null : key);
    tile.addEventListener('dblclick', () => tile.onPin());
    this.#useSpeaker(tile);
    return tile;
  }

  /** @param {ParlorTile} tile */
  #useSpeaker(tile) {
    tile.setSpeaker(this.#speaker).catch(() => this.wires.speakerFailed());
  }

  /** @param {boolean} glide */
  #arrange(glide) {
    const state = this.#state;
    if (state?.phase !== 'room') return;
    const models = this.#inOrder(tiles(state));
    const pinned = models.findIndex((model) => model.key === state.pinned);
    const large = pinned >= 0 ? pinned : models.findIndex((model) => model.screen);
    const width = this.#stage.clientWidth;
    const height = this.#stage.clientHeight;
    const plan = arrange({ width, height, count: models.length, large, page: this.#page });
    this.#page = plan.page;
    this.#perPage = plan.pages > 1 ? plan.rects.slice(0, -1).filter((rect) => rect !== null).length : Infinity;
    models.forEach((model, index) => {
      const tile = this.#tiles.get(model.key);
      tile?.classList.toggle('in-corner', plan.kind === 'corner' && model.own);
      tile?.place(plan.rects[index] ?? null, glide);
    });
    this.wires.placed(models.map((model, index) => [model, plan.rects[index] ?? null]));
    const hidden = plan.rects.filter((rect) => rect === null).length;
    show(this.#back, plan.page > 0);
    show(this.#on, plan.page < plan.pages - 1);
    setText(byId('page-words', HTMLElement), t('pageOf', { page: plan.page + 1, pages: plan.pages }));
    show(byId('page-words', HTMLElement), plan.pages > 1);
    setAttribute(this.#on, 'data-more', t('pageMore', { count: hidden }));
  }

  /** Whoever speaks comes forward while the first page is shown. @param {TileModel[]} models */
  #inOrder(models) {
    const now = performance.now();
    const speaking = new Set(models.filter((model) => model.speaking && !model.own).map(({ key }) => key));
    for (const key of speaking) this.#spoke.set(key, now);
    this.#order = carriedOn(this.#order, models.map(({ key }) => key));
    const screens = models.filter((model) => model.screen).map(({ key }) => key);
    if (this.#page === 0 && this.#perPage !== Infinity && screens.length === 0) {
      this.#order = forward(this.#order, this.#perPage, speaking, (key) => this.#spoke.get(key) ?? 0);
    }
    const at = new Map([...screens, ...this.#order.filter((key) => !screens.includes(key))].map((key, index) => [key, index]));
    return [...models].sort((one, other) => (at.get(one.key) ?? 0) - (at.get(other.key) ?? 0));
  }

  /** Somebody shows what they feel. @param {string} member @param {import('../protocol.js').Reaction} reaction */
  showReaction(member, reaction) {
    const tile = this.#tiles.get(member);
    if (tile) float(tile, reaction);
  }

  /** How each picture is doing, by m-section. @param {Map<string, import('../media/figures.js').Figures>} figures */
  showFigures(figures) {
    if (this.#state?.phase !== 'room') return;
    const { direct } = this.#state;
    for (const { key, member, screen, videoMid, own } of tiles(this.#state)) {
      const of = direct?.peer === member.id ? `direct:${screen ? 'screen' : 'camera'}` : videoMid;
      this.#tiles.get(key)?.setFigures(own || of === null ? null : (figures.get(of) ?? null));
    }
  }

  /** @param {number} by */
  #turn(by) {
    this.#page += by;
    this.#arrange(true);
  }

  /** @param {number} x */
  #swiped(x) {
    if (Math.abs(x - this.#swipeFrom) > SWIPE_PX) this.#turn(x < this.#swipeFrom ? 1 : -1);
  }

  #wakeBar() {
    clearTimeout(this.#barTimer);
    this.#view.classList.remove('bar-away');
    if (!document.fullscreenElement) return;
    this.#barTimer = setTimeout(() => this.#view.classList.add('bar-away'), BAR_HIDES_MS);
  }

  #empty() {
    for (const tile of this.#tiles.values()) tile.dispose();
    this.#tiles.clear();
    this.#order = [];
    this.#spoke.clear();
    this.#page = 0;
    this.#peeked = -1;
  }
}
