// The way as a picture: browser, router, box; sentences beside the hop that fails; the table below.

import { language } from '../shared/i18n/index.js';
import { html, nothing } from '../shared/lit-html.js';
import { hopState } from './verdicts.js';
import { isWord, say } from './words.js';

/** @typedef {import('./verdicts.js').Check} Check @typedef {import('./verdicts.js').Hop} Hop */

/** @type {Hop[]} */
const HOPS = ['browser', 'router', 'box'];

/** What a state looks like and is called. @param {boolean | null | undefined} ok @returns {[string, string, string]} */
function look(ok) {
  if (ok === undefined) return ['…', 'waiting', say('waiting')];
  if (ok === null) return ['?', 'unsure', say('unsure')];
  return ok ? ['✓', 'good', say('good')] : ['✗', 'bad', say('bad')];
}

/** @param {string} id */
function nameOf(id) {
  // The second of its kind has a number behind its name.
  const [, name = id, nth = ''] = /^(.*?)(?:-(\d+))?$/.exec(id) ?? [];
  return isWord(name) ? `${say(name)} ${nth}`.trim() : id;
}

/** @param {Check} check */
const remedyOf = (check) => (language() === 'en' ? check.remedy : check.remedy_zh);

/** @param {Check[]} checks @param {boolean} busy */
function way(checks, busy) {
  const hop = (/** @type {Hop} */ name) => {
    const known = hopState(checks, name);
    // While it is looked at nothing is well yet; what is at fault already stays so.
    const [mark, state, called] = look(busy && known !== false ? undefined : known);
    return html`<li class="hop" data-hop=${name} data-state=${state}>
      <span class="mark" aria-hidden="true">${mark}</span>
      <strong>${say(name)}</strong><span class="note">${called}</span>
    </li>`;
  };
  return html`<ol class="way" aria-label=${say('way')}>${HOPS.map(hop)}</ol>`;
}

/** @param {Check} check */
function trouble(check) {
  const [mark, state] = look(check.ok);
  return html`<li class="trouble" data-state=${state} data-check=${check.id}>
    <span class="mark" aria-hidden="true">${mark}</span>
    <div><strong>${nameOf(check.id)}</strong><p>${remedyOf(check)}</p><p class="code">${check.id}: ${check.detail}</p></div>
  </li>`;
}

/** @param {Check[]} checks */
function troubles(checks) {
  const told = checks.filter(({ remedy }) => remedy !== null);
  const worst = [...told.filter(({ ok }) => ok === false), ...told.filter(({ ok }) => ok !== false)];
  const of = (/** @type {Hop} */ hop) => {
    const own = worst.filter((one) => one.hop === hop);
    return own.length === 0 ? nothing : html`<section class="hop-troubles"><h2>${say(hop)}</h2><ul>${own.map(trouble)}</ul></section>`;
  };
  return HOPS.map(of);
}

/** @param {Check[]} checks */
function table(checks) {
  const row = (/** @type {Check} */ check) => {
    const [mark, state, called] = look(check.ok);
    return html`<tr data-check=${check.id} data-state=${state}>
      <td class="mark"><span title=${called}>${mark}</span></td><th scope="row">${nameOf(check.id)}</th>
      <td class="detail">${check.detail}</td><td class="took">${say('milliseconds', { ms: check.took_ms })}</td></tr>`;
  };
  return html`<details class="card raw"><summary>${say('raw')}</summary>
    <table><thead><tr><td></td><th scope="col">${say('rawWhat')}</th><th scope="col">${say('rawDetail')}</th><th scope="col">${say('rawTook')}</th></tr></thead>
    <tbody>${checks.map(row)}</tbody></table></details>`;
}

/** @param {Check[]} checks */
function summary(checks) {
  if (checks.some(({ ok }) => ok === false)) return say('atFault');
  return say(checks.some(({ ok, remedy }) => ok === null && remedy !== null) ? 'wellEnough' : 'allWell');
}

/**
 * @param {{ checks: Check[], busy: boolean, copied: boolean, isStranger: boolean, again: () => void, copy: () => void }} page
 */
export function diagnosis({ checks, busy, copied, isStranger, again, copy }) {
  return html`<p class="muted">${say('about')}</p>
    ${way(checks, busy)}
    <p class="summary" role="status" data-busy=${String(busy)}>${busy ? say('looking') : summary(checks)}</p>
    ${troubles(checks)}
    ${isStranger ? html`<p class="card">${say('boxHidden')} <a href="/signin?to=/doctor">${say('signIn')}</a></p>` : nothing}
    <div class="row">
      <button class="button primary" type="button" ?disabled=${busy} @click=${again}>${say('again')}</button>
      <button class="button" type="button" ?disabled=${busy} @click=${copy}>${say(copied ? 'copied' : 'copy')}</button>
    </div>
    ${table(checks)}`;
}
