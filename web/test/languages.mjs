// What the word tables of all pages have in common.

import assert from 'node:assert/strict';

const holes = (sentence) => [...sentence.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

/** Both languages say the same things, with the same holes. @param {Record<string, string>} en @param {Record<string, string>} zh */
export function checkLanguages(en, zh) {
  assert.deepEqual(Object.keys(zh), Object.keys(en));
  for (const [key, sentence] of Object.entries(en)) {
    assert.notEqual(sentence, '', key);
    assert.deepEqual(holes(zh[key]), holes(sentence), key);
  }
}
