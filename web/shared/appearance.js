// The switches for language and for dark or light; the choice is remembered by this browser.

import { language, setLanguage, t } from './i18n/index.js';
import { remember } from './storage.js';

/**
 * Writes the page in its language; from then on it is shown (`style.css` hides it until then, for two seconds at most).
 * @param {() => void} redraw what is not written by `data-t`
 */
export function appearanceSwitches(redraw) {
  for (const button of document.querySelectorAll('.theme-switch')) button.addEventListener('click', switchTheme);
  const languages = [...document.querySelectorAll('.language-switch')];
  const label = () => languages.forEach((button) => {
    button.textContent = t('otherLanguage');
    button.setAttribute('lang', t('otherLanguageCode'));
  });
  for (const button of languages) {
    button.addEventListener('click', () => {
      setLanguage(language() === 'en' ? 'zh-CN' : 'en');
      remember('language', language());
      label();
      redraw();
    });
  }
  label();
  redraw();
  document.documentElement.dataset.ready = '';
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  remember('theme', root.dataset.theme);
}
