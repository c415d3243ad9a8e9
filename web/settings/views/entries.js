// A list of rooms, cameras or servers: a card each.

import { html, nothing } from '../../shared/lit-html.js';
import { FIELDS, choicesOf, fieldOf } from '../model.js';
import { aboutOf, isWord, nameOf, say } from '../words/index.js';
import { choiceName, origin, wrong } from './fields.js';

/** @typedef {import('../settings.js').Page} Page @typedef {import('../model.js').Entry} Entry @typedef {import('../model.js').Field} Field */

/** @type {Record<string, import('../words/index.js').Word>} */
const ADD = { room: 'addRoom', camera: 'addCamera', 'ice.servers': 'addServer' };
/** What a new entry begins with. @type {Record<string, Entry>} */
const NEW = { room: { name: '' }, camera: { id: '', source: '' }, 'ice.servers': { urls: '' } };

/** @param {Entry} entry */
const titleOf = (entry) => [entry['name'], entry['id'], entry['urls']].flat().find((name) => name) || say('entry');

/** @param {Page} page @param {string} key @param {Entry[]} all @param {number} index @param {Field} field */
function input(page, key, all, index, field) {
  const entry = all[index] ?? {};
  const isFixed = page.keys[key]?.fixed === true;
  const word = `field_${field.key}`;
  const name = isWord(word) ? say(word) : field.key;
  /** @param {any} value */
  const put = (value) => page.draft(key, all.map((other, at) => (at === index ? { ...other, [field.key]: value } : other)));
  /** @param {Event} event */
  const typed = (event) => put(/** @type {HTMLInputElement} */ (event.target).value);
  const value = entry[field.key] ?? '';
  const shown = Array.isArray(value) ? value.join('\n') : String(value);
  switch (field.kind) {
    case 'flag':
      return html`<label class="check"><input type="checkbox" .checked=${value === true} ?disabled=${isFixed}
        @change=${(/** @type {Event} */ event) => put(/** @type {HTMLInputElement} */ (event.target).checked)}> <span>${name}</span></label>`;
    case 'list':
      return html`<label class="field wide"><span>${name}</span><textarea rows="2" dir="ltr" spellcheck="false" .value=${shown} ?readonly=${isFixed} @input=${typed}></textarea></label>`;
    case 'choice':
      return html`<label class="field"><span>${name}</span><select ?disabled=${isFixed} @change=${typed}>
        <option value="" .selected=${shown === ''}></option>
        ${choicesOf(field).map((choice) => html`<option value=${choice} .selected=${choice === shown}>${choiceName(field.key, choice)}</option>`)}</select></label>`;
    case 'secret':
      return html`<label class="field"><span>${name}</span><input type="password" autocomplete="off" .value=${shown} ?readonly=${isFixed} @input=${typed}></label>`;
    default:
      return html`<label class="field"><span>${name}</span><input type="text" dir="auto" autocomplete="off" spellcheck="false" .value=${shown}
        inputmode=${field.kind === 'number' ? 'numeric' : nothing} ?readonly=${isFixed} @input=${typed}></label>`;
  }
}

/** Nothing at all, and none on purpose, are two things with cameras. @param {Page} page @param {Entry[]} all */
function noCameras(page, all) {
  if (all.length > 0) return nothing;
  const draft = page.drafts.get('camera');
  const isFound = draft ? 'back' in draft : page.keys['camera']?.source === 'default';
  return html`<p>${say(isFound ? 'camerasFound' : 'camerasNone')}</p>
    ${isFound && !page.keys['camera']?.fixed ? html`<button class="button" type="button" @click=${() => page.draft('camera', [])}>${say('camerasNoneButton')}</button>` : nothing}`;
}

/** @param {Page} page @param {string} key */
export function entries(page, key) {
  /** @type {Entry[]} */
  const all = fieldOf(page.keys, page.drafts, key) || [];
  const shown = page.keys[key];
  const add = ADD[key];
  return html`<div class="setting entries" role="group" aria-label=${nameOf(key)} data-key=${key} data-source=${shown?.source}>
    <h3>${nameOf(key)}</h3>
    <p class="note">${aboutOf(key)}</p>
    ${key === 'camera' ? noCameras(page, all) : nothing}
    ${all.map((entry, index) => html`<fieldset class="entry">
      <legend>${titleOf(entry)}</legend>
      <div class="entry-fields">${(FIELDS[key] ?? []).map((field) => input(page, key, all, index, field))}</div>
      ${shown?.fixed ? nothing : html`<button class="text-button danger" type="button" aria-label=${say('removeEntryOf', { name: titleOf(entry) })}
        @click=${() => page.draft(key, all.filter((_, at) => at !== index))}>${say('removeEntry')}</button>`}
    </fieldset>`)}
    ${wrong(page, key)}
    ${shown?.fixed || !add ? nothing : html`<button class="button" type="button" @click=${() => page.draft(key, [...all, { ...NEW[key] }])}>${say(add)}</button>`}
    <p class="note origin">${origin(page, key)}</p>
  </div>`;
}
