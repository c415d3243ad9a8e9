// The trickle-ICE page: which addresses the browser finds by which servers, each as it comes.

import { ask } from '../shared/box.js';
import { html, nothing } from '../shared/lit-html.js';
import { gather } from './probes.js';
import { say } from './words.js';

/** @typedef {import('./verdicts.js').Candidate} Candidate */
/** @typedef {Candidate | { fault: string, url: string, atMs: number }} Found */

/** What is typed in, and what has come. */
export class Trickle {
  /** @type {Found[]} */ found = [];
  busy = false;
  /** `null`: nothing has been gathered yet. @type {number | null} */ tookMs = null;
  fault = '';
  servers = '';
  username = '';
  password = '';
  relayOnly = false;

  /** @param {() => void} draw */
  constructor(draw) {
    this.draw = draw;
  }

  useOwn = async () => {
    try {
      const [server] = await ask('GET', '/api/v1/ice-servers');
      this.fault = server ? '' : say('noServer');
      this.servers = (server?.urls ?? []).join('\n');
      this.username = server?.username ?? '';
      this.password = server?.credential ?? '';
    } catch (error) {
      this.fault = error instanceof Error ? error.message : String(error);
    }
    this.draw();
  };

  /** @param {Event} event */
  gather = async (event) => {
    event.preventDefault();
    if (this.busy) return;
    Object.assign(this, { found: [], busy: true, tookMs: null, fault: '' });
    this.draw();
    try {
      const configuration = this.configuration();
      const { tookMs } = await gather(configuration, (found) => {
        this.found.push(found);
        this.draw();
      });
      this.tookMs = tookMs;
    } catch (error) {
      this.fault = say('badServers', { why: error instanceof Error ? error.message : String(error) });
    }
    this.busy = false;
    this.draw();
  };

  /** @returns {RTCConfiguration} */
  configuration() {
    const urls = this.servers.split(/\s+/).filter((url) => url !== '');
    const isTurn = (/** @type {string} */ url) => /^turns?:/.test(url);
    const servers = urls.map((url) => (isTurn(url) ? { urls: [url], username: this.username, credential: this.password } : { urls: [url] }));
    return { iceServers: servers, iceTransportPolicy: this.relayOnly ? 'relay' : 'all' };
  }

  /** @param {'servers' | 'username' | 'password'} field */
  type = (field) => (/** @type {Event} */ { target }) => {
    this[field] = /** @type {HTMLInputElement} */ (target).value;
  };

  view() {
    const count = this.found.filter((one) => 'type' in one).length;
    return html`<section class="trickle" aria-labelledby="trickle-title">
      <h2 id="trickle-title">${say('trickle')}</h2><p class="muted">${say('trickleWhy')}</p>
      <form @submit=${this.gather}>
        <label class="field"><span>${say('servers')}</span>
          <textarea id="servers" rows="3" spellcheck="false" placeholder=${say('serversHint')} .value=${this.servers} @input=${this.type('servers')}></textarea></label>
        <div class="pair">
          <label class="field"><span>${say('username')}</span><input type="text" autocomplete="off" spellcheck="false" .value=${this.username} @input=${this.type('username')}></label>
          <label class="field"><span>${say('password')}</span><input type="text" autocomplete="off" spellcheck="false" .value=${this.password} @input=${this.type('password')}></label>
        </div>
        <label class="tick"><input type="checkbox" .checked=${this.relayOnly} @change=${(/** @type {Event} */ { target }) => { this.relayOnly = /** @type {HTMLInputElement} */ (target).checked; }}> ${say('relayOnly')}</label>
        <div class="row">
          <button class="button" type="submit" ?disabled=${this.busy}>${say('gather')}</button>
          <button class="button quiet" type="button" @click=${this.useOwn}>${say('ownServers')}</button>
        </div>
      </form>
      ${this.fault ? html`<p class="error" role="alert">${this.fault}</p>` : nothing}
      ${this.busy || this.tookMs !== null ? html`<p class="note" role="status">${this.tookMs === null ? say('gathering') : say('gathered', { ms: Math.round(this.tookMs), count })}</p>` : nothing}
      ${this.found.length > 0 ? this.table() : nothing}
    </section>`;
  }

  table() {
    const ms = (/** @type {number} */ at) => say('milliseconds', { ms: Math.round(at) });
    const row = (/** @type {Found} */ one) => ('fault' in one
      ? html`<tr data-type="fault"><td>${say('fault')}</td><td colspan="2">${one.fault}</td><td class="detail">${one.url}</td><td>${ms(one.atMs)}</td></tr>`
      : html`<tr data-type=${one.type}><td>${one.type}</td><td>${one.protocol}</td><td class="detail">${one.address}:${one.port}</td><td class="detail">${one.url}</td><td>${ms(one.atMs)}</td></tr>`);
    return html`<div class="wide"><table class="found"><thead><tr><th scope="col">${say('type')}</th><th scope="col">${say('protocol')}</th><th scope="col">${say('address')}</th><th scope="col">${say('server')}</th><th scope="col">${say('time')}</th></tr></thead>
      <tbody>${this.found.map(row)}</tbody></table></div>`;
  }
}
