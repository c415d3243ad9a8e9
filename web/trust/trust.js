// How to trust the box's certificate: whether this browser does already, and if not the steps for its
// system. Comes by plain http as well, since https is what it is about.

import { appearanceSwitches } from '../shared/appearance.js';
import { byId } from '../shared/dom.js';
import { html, nothing, render } from '../shared/lit-html.js';
import { qrCode } from '../shared/qr.js';
import { WAYS, phoneUrl, systemOf } from './steps.js';
import { verdict } from './verdict.js';
import { fill, isWord, say } from './words.js';

/** @typedef {import('./steps.js').System} System @typedef {import('./steps.js').Step} Step */
/** @typedef {{ own: boolean, names: string[], authority_name?: string, authority_fingerprint?: string }} Facts */

const here = systemOf(navigator.userAgent, navigator.maxTouchPoints);
/** Whether the box is asked at this moment, and what has come out. @type {'checking' | import('./verdict.js').Verdict} */
let found = 'checking';
/** @type {Facts | null} */
let facts = null;

/** The places in a sentence. */
const params = () => ({ authority: facts?.authority_name ?? 'parlor', host: location.host, domains: '.local, .lan, .home.arpa' });

/** @param {string[]} look @param {string} frame */
function screen(look, frame) {
  return html`<p class="screen ${frame}" aria-hidden="true">${look.map((line) => {
    const [mark] = line;
    const text = fill(mark === '>' || mark === '~' ? line.slice(1) : line, params());
    return html`<span class=${mark === '>' ? 'here' : mark === '~' ? 'here turned' : ''}>${text}</span>`;
  })}</p>`;
}

/** @param {Step} step @param {string} frame */
function stepLine(step, frame) {
  const sentence = isWord(step.say) ? say(step.say, params()) : step.say;
  return html`<li><p>${sentence}${step.code ? html`<code>${step.code}</code>` : nothing}</p>${screen(step.look, frame)}</li>`;
}

/** @param {System} name */
function system(name) {
  const { download, frame, steps } = WAYS[name];
  const title = /** @type {import('./words.js').Word} */ (`system_${name}`);
  return html`<details class="system" ?open=${name === here} data-system=${name}>
    <summary>${say(title)}</summary>
    <a class="button" href=${download === 'profile' ? '/trust/parlor.mobileconfig' : '/trust/ca.crt'} download=${download === 'profile' ? nothing : 'parlor-ca.crt'}>${say(download === 'profile' ? 'getProfile' : 'getCertificate')}</a>
    <ol>${steps.map((step) => stepLine(step, frame))}</ol>
  </details>`;
}

function phone() {
  const url = phoneUrl(location.hostname, location.port, facts?.names ?? []);
  const rows = qrCode(url);
  if (!rows || here === 'ios' || here === 'android') return nothing;
  const size = rows.length + 8;
  const path = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + 4} ${y + 4}h1v1h-1z` : ''))).join('');
  return html`<section class="phone"><h2>${say('phone')}</h2><p class="muted">${say('phoneWhy')}</p>
    <svg class="qr" role="img" aria-label=${say('phoneQr', { url })} viewBox="0 0 ${size} ${size}"><path fill="#fff" d="M0 0h${size}v${size}h-${size}z"></path><path fill="#000" d=${path}></path></svg>
    <p class="note">${url}</p></section>`;
}

function whole() {
  const isOwn = facts?.own !== false;
  const others = /** @type {System[]} */ (Object.keys(WAYS)).filter((name) => name !== here);
  return html`<div class="card verdict" data-verdict=${found}>
      <strong role="status">${say(found)}</strong>
      <div class="row">
        ${found === 'checking' ? nothing : html`<button class="button" type="button" @click=${check}>${say('check')}</button>`}
        ${found === 'trusted' ? html`<a class="button primary" href="https://${location.host}/">${say('goOn')}</a>` : nothing}
      </div>
    </div>
    ${isOwn ? html`<p>${say('why')}</p><p class="muted">${say('promise', params())}</p>
      ${[here, ...others].map(system)}
      ${phone()}
      ${facts?.authority_fingerprint ? html`<p class="note">${say('fingerprint', params())}<br><code>${facts.authority_fingerprint}</code></p>` : nothing}`
    : html`<p>${say('given')}</p>`}`;
}

function draw() {
  byId('title', HTMLElement).textContent = say('title');
  byId('theme', HTMLElement).setAttribute('aria-label', say('theme'));
  byId('home', HTMLAnchorElement).href = `https://${location.host}/`;
  document.title = `${say('title')} – parlor`;
  render(whole(), byId('main', HTMLElement));
}

async function check() {
  found = 'checking';
  draw();
  found = await verdict();
  draw();
}

appearanceSwitches(draw);
const known = fetch('/api/v1/certificate', { cache: 'no-store' }).then((answer) => (answer.ok ? answer.json() : null), () => null);
[facts] = await Promise.all([known, check()]);
draw();
