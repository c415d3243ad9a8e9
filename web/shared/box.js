// Asking the box over HTTP: who one is, and changes. Cookies are the browser's; no page sees them.

/**
 * What the box says one is.
 * @typedef {{ who: 'stranger' | 'guest' | 'invited' | 'user' | 'owner', name?: string, room?: string,
 *   role?: string, from?: string, reason?: string, room_passwords?: boolean, set_up?: boolean }} Who
 */

/** A refusal of the box, with its stable code. */
export class Refused extends Error {
  /** @param {string} code @param {string} detail */
  constructor(code, detail) {
    super(detail);
    this.code = code;
  }
}

/**
 * Asks, and gives the JSON that comes back; throws {@link Refused}, or an error of the network.
 * @param {string} method @param {string} path @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function ask(method, path, body) {
  /** @type {RequestInit} */
  const request = { method, cache: 'no-store', headers: { Accept: 'application/json' } };
  if (body !== undefined) {
    request.headers = { ...request.headers, 'Content-Type': 'application/json' };
    request.body = JSON.stringify(body);
  }
  const answer = await fetch(path, request);
  const isJson = (answer.headers.get('content-type') ?? '').includes('json');
  const value = isJson ? await answer.json() : null;
  if (answer.ok) return value;
  throw new Refused(value?.code ?? 'internal', value?.detail ?? answer.statusText);
}

/** @returns {Promise<Who>} */
export const whoAmI = () => ask('GET', '/api/v1/session');

/**
 * Uses the token in the URL's fragment (`#invite=…`, `#local=…`) and takes it out of the address bar and
 * the history. Gives the code of a refusal, `''` where it was good, `null` where there was none.
 * @returns {Promise<string | null>}
 */
export async function useToken() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const kind = ['invite', 'local'].find((name) => fragment.has(name));
  if (!kind) return null;
  history.replaceState(history.state, '', location.pathname + location.search);
  try {
    await ask('POST', '/api/v1/session', { [kind]: fragment.get(kind) });
    return '';
  } catch (error) {
    return error instanceof Refused ? error.code : 'unreachable';
  }
}
