// Sentences of the owner's page, filled in, in the language in use.

import { filled, language } from '../../shared/i18n/index.js';
import en from './en.js';
import { faultZh } from './faults-zh.js';
import keysEn from './keys-en.js';
import keysZh from './keys-zh.js';
import zhSentences from './zh.js';

/** @typedef {keyof typeof en} Word */

/** @type {Record<Word, string>} */
const zh = zhSentences;

export const words = { en, zh };
export const keyWords = { en: keysEn, zh: keysZh };

const isEnglish = () => language() === 'en';

/** @param {string} key @returns {key is Word} */
export const isWord = (key) => Object.hasOwn(en, key);

/** @param {Word} key @param {Record<string, string | number>} [params] */
export const say = (key, params = {}) => filled((isEnglish() ? en : zh)[key], params);

/** What the box says of a value, which is English; what has no Chinese words stays so. @param {string} said */
const saidOf = (said) => (isEnglish() ? said : (faultZh(said) ?? said));

/** What is wrong with a value, and what would be right. @param {{ problem: string, remedy: string }} fault */
export const faultOf = ({ problem, remedy }) => say('wrong', { problem: saidOf(problem), remedy: saidOf(remedy) });

/** What a setting is called. One that nobody has described is called by its key. @param {string} key */
export const nameOf = (key) => (isEnglish() ? keysEn : keysZh)[key]?.[0] ?? key;

/** What a setting is for. @param {string} key */
export const aboutOf = (key) => (isEnglish() ? keysEn : keysZh)[key]?.[1] ?? '';

/** A local day and time. @param {number} at seconds since 1970 */
export const when = (at) => new Intl.DateTimeFormat(language(), { dateStyle: 'medium', timeStyle: 'short' }).format(at * 1000);
