// Accounts and invites: each change is made at once, there is nothing to save.

import { html, nothing } from '../../shared/lit-html.js';
import { qrCode } from '../../shared/qr.js';
import { say, when } from '../words/index.js';

/** @typedef {import('../settings.js').Page} Page */

/** @param {import('../words/index.js').Word} name @param {string} text */
export const fingerprint = (name, text) => html`<p class="note">${say(name)}<br><code class="fingerprint">${text}</code></p>`;

/** @param {Event} event @param {string} name */
const typed = (event, name) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  return /** @type {HTMLInputElement} */ (form.elements.namedItem(name)).value;
};

/** What a click asks twice for. @param {Page} page @param {string} id @param {string} name @param {() => void} act */
function surely(page, id, name, act) {
  const asked = page.asked === id;
  return html`<button class="text-button danger" type="button" aria-label=${asked ? say('removeSure') : name}
    @click=${() => (asked ? act() : page.ask(id))}>${say(asked ? 'removeSure' : 'remove')}</button>`;
}

/** @param {Page} page @param {{ id: number, name: string }} person */
function newPassword(page, { id, name }) {
  const own = page.asked === `password-${id}`;
  if (!own) return html`<button class="text-button" type="button" aria-label=${say('newPasswordOf', { name })} @click=${() => page.ask(`password-${id}`)}>${say('newPassword')}</button>`;
  return html`<form class="inline" @submit=${(/** @type {Event} */ event) => page.setPassword(event, id, name, typed(event, 'password'))}>
    <label class="field"><span>${say('newPasswordOf', { name })}</span><input name="password" type="password" autocomplete="new-password" minlength="8" required></label>
    <button class="button" type="submit">${say('setPassword')}</button></form>`;
}

/** @param {Page} page */
export function people(page) {
  const all = page.rest.people ?? [];
  return html`<ul class="list">${all.map((person) => html`<li>
      <span><strong>${person.name}</strong>${person.name === page.who.name ? html` <span class="muted">(${say('you')})</span>` : nothing}
        <span class="note">${say(person.role === 'owner' ? 'roleOwner' : 'roleUser')}, ${say('since', { date: when(person.created_at) })}</span></span>
      <span class="row">${newPassword(page, person)}
        ${surely(page, `person-${person.id}`, say('removePerson', { name: person.name }), () => page.change('DELETE', `/api/v1/people/${person.id}`))}</span>
    </li>`)}</ul>
    <form class="make" @submit=${page.addPerson}>
      <label class="field"><span>${say('personName')}</span><input name="name" type="text" dir="auto" autocomplete="off" required></label>
      <label class="field"><span>${say('personPassword')}</span><input name="password" type="password" autocomplete="new-password" minlength="8" required></label>
      <label class="field"><span>${say('personRole')}</span><select name="role"><option value="user">${say('roleUser')}</option><option value="owner">${say('roleOwner')}</option></select></label>
      <button class="button" type="submit">${say('addPerson')}</button>
    </form>
    ${page.told === '' ? nothing : html`<p class="note" role="note">${page.told}</p>`}`;
}

/** A QR code as a drawing, dark on light whatever the page's colours are. @param {string} text @param {string} name */
function qr(text, name) {
  const rows = qrCode(text);
  if (!rows) return nothing;
  const size = rows.length + 8;
  const path = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + 4} ${y + 4}h1v1h-1z` : ''))).join('');
  return html`<svg class="qr" role="img" aria-label=${name} viewBox="0 0 ${size} ${size}"><path fill="#fff" d="M0 0h${size}v${size}h-${size}z"></path><path fill="#000" d=${path}></path></svg>`;
}

/** @param {Page} page */
function made(page) {
  if (page.invite === '') return nothing;
  return html`<div class="invite-made">
    <label class="field"><span>${say('inviteUrl')}</span><input id="invite-url" type="text" readonly .value=${page.invite} @focus=${(/** @type {Event} */ event) => /** @type {HTMLInputElement} */ (event.target).select()}></label>
    <button class="button" type="button" @click=${page.copyInvite}>${say(page.copied ? 'copied' : 'copy')}</button>
    ${qr(page.invite, say('inviteQr'))}
  </div>`;
}

/** @param {Page} page */
export function invites(page) {
  const all = page.rest.invites ?? [];
  return html`<form class="make" @submit=${page.makeInvite}>
      <label class="field"><span>${say('inviteRoom')}</span><input name="room" type="text" dir="auto" autocomplete="off" .defaultValue=${page.rest.about?.default_room ?? ''} required></label>
      <label class="field"><span>${say('inviteRole')}</span><select name="role"><option value="user">${say('inviteUser')}</option><option value="guest">${say('inviteGuest')}</option><option value="moderator">${say('inviteModerator')}</option></select></label>
      <label class="field"><span>${say('inviteLife')}</span><select name="life"><option value="3600">${say('hour')}</option><option value="86400" selected>${say('day')}</option><option value="604800">${say('week')}</option><option value="2592000">${say('month')}</option></select></label>
      <label class="field"><span>${say('inviteUses')}</span><input name="uses" type="text" inputmode="numeric" pattern="[0-9]*" autocomplete="off" placeholder=${say('noLimit')}></label>
      <button class="button" type="submit">${say('makeInvite')}</button>
    </form>
    ${made(page)}
    ${all.length === 0 ? html`<p class="note">${say('noInvites')}</p>` : nothing}
    <ul class="list">${all.map(({ id, room, role, name, expires_at: until, uses_left: left }) => html`<li>
      <span><strong>${room}</strong>${name ? html` <span>${name}</span>` : nothing}
        <span class="note">${say(role === 'guest' ? 'inviteGuest' : role === 'moderator' ? 'inviteModerator' : 'inviteUser')}, ${say('inviteUntil', { date: when(until) })}${left === null ? '' : `, ${say('inviteLeft', { count: left })}`}</span></span>
      <button class="text-button danger" type="button" aria-label=${say('voidInviteOf', { room })} @click=${() => page.change('DELETE', `/api/v1/invites/${id}`)}>${say('voidInvite')}</button>
    </li>`)}</ul>`;
}
