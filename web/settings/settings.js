// The owner's page: settings, people, invites, what was changed. It holds what was typed and not saved;
// views draw it, the box decides what is right.

import { appearanceSwitches } from '../shared/appearance.js';
import { Refused, ask, whoAmI } from '../shared/box.js';
import { byId } from '../shared/dom.js';
import { render } from '../shared/lit-html.js';
import { Faulty, readRest, readSettings, writeSettings } from './api.js';
import { changesOf, faultsByKey } from './model.js';
import { faultOf, isWord, say } from './words/index.js';
import { whole } from './views/page.js';

/**
 * @typedef {import('./model.js').Keys} Keys @typedef {import('./model.js').Drafts} Drafts
 * @typedef {import('./words/index.js').Word} Word
 * @typedef {{ announced: { ip: string, interface: string, origin: string, port: number | null }[] }} Addresses
 * @typedef {{ addresses: Addresses | null, people: { id: number, name: string, role: string, created_at: number }[] | null,
 *   invites: { id: string, room: string, role: string, name: string | null, expires_at: number, uses_left: number | null }[] | null,
 *   certificate: { own: boolean, names: string[], until: number, fingerprint: string, authority_fingerprint?: string } | null,
 *   audit: { at: number, who: string, what: string, detail: string }[] | null, about: { version: string, default_room: string } | null }} Rest
 */

/** After a change the box's network takes a moment to announce it. */
const LOOK_AGAIN_MS = 700;

const main = byId('main', HTMLElement);
const alert = byId('fault', HTMLElement);

/** The state, and what its buttons do. */
export class Page {
  /** @type {Keys} */ keys = {};
  tag = '';
  /** @type {Drafts} */ drafts = new Map();
  /** @type {ReturnType<typeof faultsByKey>} */ faults = {};
  /** @type {Rest} */ rest = { addresses: null, people: null, invites: null, certificate: null, audit: null, about: null };
  /** @type {import('../shared/box.js').Who} */ who = { who: 'owner' };
  /** @type {Word | ''} */ status = '';
  busy = false;
  /** The button that has been asked once. */ asked = '';
  told = '';
  invite = '';
  copied = false;

  /** What there is to save. */
  get changes() {
    return changesOf(this.keys, this.drafts);
  }

  draw = () => {
    document.title = `${say('title')} – parlor`;
    byId('title', HTMLElement).textContent = say('title');
    byId('theme', HTMLElement).setAttribute('aria-label', say('theme'));
    if (Object.keys(this.keys).length > 0) render(whole(this), main);
  };

  /** @param {string} key @param {string | boolean | import('./model.js').Entry[]} value */
  draft = (key, value) => {
    this.drafts.set(key, { value });
    delete this.faults[key];
    this.status = '';
    this.draw();
  };

  /** @param {string} key */
  draftBack = (key) => {
    this.drafts.set(key, { back: true });
    delete this.faults[key];
    this.status = '';
    this.draw();
  };

  discard = () => {
    this.drafts.clear();
    this.faults = {};
    complain('');
    this.draw();
  };

  /** @param {string} id */
  ask = (id) => {
    this.asked = id;
    this.draw();
  };

  /** @param {Event} event */
  save = async (event) => {
    event.preventDefault();
    const { changes } = this;
    this.faults = {};
    complain('');
    if (Object.keys(changes).length === 0) {
      this.drafts.clear();
      this.status = 'saved';
      this.draw();
      return;
    }
    this.status = 'saving';
    await this.work(async () => {
      const { keys, tag } = await writeSettings(changes, this.tag);
      Object.assign(this, { keys, tag, status: 'saved' });
      this.drafts.clear();
      this.rest = /** @type {Rest} */ (await readRest());
      setTimeout(() => void this.lookAgain(), LOOK_AGAIN_MS);
    });
  };

  /** What is announced follows what was saved. */
  async lookAgain() {
    this.rest = /** @type {Rest} */ (await readRest());
    this.draw();
  }

  /** Does what a button says, once at a time; faults are told. @param {() => Promise<void>} work */
  async work(work) {
    if (this.busy) return;
    this.busy = true;
    this.draw();
    try {
      await work();
    } catch (error) {
      this.status = '';
      await this.trouble(error);
    } finally {
      this.busy = false;
      this.asked = '';
      this.draw();
    }
  }

  /** @param {unknown} error */
  async trouble(error) {
    if (error instanceof Faulty) {
      this.faults = faultsByKey(this.keys, error.faults);
      const unplaced = error.faults.filter(({ key }) => !(key in this.keys) && !Object.keys(this.keys).some((known) => key.startsWith(`${known}.`)));
      complain([say('notSaved'), ...unplaced.map((fault) => `${fault.key}: ${faultOf(fault)}`)].join(' '));
      this.draw();
      document.querySelector('[aria-invalid="true"], .entries .error')?.scrollIntoView({ block: 'center' });
    } else if (error instanceof Refused && error.code === 'precondition-failed') {
      Object.assign(this, await readSettings());
      complain(say('changedMeanwhile'));
    } else if (error instanceof Refused && (await nobodyAnyMore())) {
      location.reload();
    } else {
      complain(sentence(error));
    }
  }

  /** A change that is made at once. @param {string} method @param {string} path @param {unknown} [body] */
  change = (method, path, body) => this.work(async () => {
    complain('');
    this.told = '';
    await ask(method, path, body);
    this.rest = /** @type {Rest} */ (await readRest());
  });

  /** @param {Event} event */
  addPerson = async (event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const { name, password, role } = Object.fromEntries(new FormData(form));
    await this.work(async () => {
      complain('');
      await ask('POST', '/api/v1/people', { name, password, role });
      form.reset();
      this.rest = /** @type {Rest} */ (await readRest());
    });
  };

  /** @param {Event} event @param {number} id @param {string} name @param {string} password */
  setPassword = async (event, id, name, password) => {
    event.preventDefault();
    await this.change('PATCH', `/api/v1/people/${id}`, { password });
    if (alert.hidden) this.told = say('passwordSet', { name });
    this.draw();
  };

  /** @param {Event} event */
  makeInvite = async (event) => {
    event.preventDefault();
    const { room, role, life, uses } = Object.fromEntries(new FormData(/** @type {HTMLFormElement} */ (event.target)));
    await this.work(async () => {
      complain('');
      const limit = String(uses).trim() === '' ? {} : { uses: Number(uses) };
      const { url } = await ask('POST', '/api/v1/invites', { room, role, expires_in_s: Number(life), ...limit });
      this.invite = new URL(url, location.origin).href;
      this.copied = false;
      this.rest = /** @type {Rest} */ (await readRest());
    });
  };

  copyInvite = async () => {
    try {
      await navigator.clipboard.writeText(this.invite);
      this.copied = true;
    } catch {
      byId('invite-url', HTMLInputElement).select();
    }
    this.draw();
  };

  /** @param {string} path */
  signOut = (path) => this.work(async () => {
    await ask('DELETE', path);
    this.drafts.clear();
    location.assign('/signin');
  });
}

/** @param {string} words */
function complain(words) {
  alert.hidden = words === '';
  alert.textContent = words;
}

/** @param {unknown} error */
function sentence(error) {
  if (!(error instanceof Refused)) return say('unreachable');
  return isWord(error.code) ? say(error.code, { detail: error.message }) : say('failed', { detail: error.message });
}

const nobodyAnyMore = () => whoAmI().then(({ who }) => who !== 'owner', () => false);

const page = new Page();
// For whoever tests or mends the page.
Object.assign(window, { parlorSettings: page });
addEventListener('beforeunload', (event) => {
  if (Object.keys(page.changes).length > 0) event.preventDefault();
});
appearanceSwitches(page.draw);
try {
  const [settings, who, rest] = await Promise.all([readSettings(), whoAmI(), readRest()]);
  Object.assign(page, settings, { who, rest });
} catch (error) {
  await page.trouble(error);
}
page.draw();
