// The steps on each system, as drawn: what to do, and where in the system's settings that is. Pure.

/**
 * A step: its sentence (a word of the page), and the menu it is found in, the line to choose marked by `>`
 * and a switch to be turned on by `~`.
 * @typedef {{ say: string, look: string[], code?: string }} Step
 * @typedef {'ios' | 'android' | 'windows' | 'macos' | 'linux' | 'firefox'} System
 * @typedef {{ download: 'profile' | 'certificate', frame: 'phone' | 'window', steps: Step[] }} Way
 */

/** @type {Record<System, Way>} */
export const WAYS = {
  ios: {
    download: 'profile', frame: 'phone',
    steps: [
      { say: 'ios1', look: ['Safari', '{host}', '>{allow}'] },
      { say: 'ios2', look: ['{iosSettings}', '>{iosProfile}', '{iosGeneral}'] },
      { say: 'ios3', look: ['{iosGeneral} › {iosAbout}', '{iosTrustSettings}', '~{authority}'] },
    ],
  },
  android: {
    download: 'certificate', frame: 'phone',
    steps: [
      { say: 'android1', look: ['Chrome', '{host}', '>parlor-ca.crt'] },
      { say: 'android2', look: ['{androidSecurity}', '{androidCredentials}', '{androidInstall}', '>{androidCa}'] },
      { say: 'android3', look: ['{androidDownloads}', '>parlor-ca.crt'] },
    ],
  },
  windows: {
    download: 'certificate', frame: 'window',
    steps: [
      { say: 'windows1', look: ['parlor-ca.crt', '{authority}', '>{windowsInstall}'] },
      { say: 'windows2', look: ['{windowsWizard}', '>{windowsUser}', '{windowsMachine}'] },
      { say: 'windows3', look: ['{windowsStore}', '>{windowsRoot}'] },
    ],
  },
  macos: {
    download: 'certificate', frame: 'window',
    steps: [
      { say: 'macos1', look: ['{macosKeychain}', '>{macosLogin}', '{macosSystem}'] },
      { say: 'macos2', look: ['{macosLogin}', '>{authority}'] },
      { say: 'macos3', look: ['{macosTrust}', '{macosUsing}', '>{macosAlways}'] },
    ],
  },
  linux: {
    download: 'certificate', frame: 'window',
    steps: [
      { say: 'linux1', look: ['Chromium', 'chrome://certificate-manager', '>{chromeImport}'] },
      { say: 'linux2', look: ['{chromeTitle}', '~{chromeSites}'] },
      { say: 'linux3', look: ['{terminal}'], code: 'certutil -d sql:$HOME/.pki/nssdb -A -t "C,," -n parlor -i parlor-ca.crt' },
    ],
  },
  firefox: {
    download: 'certificate', frame: 'window',
    steps: [
      { say: 'firefox1', look: ['{ffSettings}', '{ffPrivacy}', '>{ffView}'] },
      { say: 'firefox2', look: ['{ffAuthorities}', '>{ffImport}', 'parlor-ca.crt'] },
      { say: 'firefox3', look: ['{authority}', '~{ffTrust}'] },
    ],
  },
};

/** Which system this is, by what its browser calls itself. @param {string} agent @param {number} touches @returns {System} */
export function systemOf(agent, touches) {
  // iPadOS calls itself a Mac; no Mac has a touch screen.
  if (/iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && touches > 1)) return 'ios';
  if (/Android/.test(agent)) return 'android';
  // Firefox has a list of its own, whatever the system says.
  if (/Firefox\//.test(agent)) return 'firefox';
  if (/Windows/.test(agent)) return 'windows';
  if (/Macintosh|Mac OS X/.test(agent)) return 'macos';
  return 'linux';
}

/** Where a phone goes on: by an address of the box, plain http, since https is what it does not trust yet. @param {string} host of this page @param {string} port @param {string[]} names of the certificate */
export function phoneUrl(host, port, names) {
  const isOfThisMachine = (/** @type {string} */ name) => name === 'localhost' || name === '[::1]' || name === '::1' || name.startsWith('127.');
  const address = names.find((name) => /^[\d.]+$/.test(name) && !isOfThisMachine(name) && !name.startsWith('169.254.'));
  const chosen = isOfThisMachine(host) ? address ?? host : host;
  return `http://${chosen}${port === '' ? '' : `:${port}`}/trust`;
}
