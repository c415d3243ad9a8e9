// A Firefox with fake devices for the browser tests, by WebDriver BiDi. Its pages answer to what the
// shared helpers ask of one: `evaluate`, and controls by role and name.

import { createRequire } from 'node:module';

import { until } from './page.mjs';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const puppeteer = require('puppeteer-core');

export const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

const PREFERENCES = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'intl.accept_languages': 'en-US',
  // Nothing is fetched behind the test's back; so there is no H.264, as at home without internet.
  'media.gmp-manager.updateEnabled': false,
  'media.gmp-manager.url': 'http://127.0.0.1:1/',
  'app.update.enabled': false,
};

/**
 * @param {Record<string, unknown>} [more] preferences
 * @param {object} [options] of puppeteer
 */
export const launchFirefox = (more = {}, options = {}) => puppeteer.launch({
  browser: 'firefox',
  executablePath: FIREFOX,
  headless: true,
  acceptInsecureCerts: true,
  ...options,
  defaultViewport: { width: 1280, height: 800 },
  extraPrefsFirefox: { ...PREFERENCES, ...more },
});

/** What a role is in our page. */
const SELECTORS = { button: 'button', textbox: 'input[type="text"], textarea', group: '[role="group"]', log: '[role="log"]' };

/** In the page: the shown element of this name, by its label or else its text. */
function find(selector, name) {
  const nameOf = (element) => (element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent).trim();
  return [...document.querySelectorAll(selector)].find((element) => element.checkVisibility() && nameOf(element) === name) ?? null;
}

/** In the page: as typed, at once. */
function fillIn(element, value) {
  element.focus();
  element.value = value;
  element.dispatchEvent(new Event('input', { bubbles: true }));
}

/**
 * A control of a page. BiDi can look it up in the browser's own accessibility tree, but takes a second
 * for each, and on a busy machine several.
 */
class Control {
  #page;
  #role;
  #name;

  constructor(page, role, name) {
    this.#page = page;
    this.#role = role;
    this.#name = name;
  }

  /** Resolves with the element, once it is shown. */
  waitFor({ timeout } = {}) {
    const ask = async () => (await this.#page.evaluateHandle(find, SELECTORS[this.#role], this.#name)).asElement();
    return until(`${this.#role} ${this.#name}`, ask, (element) => element !== null, timeout);
  }

  async click() {
    await (await this.waitFor()).click();
  }

  async fill(value) {
    await (await this.waitFor()).evaluate(fillIn, value);
  }

  async getAttribute(attribute) {
    return (await this.waitFor()).evaluate((element, wanted) => element.getAttribute(wanted), attribute);
  }

  async textContent() {
    return (await this.waitFor()).evaluate((element) => element.textContent);
  }
}

/**
 * A page of its own context. Errors of the page are collected in `faults`.
 * @param {Awaited<ReturnType<typeof launchFirefox>>} browser
 * @param {string} url
 * @param {string[]} faults
 * @param {() => void} before runs in the page before all else
 */
export async function openFirefoxPage(browser, url, faults, before) {
  const page = await (await browser.createBrowserContext()).newPage();
  page.getByRole = (role, { name }) => new Control(page, role, name);
  page.on('pageerror', (error) => faults.push(`${error.name}: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  await page.evaluateOnNewDocument(before);
  await page.goto(url);
  return page;
}
