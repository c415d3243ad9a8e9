// The chat drawer: the log, the line to write in. What is typed stays until the box has taken it.

import { byId, make, setText, show } from '../../shared/dom.js';
import { day, t, timeOfDay } from '../../shared/i18n/index.js';
import { MAX_CHAT_CHARS } from '../protocol.js';

/** @typedef {import('../state.js').PageState} PageState */
/** @typedef {import('../protocol.js').ChatLine} ChatLine */

/** Lines longer than this are folded. */
const FOLD_CHARS = 600;
const FOLD_LINES = 10;
/** Lines of one person within this time stand together. */
const TOGETHER_MS = 3 * 60_000;

export class ChatView {
  #drawer = byId('chat', HTMLElement);
  #log = byId('messages', HTMLElement);
  #box = byId('message', HTMLTextAreaElement);
  #error = byId('chat-error', HTMLElement);
  /** @type {ChatLine[]} what is drawn */
  #drawn = [];
  #language = '';

  /** @param {{ say: (text: string) => Promise<void> }} wires */
  constructor(wires) {
    this.wires = wires;
    byId('chat-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#say();
    });
    this.#box.addEventListener('keydown', (event) => {
      // Enter that ends an input method's composition sends nothing.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      void this.#say();
    });
    this.#box.addEventListener('input', () => this.#grow());
  }

  /** @param {PageState} state */
  render(state) {
    const open = state.phase === 'room' && state.panel === 'chat';
    const opened = open && this.#drawer.hidden;
    show(this.#drawer, open);
    this.#draw(state);
    if (!opened) return;
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#box.focus({ preventScroll: true });
  }

  /** @param {PageState} state */
  #draw(state) {
    const language = document.documentElement.lang;
    const anew = language !== this.#language || state.chat[0] !== this.#drawn[0];
    if (!anew && state.chat.length === this.#drawn.length) return;
    this.#language = language;
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 40;
    if (anew || this.#drawn.length === 0) {
      this.#log.replaceChildren();
      this.#drawn = [];
    }
    for (const line of state.chat.slice(this.#drawn.length)) {
      this.#log.append(...drawLine(line, this.#drawn.at(-1) ?? null, line.from === state.you));
      this.#drawn.push(line);
    }
    if (state.chat.length === 0) this.#log.append(make('p', { class: 'note', text: t('chatEmpty') }));
    if (atEnd) this.#log.scrollTop = this.#log.scrollHeight;
  }

  async #say() {
    const text = this.#box.value.trim();
    if (text === '') return;
    if ([...text].length > MAX_CHAT_CHARS) return this.#fail(t('chatLong'));
    const typed = this.#box.value;
    try {
      await this.wires.say(text);
    } catch {
      return this.#fail(t('chatFailed'));
    }
    show(this.#error, false);
    if (this.#box.value === typed) this.#box.value = '';
    this.#grow();
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** @param {string} text */
  #fail(text) {
    setText(this.#error, text);
    show(this.#error, true);
  }

  #grow() {
    this.#box.style.height = 'auto';
    this.#box.style.height = `${Math.min(this.#box.scrollHeight, 140)}px`;
  }
}

/**
 * @param {ChatLine} line
 * @param {ChatLine | null} before
 * @param {boolean} own
 */
function drawLine(line, before, own) {
  const parts = [];
  const today = day(Date.now());
  const itsDay = day(line.at_ms);
  if ((before ? day(before.at_ms) : today) !== itsDay) {
    parts.push(make('p', { class: 'chat-day', text: itsDay === today ? t('today') : itsDay }));
  }
  const together = before !== null && parts.length === 0 && before.from === line.from && before.name === line.name
    && line.at_ms - before.at_ms < TOGETHER_MS;
  const head = make('p', { class: 'chat-head' },
    make('span', { class: 'chat-name', text: own ? t('youAre', { name: line.name }) : line.name }),
    make('time', { class: 'chat-time', datetime: new Date(line.at_ms).toISOString(), text: timeOfDay(line.at_ms) }));
  const classes = `chat-line${own ? ' own' : ''}${together ? ' together' : ''}`;
  parts.push(make('div', { class: classes }, ...(together ? [] : [head]), ...drawText(line.text)));
  return parts;
}

/** @param {string} text */
function drawText(text) {
  const body = make('p', { class: 'chat-text' }, ...linked(text));
  if (text.length <= FOLD_CHARS && text.split('\n').length <= FOLD_LINES) return [body];
  body.classList.add('folded');
  const more = make('button', { type: 'button', class: 'text-button', text: t('showMore'), 'aria-expanded': 'false' });
  more.addEventListener('click', () => {
    const folded = body.classList.toggle('folded');
    more.setAttribute('aria-expanded', String(!folded));
    setText(more, t(folded ? 'showMore' : 'showLess'));
  });
  return [body, more];
}

/** Text with its http(s) addresses as links. @param {string} text */
function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"'，。）]+)/).map((part, index) => (
    index % 2 === 1 ? make('a', { href: part, target: '_blank', rel: 'noopener noreferrer nofollow', text: part }) : part
  ));
}
