// Signing in, set-up with the one-time code, and who one is here: `/signin`, `/settings`, and the page
// that whoever is not let in gets instead of what they asked for.

import { appearanceSwitches } from '../shared/appearance.js';
import { Refused, ask, useToken, whoAmI } from '../shared/box.js';
import { byId } from '../shared/dom.js';
import { recallSession, remember } from '../shared/storage.js';
import { wayOn } from './way.js';
import { isWord, localizeWords, say } from './words.js';

/** @typedef {import('../shared/box.js').Who} Who */

const title = byId('title', HTMLElement);
const reason = byId('reason', HTMLElement);
const fault = byId('fault', HTMLElement);
const signIn = byId('signin-form', HTMLFormElement);
const setUp = byId('setup-form', HTMLFormElement);
const here = byId('here', HTMLElement);

/** @type {Who | null} */
let known = null;
/** The code of the fault that is shown. */
let shown = '';

/** @param {string} id */
const typed = (id) => byId(id, HTMLInputElement).value;

/** Whether somebody has more than what the network gives. @param {Who} who */
const isSomebody = (who) => ['user', 'owner', 'invited'].includes(who.who);

/** Where to go when it is done: what was asked for, else the rooms. */
function goOn() {
  const to = new URLSearchParams(location.search).get('to') ?? '';
  if (location.pathname !== '/signin') location.reload();
  else location.assign(wayOn(to, location.origin));
}

/** @param {string} code @param {string} [detail] */
function complain(code, detail = '') {
  shown = code;
  fault.hidden = code === '';
  fault.textContent = isWord(code) ? say(code) : detail;
}

function draw() {
  localizeWords();
  if (shown !== '' && isWord(shown)) fault.textContent = say(shown);
  if (!known) return;
  const wantsSetUp = known.set_up === false && known.who !== 'user';
  const somebody = isSomebody(known);
  setUp.hidden = !wantsSetUp;
  signIn.hidden = wantsSetUp || (somebody && known.who !== 'invited');
  here.hidden = known.who === 'stranger';
  // One main thing to do at a time.
  byId('to-rooms', HTMLElement).classList.toggle('primary', !wantsSetUp && signIn.hidden);
  for (const id of ['sign-out', 'sign-out-all']) byId(id, HTMLElement).hidden = !somebody;
  byId('to-settings', HTMLElement).hidden = known.who !== 'owner';
  byId('owner-only', HTMLElement).hidden = location.pathname !== '/settings' || known.who !== 'user';
  title.textContent = say(wantsSetUp ? 'setUpTitle' : signIn.hidden ? 'signedIn' : 'signIn');
  document.title = `${title.textContent} – parlor`;
  const { who, name = '', room = '' } = known;
  const sentence = { owner: 'whoOwner', user: 'whoUser', invited: 'whoInvited', guest: 'whoGuest', stranger: '' }[who];
  if (isWord(sentence)) byId('who', HTMLElement).textContent = say(sentence, { name, room });
  // In English the box's own sentence, which knows the address.
  const english = document.documentElement.lang === 'en';
  if (who !== 'stranger') reason.textContent = '';
  else if (english && known.reason) reason.textContent = known.reason;
  else if (known.from && isWord(known.from)) reason.textContent = say(known.from);
}

/**
 * Does what a button says, once at a time; faults are told.
 * @param {HTMLElement} where @param {() => Promise<void>} work
 */
async function busy(where, work) {
  const buttons = [...where.querySelectorAll('button')];
  for (const button of buttons) button.disabled = true;
  complain('');
  try {
    await work();
  } catch (error) {
    if (error instanceof Refused) complain(error.code, error.message);
    else complain('unreachable');
    title.focus();
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

signIn.addEventListener('submit', (event) => {
  event.preventDefault();
  void busy(signIn, async () => {
    await ask('POST', '/api/v1/session', { name: typed('signin-name'), password: typed('signin-password') });
    goOn();
  });
});

setUp.addEventListener('submit', (event) => {
  event.preventDefault();
  void busy(setUp, async () => {
    if (typed('setup-password') !== typed('setup-again')) throw new Refused('notTheSame', '');
    const [code, name, password] = ['setup-code', 'setup-name', 'setup-password'].map(typed);
    await ask('POST', '/api/v1/setup', { code, name, password });
    goOn();
  });
});

/** @param {string} id @param {string} path */
function signOutBy(id, path) {
  byId(id, HTMLButtonElement).addEventListener('click', () => {
    void busy(here, async () => {
      await ask('DELETE', path);
      known = await whoAmI();
      draw();
    });
  });
}

signOutBy('sign-out', '/api/v1/session');
signOutBy('sign-out-all', '/api/v1/sessions');
appearanceSwitches(draw);

const refused = (await useToken()) ?? new URLSearchParams(location.search).get('refused');
if (refused === '') goOn();
if (refused) complain(refused);
try {
  known = await whoAmI();
} catch {
  complain('unreachable');
}
draw();
// Another site's link to the settings comes without the cookie (SameSite=Strict); asked for again by our
// own page it comes with it. Once: whoever blocks cookies would go round in a circle.
const AGAIN = 'settings-again';
if (location.pathname === '/settings' && known?.who === 'owner' && recallSession(AGAIN) === '') {
  remember(AGAIN, '1', 'session');
  location.reload();
} else {
  remember(AGAIN, '', 'session');
}
