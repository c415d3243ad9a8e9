// Whether this browser trusts the box's certificate, found out without asking anybody.
//
// By plain http: https of the same box is read, which an untrusted certificate does not let happen. By https
// the page itself has come that way, and a warning may have been passed over: then a browser registers no
// service worker of the box (Service Workers, 5.1: a certificate error is a security error).

/** @typedef {'trusted' | 'untrusted' | 'untrustedExcepted'} Verdict */

/** @returns {Promise<Verdict>} */
export async function verdict() {
  try {
    const answer = await fetch(`https://${location.host}/trust/check`, { cache: 'no-store' });
    if (!answer.ok) return 'untrusted';
  } catch {
    return 'untrusted';
  }
  if (location.protocol !== 'https:' || !('serviceWorker' in navigator)) return 'trusted';
  try {
    const registration = await navigator.serviceWorker.register('/trust/worker.js', { scope: '/trust/' });
    await registration.unregister();
    return 'trusted';
  } catch (error) {
    // Other faults, such as blocked storage, say nothing about the certificate.
    return error instanceof DOMException && error.name === 'SecurityError' ? 'untrustedExcepted' : 'trusted';
  }
}
