// The whole page: its sections, and what is always in sight at its foot.

import { html, nothing } from '../../shared/lit-html.js';
import { keysOf, reasonOf } from '../model.js';
import { nameOf, say, when } from '../words/index.js';
import { fingerprint, invites, people } from './people.js';
import { setting } from './fields.js';

/** @typedef {import('../settings.js').Page} Page @typedef {keyof typeof import('../model.js').SECTIONS} Section */

/**
 * @param {string} name
 * @param {unknown} inside
 */
function section(name, inside) {
  const [title, why] = /** @type {[import('../words/index.js').Word, import('../words/index.js').Word]} */ ([`section${name}`, `section${name}Why`]);
  return html`<section id=${name.toLowerCase()} aria-labelledby="${name}-title">
    <h2 id="${name}-title" tabindex="-1">${say(title)}</h2>
    <p class="muted">${say(why)}</p>
    ${inside}
  </section>`;
}

/** @param {Page} page @param {Section} name @param {number} [nOpen] how many are in sight, the rest folded */
function settings(page, name, nOpen = Infinity) {
  const keys = keysOf(page.keys, name);
  const [open, folded] = [keys.slice(0, nOpen), keys.slice(nOpen)];
  const hasFault = folded.some((key) => page.faults[key]);
  return html`${open.map((key) => setting(page, key))}
    ${folded.length === 0 ? nothing : html`<details ?open=${hasFault}><summary>${say('more')}</summary>${folded.map((key) => setting(page, key))}</details>`}`;
}

/** Where the box is found now, and why. @param {Page} page */
function discovered(page) {
  const announced = page.rest.addresses?.announced ?? [];
  const announce = page.keys['network.announce'];
  return html`<div class="discovered" role="group" aria-label=${say('discovered')}>
    <h3>${say('discovered')}</h3>
    ${announced.length === 0 ? html`<p class="note">${say('noAddresses')}</p>` : nothing}
    <ul>${announced.map((address) => {
      const reason = reasonOf(address);
      const elsewhere = reason === 'written' && announce?.fixed === true;
      const ip = address.ip.includes(':') && address.port ? `[${address.ip}]` : address.ip;
      return html`<li><code>${address.port ? `${ip}:${address.port}` : ip}</code>
        <span class="note">${elsewhere ? say('writtenElsewhere', { from: announce?.from ?? '' }) : say(reason, { interface: address.interface })}</span></li>`;
    })}</ul>
  </div>`;
}

/** @param {Page} page */
function network(page) {
  const [first = '', ...others] = keysOf(page.keys, 'Network');
  return html`<div class="beside">${setting(page, first)}${discovered(page)}</div>
    <details ?open=${others.some((key) => page.faults[key])}><summary>${say('more')}</summary>${others.map((key) => setting(page, key))}</details>`;
}

/** @param {Page} page */
function certificate(page) {
  const facts = page.rest.certificate;
  if (!facts) return settings(page, 'Certificate');
  return html`<p>${say(facts.own ? 'ownCertificate' : 'givenCertificate')}</p>
    <p class="note">${say('certificateNames', { names: facts.names.join(', ') })} ${say('certificateUntil', { date: when(facts.until) })}</p>
    ${facts.own && facts.authority_fingerprint ? fingerprint('authorityFingerprint', facts.authority_fingerprint) : fingerprint('fingerprint', facts.fingerprint)}
    ${facts.own ? html`<p><a class="button" href="/trust">${say('toTrust')}</a></p>` : nothing}
    <details ?open=${['http.certificate', 'http.certificate_key'].some((key) => page.faults[key])}><summary>${say('more')}</summary>
      ${keysOf(page.keys, 'Certificate').map((key) => setting(page, key))}</details>`;
}

/** @param {Page} page */
function changes(page) {
  const all = page.rest.audit ?? [];
  if (all.length === 0) return html`<p class="note">${say('noChanges')}</p>`;
  return html`<ol class="changes">${all.slice(0, 20).map(({ at, who, what, detail }) => html`
    <li><time class="note" datetime=${new Date(at * 1000).toISOString()}>${when(at)}</time> <span>${say('auditLine', { who, what, detail: what === 'settings' ? nameOf(detail) : detail })}</span></li>`)}</ol>`;
}

/** What is always in sight: Save, and how it went. @param {Page} page */
function foot(page) {
  const nChanges = Object.keys(page.changes).length;
  return html`<div class="save-bar">
    <p role="status" class="saved">${page.status === '' ? '' : say(page.status)}</p>
    <p class="muted changed">${nChanges > 0 ? say('unsaved', { count: nChanges }) : ''}</p>
    ${nChanges > 0 ? html`<button class="button quiet" type="button" @click=${page.discard}>${say('discard')}</button>` : nothing}
    <button class="button primary" type="submit" ?disabled=${page.busy}>${say('save')}</button>
  </div>`;
}

/** @param {Page} page */
function waiting(page) {
  const names = Object.keys(page.keys).filter((key) => page.keys[key]?.waiting).map(nameOf);
  return names.length === 0 ? nothing : html`<p class="card warn">${say('waiting', { names: names.join(', ') })}</p>`;
}

/** @param {Page} page */
export function whole(page) {
  return html`<p class="who">${say('signedInAs', { name: page.who.name ?? '' })}</p>
    <div class="row who-actions">
      <a class="button" href="/">${say('toRooms')}</a>
      <button class="button" type="button" @click=${() => page.signOut('/api/v1/session')}>${say('signOut')}</button>
      <button class="button quiet" type="button" @click=${() => page.signOut('/api/v1/sessions')}>${say('signOutAll')}</button>
    </div>
    ${waiting(page)}
    <form id="settings-form" novalidate @submit=${page.save}>
      ${section('Network', network(page))}
      ${section('Rooms', settings(page, 'Rooms'))}
      ${section('Cameras', settings(page, 'Cameras'))}
      ${section('Access', settings(page, 'Access', 2))}
      ${section('Turn', settings(page, 'Turn', 1))}
      ${section('Ice', settings(page, 'Ice'))}
      ${section('Limits', settings(page, 'Limits', 0))}
      ${section('Certificate', certificate(page))}
      ${section('Service', settings(page, 'Service', 0))}
      ${foot(page)}
    </form>
    ${section('People', people(page))}
    ${section('Invites', invites(page))}
    ${section('Audit', changes(page))}
    ${section('Backup', html`<p class="note">${say('backupHow')}</p><p class="note">${say('version', { version: page.rest.about?.version ?? '' })}</p>`)}`;
}
