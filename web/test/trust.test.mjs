// The page about trust: its words, the steps of each system, where a phone goes on.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { checkLanguages } from './languages.mjs';

globalThis.document = { documentElement: { lang: 'en' } };
const { fill, isWord, words } = await import('../trust/words.js');
const { WAYS, phoneUrl, systemOf } = await import('../trust/steps.js');

test('both languages say the same things, with the same holes', () => checkLanguages(words.en, words.zh));

test('each system has steps, each a sentence and a drawing with one place to go', () => {
  assert.deepEqual(Object.keys(WAYS), ['ios', 'android', 'windows', 'macos', 'linux', 'firefox']);
  for (const [system, { steps }] of Object.entries(WAYS)) {
    assert.ok(isWord(`system_${system}`), system);
    assert.equal(steps.length, 3, system);
    for (const { say, look, code } of steps) {
      assert.ok(isWord(say), say);
      const marked = look.filter((line) => line.startsWith('>') || line.startsWith('~'));
      assert.ok(code !== undefined || marked.length === 1, say);
      const drawn = fill(look.join(' '), { host: 'h', authority: 'a' });
      assert.doesNotMatch(drawn, /[{}]/, say);
    }
  }
});

test('which system this is', () => {
  const cases = [
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1', 5, 'ios'],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15', 5, 'ios'],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15', 0, 'macos'],
    ['Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36', 5, 'android'],
    ['Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0', 5, 'android'],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0', 0, 'firefox'],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36', 10, 'windows'],
    ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36', 0, 'linux'],
    ['something new', 0, 'linux'],
  ];
  for (const [agent, touches, expected] of cases) assert.equal(systemOf(agent, touches), expected, agent);
});

test('a phone goes on by an address that it can reach, and by plain http', () => {
  const names = ['attic', 'attic.local', 'localhost', '127.0.0.1', '169.254.3.3', '192.168.7.5', '::1', 'fd00:7::5'];
  const cases = [
    ['localhost', '8172', names, 'http://192.168.7.5:8172/trust'],
    ['127.0.0.1', '8172', names, 'http://192.168.7.5:8172/trust'],
    ['attic.local', '8172', names, 'http://attic.local:8172/trust'],
    ['10.0.0.9', '', names, 'http://10.0.0.9/trust'],
    ['localhost', '8172', [], 'http://localhost:8172/trust'],
  ];
  for (const [host, port, known, expected] of cases) assert.equal(phoneUrl(host, port, known), expected);
});
