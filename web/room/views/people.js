// The people drawer: who is here, with microphone and camera, the way to see one large, and what one may
// do to them. Who waits and who watches is `door.js`.

import { byId, icon, make, show } from '../../shared/dom.js';
import { t } from '../../shared/i18n/index.js';
import { deeds } from '../keeping.js';
import { members } from '../state.js';
import { avatar } from './door.js';
import { MemberMenu } from './member-menu.js';

/** @typedef {import('../state.js').PageState} PageState */
/** @typedef {import('../protocol.js').Member} Member */

export class PeopleView {
  #drawer = byId('people', HTMLElement);
  #list = byId('people-list', HTMLUListElement);
  /** @type {Map<string, { looks: string, row: HTMLElement }>} */
  #rows = new Map();

  /**
   * @param {object} wires
   * @param {(key: string | null) => void} wires.pin
   * @param {(deed: import('../keeping.js').Deed, member: string) => void} wires.act
   */
  constructor(wires) {
    this.wires = wires;
    this.menu = new MemberMenu({ act: wires.act });
  }

  /** @param {PageState} state */
  render(state) {
    const open = state.phase === 'room' && state.panel === 'people';
    show(this.#drawer, open);
    if (!open) return this.menu.close();
    const all = members(state);
    const gone = new Set(this.#rows.keys());
    const focused = document.activeElement?.id ?? '';
    for (const { id } of all) gone.delete(id);
    for (const id of gone) {
      this.#rows.get(id)?.row.remove();
      this.#rows.delete(id);
    }
    all.forEach((member, index) => {
      const row = this.#keptRow(member, state);
      const there = this.#list.children[index] ?? null;
      if (row !== there) this.#list.insertBefore(row, there);
    });
    if (/^(pin|more)-/.test(focused) && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
  }

  /**
   * A row is made anew only when something in it is another: a press on one of its buttons must not be lost
   * because somebody else has switched a microphone.
   * @param {Member} member @param {PageState} state
   */
  #keptRow(member, state) {
    const { name, kind, rank, state: seen, mic, cam, hand } = member;
    const looks = JSON.stringify([
      document.documentElement.lang, name, kind, rank, seen, mic, cam, hand, state.pinned === member.id, state.you === member.id, deeds(state, member),
    ]);
    const kept = this.#rows.get(member.id);
    if (kept?.looks === looks) return kept.row;
    const row = this.#row(member, state);
    kept?.row.replaceWith(row);
    this.#rows.set(member.id, { looks, row });
    return row;
  }

  /** @param {Member} member @param {PageState} state */
  #row(member, state) {
    const own = member.id === state.you;
    const pinned = state.pinned === member.id;
    const face = avatar(member.name);
    if (member.kind === 'camera') face.replaceChildren(icon('cctv'));
    if (member.kind === 'stream') face.replaceChildren(icon('radio'));
    const name = make('span', { class: 'person-name', id: `name-${member.id}`, dir: 'auto', title: member.name, text: own ? t('youAre', { name: member.name }) : member.name });
    const rank = member.rank === undefined ? [] : [make('span', { class: 'person-note rank', text: t(member.rank === 'owner' ? 'rankOwner' : 'rankModerator') })];
    const note = own ? '' : noteOf(member);
    const words = make('span', { class: 'person-words' }, name, ...rank, ...(note ? [make('span', { class: 'person-note', text: note })] : []));
    const way = t(pinned ? 'showWithOthers' : 'showLarge');
    const pin = make('button', {
      id: `pin-${member.id}`, class: 'ghost icon-only', type: 'button', 'aria-describedby': name.id,
      'aria-label': way, title: way, 'aria-pressed': String(pinned),
    }, icon('pin'));
    pin.addEventListener('click', () => this.wires.pin(pinned ? null : member.id));
    const hand = member.hand ? [make('span', { class: 'mark up', role: 'img', 'aria-label': t('handUp') }, icon('hand'))] : [];
    const marks = member.kind === 'person' ? [mark(member.mic, 'mic'), mark(member.cam, 'video')] : [];
    return make('li', { class: 'person' }, face, words, ...hand, ...marks, pin, ...this.#more(member, state, name.id));
  }

  /** @param {Member} member @param {PageState} state @param {string} describedBy */
  #more(member, state, describedBy) {
    const can = deeds(state, member);
    if (can.length === 0) return [];
    const more = make('button', {
      id: `more-${member.id}`, class: 'ghost icon-only', type: 'button', 'aria-label': t('more'), title: t('more'),
      'aria-haspopup': 'menu', 'aria-expanded': 'false', 'aria-describedby': describedBy,
    }, icon('ellipsis'));
    more.addEventListener('click', () => this.menu.open(more, member.id, can));
    return [more];
  }
}

/** @param {Member} member */
function noteOf(member) {
  if (member.state === 'lost') return t('stateLost');
  if (member.kind === 'camera') return t('kindCamera');
  if (member.kind === 'stream') return t('kindStream');
  return member.state === 'connecting' ? t('stateConnecting') : '';
}

/** @param {boolean} on @param {'mic' | 'video'} name */
function mark(on, name) {
  const label = on ? undefined : t(name === 'mic' ? 'micOff' : 'cameraOff');
  const span = make('span', { class: on ? 'mark' : 'mark off', 'aria-hidden': on ? 'true' : undefined, role: on ? undefined : 'img', 'aria-label': label });
  span.append(icon(on ? name : `${name}-off`));
  return span;
}
