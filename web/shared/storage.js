// What this browser remembers. Where storage is blocked, nothing is, and nothing breaks.

/** @param {string} key */
export function recall(key) {
  try {
    return localStorage.getItem(`parlor.${key}`) ?? '';
  } catch {
    return '';
  }
}

/** An empty value forgets. @param {string} key @param {string} value @param {'local' | 'session'} [where] */
export function remember(key, value, where = 'local') {
  try {
    const store = where === 'local' ? localStorage : sessionStorage;
    if (value === '') store.removeItem(`parlor.${key}`);
    else store.setItem(`parlor.${key}`, value);
  } catch {
    // Storage is blocked or full: it is a convenience only.
  }
}

/** @param {string} key */
export function recallSession(key) {
  try {
    return sessionStorage.getItem(`parlor.${key}`) ?? '';
  } catch {
    return '';
  }
}

/**
 * By which the box finds the place of a tab of this browser that crashed: made once, told to nobody
 * else. Where storage is blocked each page has its own, which does no harm.
 */
export function device() {
  const known = recall('device');
  if (known !== '') return known;
  const made = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  remember('device', made);
  return made;
}
