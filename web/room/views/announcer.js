// What happens in the room, for whoever hears the page instead of seeing it: who comes, who goes, who
// mutes. One polite region; what is said together is one sentence after the other.

import { byId, setText } from '../../shared/dom.js';
import { t } from '../../shared/i18n/index.js';
import { members } from '../state.js';

/** @typedef {import('../state.js').PageState} PageState */
/** @typedef {import('../protocol.js').Member} Member */

/** Changes within this time are said in one breath. */
const COLLECT_MS = 400;
/** After this long the region is empty again: it is for ears, not to be found later. */
const FORGET_MS = 4000;

export class Announcer {
  #place = byId('announce', HTMLElement);
  /** @type {Map<string, Member> | null} as last seen; null outside a room */
  #known = null;
  /** @type {string | null} */
  #you = null;
  /** @type {string[]} */
  #soon = [];
  #timer = 0;

  /** @param {string} text */
  say(text) {
    if (text === '') return;
    this.#soon.push(text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#speak(), COLLECT_MS);
  }

  /** @param {PageState} state */
  render(state) {
    if (state.phase !== 'room') {
      this.#known = null;
      return;
    }
    const now = new Map(members(state).map((member) => [member.id, member]));
    // Another stay of one's own is another room full of people.
    const before = state.you === this.#you ? this.#known : null;
    this.#known = now;
    this.#you = state.you;
    if (before) for (const sentence of news(before, now, state.you)) this.say(sentence);
  }

  #speak() {
    setText(this.#place, this.#soon.join(' '));
    this.#soon = [];
    this.#timer = setTimeout(() => setText(this.#place, ''), FORGET_MS);
  }
}

/**
 * @param {Map<string, Member>} before
 * @param {Map<string, Member>} now
 * @param {string | null} you
 */
function* news(before, now, you) {
  for (const [id, member] of now) {
    const was = before.get(id);
    const { name } = member;
    if (was && member.hand && !was.hand && id !== you) yield t('saidHand', { name });
    if (!was) {
      if (id !== you) yield t('saidJoined', { name });
    } else if (id === you) {
      if (was.mic !== member.mic) yield t(member.mic ? 'saidMicOn' : 'saidMicOff');
      if (was.cam !== member.cam) yield t(member.cam ? 'saidCamOn' : 'saidCamOff');
    } else if (member.kind === 'person') {
      if (was.mic !== member.mic) yield t(member.mic ? 'saidUnmuted' : 'saidMuted', { name });
      if (was.state !== 'lost' && member.state === 'lost') yield t('saidLost', { name });
    }
  }
  for (const [id, { name }] of before) if (!now.has(id) && id !== you) yield t('saidLeft', { name });
}
