// How the room is kept, in People: the switches of whoever moderates, who waits to be let in, who watches
// without being a member; and the card that tells a moderator of a knock while People is closed.

import { byId, icon, make, setAttribute, setText, show } from '../../shared/dom.js';
import { t } from '../../shared/i18n/index.js';
import { moderates } from '../keeping.js';
import { hue, initials } from '../state.js';

/** @typedef {import('../state.js').PageState} PageState */
/** @typedef {import('../protocol.js').Knock} Knock */
/** @typedef {import('../protocol.js').Viewer} Viewer */
/** @typedef {'admit' | 'refuse'} Verdict */

export class DoorView {
  #lock = byId('lock-switch', HTMLButtonElement);
  #lobby = byId('lobby-switch', HTMLButtonElement);
  #card = byId('knock', HTMLElement);
  #knocks = byId('knocks-list', HTMLUListElement);
  #viewers = byId('viewers-list', HTMLUListElement);
  /** Who is told of on the card. */
  #first = '';
  /** @type {Record<string, string>} what each list shows */
  #drawn = {};

  /**
   * @param {object} wires
   * @param {(rule: 'lock' | 'lobby', on: boolean) => void} wires.rule
   * @param {(verdict: Verdict, member: string) => void} wires.judge
   * @param {() => void} wires.people
   */
  constructor(wires) {
    this.wires = wires;
    for (const [button, rule] of /** @type {const} */ ([[this.#lock, 'lock'], [this.#lobby, 'lobby']])) {
      button.addEventListener('click', () => wires.rule(rule, button.getAttribute('aria-checked') !== 'true'));
    }
    for (const verdict of /** @type {const} */ (['admit', 'refuse'])) {
      byId(`knock-${verdict}`, HTMLButtonElement).addEventListener('click', () => wires.judge(verdict, this.#first));
    }
    byId('knock-all', HTMLButtonElement).addEventListener('click', () => wires.people());
  }

  /** @param {PageState} state */
  render(state) {
    const inRoom = state.phase === 'room';
    const open = inRoom && state.panel === 'people';
    const { rules, knocks, viewers } = state;
    show(byId('room-locked', HTMLElement), inRoom && rules.locked);
    this.#renderCard(inRoom && !open ? knocks : []);
    if (!open) return;
    show(byId('door', HTMLElement), moderates(state));
    setAttribute(this.#lock, 'aria-checked', String(rules.locked));
    setAttribute(this.#lobby, 'aria-checked', String(rules.lobby));
    const welcome = byId('welcome', HTMLElement);
    show(welcome, rules.welcome !== '');
    setText(welcome, rules.welcome);
    show(byId('knocks', HTMLElement), knocks.length > 0);
    show(byId('viewers', HTMLElement), viewers.length > 0);
    this.#list(this.#knocks, knocks, (knock) => this.#knockRow(knock));
    const names = new Map(state.members.map(({ id, name }) => [id, name]));
    this.#list(this.#viewers, viewers.map((viewer) => ({ ...viewer, sees: viewer.watches === null ? null : (names.get(viewer.watches) ?? null) })), viewerRow);
  }

  /** @param {Knock[]} knocks */
  #renderCard(knocks) {
    const [first, ...more] = knocks;
    show(this.#card, first !== undefined);
    this.#first = first?.id ?? '';
    if (!first) return;
    const words = more.length === 0 ? t('knockOne', { name: first.name }) : t('knockMany', { name: first.name, count: more.length });
    setText(byId('knock-words', HTMLElement), words);
    show(byId('knock-all', HTMLButtonElement), more.length > 0);
  }

  /**
   * Drawn anew only when it differs, so that the focus stays where it is.
   * @template T
   * @param {HTMLUListElement} list @param {T[]} entries @param {(entry: T) => HTMLElement} row
   */
  #list(list, entries, row) {
    const wanted = JSON.stringify([document.documentElement.lang, entries]);
    if (this.#drawn[list.id] === wanted) return;
    this.#drawn[list.id] = wanted;
    const focused = document.activeElement?.id ?? '';
    list.replaceChildren(...entries.map(row));
    if (focused !== '') document.getElementById(focused)?.focus();
  }

  /** @param {Knock} knock */
  #knockRow({ id, name }) {
    const words = make('span', { class: 'person-name', id: `knock-name-${id}`, dir: 'auto', title: name, text: name });
    const buttons = /** @type {const} */ (['admit', 'refuse']).map((verdict) => {
      const button = make('button', {
        id: `${verdict}-${id}`, type: 'button', class: verdict === 'admit' ? 'button' : 'button quiet', 'aria-describedby': words.id, text: t(verdict),
      });
      button.addEventListener('click', () => this.wires.judge(verdict, id));
      return button;
    });
    return make('li', { class: 'person' }, avatar(name), make('span', { class: 'person-words' }, words), ...buttons);
  }
}

/** @param {{ name: string, sees: string | null }} viewer */
function viewerRow({ name, sees }) {
  const face = make('span', { class: 'avatar', 'aria-hidden': 'true' }, icon('eye'));
  const words = make('span', { class: 'person-words' },
    make('span', { class: 'person-name', dir: 'auto', title: name, text: name }),
    make('span', { class: 'person-note', text: sees === null ? t('seesNobody') : t('sees', { name: sees }) }));
  return make('li', { class: 'person' }, face, words);
}

/** @param {string} name */
export function avatar(name) {
  const face = make('span', { class: 'avatar', 'aria-hidden': 'true', text: initials(name) });
  face.style.setProperty('--hue', String(hue(name)));
  return face;
}
