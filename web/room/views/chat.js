// The chat drawer: the log, the line to write in. What is typed stays until the box has taken it.

import { byId, make, setText, show } from '../../shared/dom.js';
import { t } from '../../shared/i18n/index.js';
import { mayDelete, moderates } from '../keeping.js';
import { MAX_CHAT_CHARS } from '../protocol.js';
import { drawLine } from './chat-line.js';

/** @typedef {import('../state.js').PageState} PageState */
/** @typedef {import('../protocol.js').ChatLine} ChatLine */
/** @typedef {{ line: ChatLine, nodes: HTMLElement[] }} Drawn */

/** Nearer to the end than this is at the end. */
const AT_END_PX = 40;
/** Nearer to the beginning than this, older lines are fetched. */
const NEAR_BEGIN_PX = 400;

export class ChatView {
  #drawer = byId('chat', HTMLElement);
  #log = byId('messages', HTMLElement);
  #form = byId('chat-form', HTMLFormElement);
  #box = byId('message', HTMLTextAreaElement);
  #error = byId('chat-error', HTMLElement);
  #newer = byId('newer', HTMLButtonElement);
  #mark = make('p', { class: 'chat-mark' });
  /** @type {Drawn[]} what the log holds, oldest first */
  #drawn = [];
  /** Language and rank it was drawn for. */
  #looks = '';
  /** @type {ChatLine[]} */
  #chat = [];
  #atEnd = true;
  #asking = false;
  /** @type {PageState | null} */
  #state = null;

  /** @param {{ say: (text: string) => Promise<void>, takeBack: (seq: number) => void, older: (before: number) => Promise<void> }} wires */
  constructor(wires) {
    this.wires = wires;
    this.#form.addEventListener('submit', (event) => {
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
    for (const target of [this.#box, this.#drawer]) {
      target.addEventListener('dragover', (event) => event.preventDefault());
    }
    this.#box.addEventListener('paste', (event) => this.#filesGiven(event, event.clipboardData));
    this.#drawer.addEventListener('drop', (event) => this.#filesGiven(event, event.dataTransfer));
    this.#log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    // The keyboard of a phone, or a drawer that changes its size: the newest line stays in view.
    new ResizeObserver(() => { if (this.#atEnd) this.#toEnd(); }).observe(this.#log);
    this.#newer.addEventListener('click', () => {
      this.#toEnd();
      this.#box.focus({ preventScroll: true });
    });
  }

  /** @param {PageState} state */
  render(state) {
    this.#state = state;
    const open = state.phase === 'room' && state.panel === 'chat';
    const opened = open && this.#drawer.hidden;
    show(this.#drawer, open);
    this.#draw(state);
    this.#renderMark(state.marked);
    if (!open) {
      this.#atEnd = true;
      show(this.#newer, false);
    } else if (opened) this.#toEnd();
  }

  /** @param {PageState} state */
  #draw(state) {
    const { chat, you } = state;
    const looks = `${document.documentElement.lang} ${moderates(state)} ${you}`;
    if (chat === this.#chat && looks === this.#looks) return;
    this.#chat = chat;
    const draw = (/** @type {ChatLine} */ line, /** @type {ChatLine | null} */ before) => (
      drawLine(line, before, line.from === you, mayDelete(state, line) ? this.wires.takeBack : null));
    if (looks !== this.#looks || chat.length === 0) {
      this.#log.replaceChildren(...(chat.length === 0 ? [make('p', { class: 'note', text: t('chatEmpty') })] : []));
      this.#drawn = [];
      this.#looks = looks;
    }
    this.#forget(new Set(chat), draw);
    this.#before(chat, draw);
    const fresh = chat.slice(this.#drawn.length);
    if (fresh.length === 0) return;
    if (this.#drawn.length === 0) this.#log.replaceChildren();
    for (const line of fresh) {
      const nodes = draw(line, this.#drawn.at(-1)?.line ?? null);
      this.#log.append(...nodes);
      this.#drawn.push({ line, nodes });
    }
    if (this.#atEnd) this.#toEnd();
    else if (fresh.some(({ from }) => from !== you)) show(this.#newer, true);
  }

  /**
   * Older lines, which the reader has asked for: what they were reading stays where it is.
   * @param {ChatLine[]} chat
   * @param {(line: ChatLine, before: ChatLine | null) => HTMLElement[]} draw
   */
  #before(chat, draw) {
    const [first] = this.#drawn;
    const count = first ? chat.indexOf(first.line) : 0;
    if (!first || count <= 0) return;
    const height = this.#log.scrollHeight - this.#log.scrollTop;
    /** @type {Drawn[]} */
    const older = [];
    for (const line of chat.slice(0, count)) {
      older.push({ line, nodes: draw(line, older.at(-1)?.line ?? null) });
    }
    const nodes = draw(first.line, older.at(-1)?.line ?? null);
    first.nodes[0]?.before(...older.flatMap((drawn) => drawn.nodes), ...nodes);
    for (const node of first.nodes) node.remove();
    first.nodes = nodes;
    this.#drawn = [...older, ...this.#drawn];
    this.#log.scrollTop = this.#log.scrollHeight - height;
  }

  /** Near the beginning the box is asked for what was before. @param {PageState} state */
  async #askOlder(state) {
    const [first] = state.chat;
    if (this.#asking || !first || !state.olderLines || this.#drawer.hidden || this.#log.scrollTop > NEAR_BEGIN_PX) return;
    this.#asking = true;
    await this.wires.older(first.seq).catch(() => {});
    this.#asking = false;
  }

  /**
   * Lines that are no longer kept, or were taken back; what was drawn of the others stays.
   * @param {Set<ChatLine>} kept
   * @param {(line: ChatLine, before: ChatLine | null) => HTMLElement[]} draw
   */
  #forget(kept, draw) {
    if (this.#drawn.every(({ line }) => kept.has(line))) return;
    const height = this.#log.scrollHeight;
    const hadFocus = this.#log.contains(document.activeElement) && document.activeElement !== this.#log;
    /** @type {HTMLElement[]} what was drawn of those that are gone */
    let gone = [];
    /** @type {Drawn[]} */
    const left = [];
    for (const drawn of this.#drawn) {
      if (!kept.has(drawn.line)) {
        for (const node of drawn.nodes) node.remove();
        gone.push(...drawn.nodes);
        continue;
      }
      if (gone.length > 0) inherit(drawn, gone, () => draw(drawn.line, left.at(-1)?.line ?? null));
      gone = [];
      left.push(drawn);
    }
    this.#drawn = left;
    if (!this.#atEnd) this.#log.scrollTop -= height - this.#log.scrollHeight;
    if (hadFocus && document.activeElement === document.body) this.#log.focus({ preventScroll: true });
  }

  /** Where the reader was when they came back. @param {number | null} marked */
  #renderMark(marked) {
    const entry = marked === null ? undefined : this.#drawn.find(({ line }) => line.seq >= marked);
    if (!entry) return this.#mark.remove();
    setText(this.#mark, t('newMessages'));
    if (this.#mark.nextSibling !== entry.nodes[0]) entry.nodes[0]?.before(this.#mark);
  }

  #scrolled() {
    if (this.#drawer.hidden) return;
    this.#atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < AT_END_PX;
    if (this.#atEnd) show(this.#newer, false);
    if (this.#state) void this.#askOlder(this.#state);
  }

  #toEnd() {
    this.#atEnd = true;
    this.#log.scrollTop = this.#log.scrollHeight;
    show(this.#newer, false);
  }

  async #say() {
    // A press on Send must not leave the next letters to the room's keys.
    this.#box.focus({ preventScroll: true });
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
    this.#toEnd();
  }

  /** A picture or another file cannot be sent, and that is said. @param {Event} event @param {DataTransfer | null} given */
  #filesGiven(event, given) {
    if (!given || given.files.length === 0) return;
    // A spreadsheet's cells come as text and as a picture: the text is what is meant.
    if (event.type === 'paste' && given.types.includes('text/plain')) return;
    event.preventDefault();
    this.#fail(t('chatNoFiles'));
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
 * A line that stood below others that are gone: below their head it is drawn anew, and their day is its own.
 * @param {Drawn} drawn
 * @param {HTMLElement[]} gone
 * @param {() => HTMLElement[]} draw
 */
function inherit(drawn, gone, draw) {
  const has = (/** @type {HTMLElement[]} */ nodes, /** @type {string} */ name) => nodes.filter((node) => node.classList.contains(name)).at(-1);
  if (has(drawn.nodes, 'together')) {
    const nodes = draw();
    drawn.nodes[0]?.before(...nodes);
    for (const node of drawn.nodes) node.remove();
    drawn.nodes = nodes;
  }
  const day = has(gone, 'chat-day');
  if (!day || has(drawn.nodes, 'chat-day')) return;
  drawn.nodes[0]?.before(day);
  drawn.nodes = [day, ...drawn.nodes];
}
