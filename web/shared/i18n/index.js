// Which language the page speaks, and the sentences in it. The sentences are in `en.js` and `zh.js`.

import en from './en.js';
import zh from './zh.js';

/** @typedef {keyof typeof en} Key */

let strings = document.documentElement.lang.startsWith('zh') ? zh : en;

/** The language in use, as a BCP 47 tag. */
export const language = () => (strings === zh ? 'zh-CN' : 'en');

/** @param {string} tag */
export function setLanguage(tag) {
  strings = tag.startsWith('zh') ? zh : en;
  document.documentElement.lang = language();
  localize(document);
}

/**
 * A sentence, filled in.
 * @param {Key} key
 * @param {Record<string, string | number>} [params]
 */
export const t = (key, params = {}) => filled(strings[key], params);

/**
 * A sentence of the language in use with its holes, `{name}`, filled; one that nothing is given for stays.
 * @param {string} sentence @param {Record<string, string | number>} params
 */
export function filled(sentence, params) {
  const marked = sentence.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = params[name];
    return value === undefined ? whole : `${EDGE}${value}${EDGE}`;
  });
  return spaced(marked);
}

/** Where something was filled in; not to be found in anything that is. */
const EDGE = '\uFFFF';

/**
 * Chinese puts a space between its characters and Latin letters or digits: “Ana 在房间里”. What the
 * sentences hold is written so; what is filled in gets it here.
 * @param {string} text
 */
function spaced(text) {
  if (strings !== zh) return text.replaceAll(EDGE, '');
  return text
    .replace(new RegExp(`(?<=\\p{Script=Han})${EDGE}(?=[\\p{Script=Latin}\\d])`, 'gu'), ' ')
    .replace(new RegExp(`(?<=[\\p{Script=Latin}\\d])${EDGE}(?=\\p{Script=Han})`, 'gu'), ' ')
    .replaceAll(EDGE, '');
}

/** @param {string} key @returns {key is Key} */
export const isKey = (key) => Object.hasOwn(en, key);

/** Names in a row: “Ana, Lin and Front door”. @param {string[]} names */
export function joinNames(names) {
  const parts = new Intl.ListFormat(language(), { type: 'conjunction' }).formatToParts(names);
  return spaced(parts.map(({ type, value }) => (type === 'element' ? `${EDGE}${value}${EDGE}` : value)).join(''));
}

/** Local time of day. @param {number} at ms since 1970 */
export function timeOfDay(at) {
  return new Intl.DateTimeFormat(language(), { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at);
}

/** Local day. @param {number} at ms since 1970 */
export function day(at) {
  return new Intl.DateTimeFormat(language(), { weekday: 'long', day: 'numeric', month: 'long' }).format(at);
}

/** Where `data-t…` puts a sentence. @type {[string, string][]} */
const PLACES = [['data-t-label', 'aria-label'], ['data-t-title', 'title'], ['data-t-placeholder', 'placeholder']];

/**
 * Fills `data-t`, `data-t-label`, `data-t-title`, `data-t-placeholder` of what lies below.
 * @param {ParentNode} root
 */
export function localize(root) {
  for (const element of root.querySelectorAll('[data-t]')) {
    const key = element.getAttribute('data-t') ?? '';
    if (isKey(key)) element.textContent = t(key);
  }
  for (const [from, to] of PLACES) {
    for (const element of root.querySelectorAll(`[${from}]`)) {
      const key = element.getAttribute(from) ?? '';
      if (isKey(key)) element.setAttribute(to, t(key));
    }
  }
}
