import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withAddresses } from '../room/addresses.js';

const links = (text) => withAddresses(text).filter((_, index) => index % 2 === 1);

test('an address ends before the sentence does', () => {
  const cases = [
    ['see https://a.b/c.', ['https://a.b/c']],
    ['(https://a.b/c?d=e#f), then http://x.y!', ['https://a.b/c?d=e#f', 'http://x.y']],
    ['https://a.b/Foo_(bar)', ['https://a.b/Foo_(bar)']],
    ['看https://a.b/c。', ['https://a.b/c']],
    ['javascript:alert(1) ftp://a.b https://', []],
    ['a"https://a.b/"onclick="x', ['https://a.b/']],
  ];
  for (const [text, expected] of cases) {
    assert.deepEqual(links(text).filter((link) => link !== 'https://'), expected, text);
    assert.equal(withAddresses(text).join(''), text, 'nothing is lost');
  }
});
