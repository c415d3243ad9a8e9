// One setting: its name, its field, who says so, and what is wrong with it.

import { html, nothing } from '../../shared/lit-html.js';
import { CHOICES, fieldOf, kindOf, written } from '../model.js';
import { aboutOf, faultOf, isWord, nameOf, say } from '../words/index.js';
import { entries } from './entries.js';

/** @typedef {import('../settings.js').Page} Page */

/** @param {string} key */
const idOf = (key) => `key-${key.replace(/\W/g, '-')}`;

/** @param {string} key @param {string} word */
export function choiceName(key, word) {
  const own = key === 'access.loopback' && word === 'guest' ? 'choice_loopback_guest' : `choice_${word}`;
  return isWord(own) ? say(own) : word;
}

/** The field of a key. @param {Page} page @param {string} key */
function control(page, key) {
  const shown = page.keys[key];
  if (!shown) return nothing;
  const kind = kindOf(key, shown);
  const value = fieldOf(page.keys, page.drafts, key);
  const isWrong = page.faults[key] ? 'true' : nothing;
  const [id, about] = [idOf(key), `${idOf(key)}-about`];
  /** @param {Event} event */
  const typed = (event) => {
    const field = /** @type {HTMLInputElement} */ (event.target);
    page.draft(key, kind === 'flag' ? field.checked : field.value);
  };
  switch (kind) {
    case 'flag':
      return html`<input id=${id} type="checkbox" role="switch" .checked=${value} ?disabled=${shown.fixed} aria-describedby=${about} @change=${typed}>`;
    case 'list':
      return html`<textarea id=${id} rows=${Math.min(8, Math.max(2, String(value).split('\n').length + 1))} spellcheck="false" autocapitalize="off" dir="ltr"
        .value=${value} ?readonly=${shown.fixed} aria-invalid=${isWrong} aria-describedby=${about} @input=${typed}></textarea>`;
    case 'choice': {
      const words = CHOICES[/** @type {keyof typeof CHOICES} */ (key)];
      return html`<select id=${id} ?disabled=${shown.fixed} aria-describedby=${about} @change=${typed}>
        ${words.map((word) => html`<option value=${word} .selected=${word === value}>${choiceName(key, word)}</option>`)}</select>`;
    }
    case 'secret':
      return html`<input id=${id} type="password" autocomplete="off" .value=${value} placeholder=${shown.value === '' ? '' : '•••'}
        ?readonly=${shown.fixed} aria-invalid=${isWrong} aria-describedby=${about} @input=${typed}>`;
    default:
      return html`<input id=${id} type="text" inputmode=${kind === 'number' ? 'numeric' : nothing} spellcheck="false" autocapitalize="off" autocomplete="off"
        .value=${value} ?readonly=${shown.fixed} aria-invalid=${isWrong} aria-describedby=${about} @input=${typed}>`;
  }
}

/** What is wrong with a key. @param {Page} page @param {string} key */
export function wrong(page, key) {
  const faults = page.faults[key] ?? [];
  return faults.map((fault) => {
    const { field } = fault;
    const word = `field_${field}`;
    const name = field !== '' && isWord(word) ? `${say(word)}: ` : '';
    return html`<p class="error">${name}${faultOf(fault)}</p>`;
  });
}

/** Who says so, what it would be else, and when it is in force. @param {Page} page @param {string} key */
export function origin(page, key) {
  const shown = page.keys[key];
  if (!shown) return nothing;
  const kind = kindOf(key, shown);
  const standard = kind === 'entries' ? '' : String(written(kind, shown.default)).replaceAll('\n', ', ');
  const draft = page.drafts.get(key);
  const isBack = draft !== undefined && 'back' in draft;
  const sentences = [
    shown.fixed ? say('fixedBy', { from: shown.from }) : '',
    isBack ? say('willBeDefault') : shown.source === 'page' ? say('setHere') : '',
    kind === 'secret' && shown.value !== '' ? say('secretKept') : '',
    shown.source !== 'default' && !isBack && kind !== 'entries' && kind !== 'flag' && kind !== 'choice' ? say('standard', { value: standard || say('nothing') }) : '',
    shown.restart || shown.waiting ? say('needsRestart') : '',
  ];
  const canGoBack = shown.source === 'page' && !isBack;
  return html`<span class=${shown.waiting ? 'waiting' : ''}>${sentences.filter((sentence) => sentence !== '').join(' ')}</span>
    ${canGoBack ? html` <button class="text-button" type="button" aria-label=${say('takeBackOf', { name: nameOf(key) })} @click=${() => page.draftBack(key)}>${say('takeBack')}</button>` : nothing}`;
}

/** A setting. @param {Page} page @param {string} key */
export function setting(page, key) {
  const shown = page.keys[key];
  if (!shown) return nothing;
  if (kindOf(key, shown) === 'entries') return entries(page, key);
  const isFlag = kindOf(key, shown) === 'flag';
  return html`<div class="setting ${isFlag ? 'flag' : ''}" data-key=${key} data-source=${shown.source}>
    <label for=${idOf(key)}>${nameOf(key)}</label>
    ${control(page, key)}
    <div class="about" id="${idOf(key)}-about">
      ${aboutOf(key) === '' ? nothing : html`<p class="note">${aboutOf(key)}</p>`}
      ${wrong(page, key)}
      <p class="note origin">${origin(page, key)}</p>
    </div>
  </div>`;
}
