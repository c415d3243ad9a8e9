// The people drawer: who is here, with microphone and camera, and the way to see one large.

import { byId, icon, make, show } from '../../shared/dom.js';
import { t } from '../../shared/i18n/index.js';
import { hue, initials, members } from '../state.js';

/** @typedef {import('../state.js').PageState} PageState */
/** @typedef {import('../protocol.js').Member} Member */

export class PeopleView {
  #drawer = byId('people', HTMLElement);
  #list = byId('people-list', HTMLUListElement);
  #drawn = '';

  /** @param {{ pin: (key: string | null) => void }} wires */
  constructor(wires) {
    this.wires = wires;
  }

  /** @param {PageState} state */
  render(state) {
    const open = state.phase === 'room' && state.panel === 'people';
    show(this.#drawer, open);
    if (!open) return;
    // Drawn anew only when something in it changed, so that focus stays where it is.
    const wanted = JSON.stringify([document.documentElement.lang, state.pinned, state.you, members(state)]);
    if (wanted === this.#drawn) return;
    const focused = document.activeElement?.id ?? '';
    this.#drawn = wanted;
    this.#list.replaceChildren(...members(state).map((member) => this.#row(member, state)));
    if (focused.startsWith('pin-')) document.getElementById(focused)?.focus();
  }

  /** @param {Member} member @param {PageState} state */
  #row(member, state) {
    const own = member.id === state.you;
    const pinned = state.pinned === member.id;
    const avatar = make('span', { class: 'avatar', 'aria-hidden': 'true', text: initials(member.name) });
    avatar.style.setProperty('--hue', String(hue(member.name)));
    if (member.kind === 'camera') avatar.replaceChildren(icon('cctv'));
    if (member.kind === 'stream') avatar.replaceChildren(icon('radio'));
    const name = make('span', { class: 'person-name', id: `name-${member.id}`, dir: 'auto', title: member.name, text: own ? t('youAre', { name: member.name }) : member.name });
    const note = own ? '' : noteOf(member);
    const words = make('span', { class: 'person-words' }, name, ...(note ? [make('span', { class: 'person-note', text: note })] : []));
    const way = t(pinned ? 'showWithOthers' : 'showLarge');
    const pin = make('button', {
      id: `pin-${member.id}`, class: 'ghost icon-only', type: 'button', 'aria-describedby': name.id,
      'aria-label': way, title: way, 'aria-pressed': String(pinned),
    }, icon('pin'));
    pin.addEventListener('click', () => this.wires.pin(pinned ? null : member.id));
    const marks = member.kind === 'person' ? [mark(member.mic, 'mic'), mark(member.cam, 'video')] : [];
    return make('li', { class: 'person' }, avatar, words, ...marks, pin);
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
