// Before a page of the box begins: the invite or local token in its URL is used, and whoever is nobody
// here is led to where they can become somebody. A page imports this first and waits for it.

import { useToken, whoAmI } from './box.js';

const refused = await useToken();
if (refused) await leadAway(refused);
else void whoAmI().then((who) => (isLost(who) ? leadAway('') : undefined), () => undefined);

/** Nobody here, and no room's password would help. @param {import('./box.js').Who} who */
function isLost(who) {
  const mayTry = who.room_passwords === true && location.pathname.startsWith('/r/');
  return who.who === 'stranger' && !mayTry;
}

/** Does not come back: the page is left. @param {string} code @returns {Promise<never>} */
function leadAway(code) {
  const query = new URLSearchParams({ to: location.pathname });
  if (code) query.set('refused', code);
  location.replace(`/signin?${query}`);
  return new Promise(() => {});
}
