// Where signing in leads on to. Pure.

/**
 * What was asked for where that is of this box, else the rooms. It stands in a link that anybody may have
 * written, so it is read as the browser will read it: `//host`, `/\host`, and either with a tab in it, is
 * another's address (URL Standard, 4.4).
 * @param {string} to
 * @param {string} origin of this page
 */
export function wayOn(to, origin) {
  const own = `${origin}/`;
  if (!to.startsWith('/') || !URL.canParse(to, own)) return own;
  const { href } = new URL(to, own);
  return href.startsWith(own) ? href : own;
}
