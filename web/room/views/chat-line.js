// One line of the chat as elements: its day, its author, its time, its text with links.

import { icon, make, setText } from '../../shared/dom.js';
import { day, t, timeOfDay } from '../../shared/i18n/index.js';
import { withAddresses } from '../addresses.js';

/** @typedef {import('../protocol.js').ChatLine} ChatLine */

/** Lines longer than this are folded. */
const FOLD_CHARS = 600;
const FOLD_LINES = 10;
/** Lines of one person within this time stand together. */
const TOGETHER_MS = 3 * 60_000;

/**
 * @param {ChatLine} line
 * @param {ChatLine | null} before
 * @param {boolean} own
 * @param {((seq: number) => void) | null} takeBack where the reader may delete it
 */
export function drawLine(line, before, own, takeBack) {
  const parts = [];
  const today = day(Date.now());
  const itsDay = day(line.at_ms);
  if ((before ? day(before.at_ms) : today) !== itsDay) {
    parts.push(make('p', { class: 'chat-day', text: itsDay === today ? t('today') : itsDay }));
  }
  const together = before !== null && parts.length === 0 && before.from === line.from && before.name === line.name
    && line.at_ms - before.at_ms < TOGETHER_MS;
  const time = timeOfDay(line.at_ms);
  const clock = make('time', { class: 'chat-time', datetime: new Date(line.at_ms).toISOString(), text: time });
  const head = make('p', { class: 'chat-head' },
    make('span', { class: 'chat-name', dir: 'auto', text: own ? t('youAre', { name: line.name }) : line.name }), clock);
  const classes = `chat-line${own ? ' own' : ''}${together ? ' together' : ''}`;
  // Below one head each further minute is told once, at the line it begins with.
  const later = together && timeOfDay(before.at_ms) !== time ? [clock] : [];
  const bin = takeBack ? [deleteButton(line, takeBack)] : [];
  parts.push(make('div', { class: classes }, ...(together ? later : [head]), ...bin, ...drawText(line.text)));
  return parts;
}

/** @param {ChatLine} line @param {(seq: number) => void} takeBack */
function deleteButton(line, takeBack) {
  const button = make('button', { type: 'button', class: 'chat-delete', 'aria-label': t('deleteLine'), title: t('deleteLine') }, icon('trash-2'));
  button.addEventListener('click', () => takeBack(line.seq));
  return button;
}

/** @param {string} text */
function drawText(text) {
  const body = make('p', { class: 'chat-text', dir: 'auto' }, ...linked(text));
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
  return withAddresses(text).map((part, index) => (
    index % 2 === 1 ? make('a', { href: part, target: '_blank', rel: 'noopener noreferrer nofollow', text: part }) : part
  ));
}
