// The words of the pages for signing in; the names that outside tests rely on.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { checkLanguages } from './languages.mjs';

globalThis.document = { documentElement: { lang: 'en' } };
const { isWord, say, words } = await import('../signin/words.js');
const { wayOn } = await import('../signin/way.js');

test('both languages say the same things, with the same holes', () => checkLanguages(words.en, words.zh));

test('the names that outside tests rely on', () => {
  const names = {
    setUpCode: 'Set-up code', yourName: 'Your name', password: 'Password', passwordAgain: 'Password again', setUp: 'Set up',
    name: 'Name', signIn: 'Sign in',
  };
  for (const [key, name] of Object.entries(names)) assert.equal(words.en[key], name);
});

test('each refusal of the box has its sentence, and so has each place one may come from', () => {
  const codes = [
    'password-wrong', 'setup-code-wrong', 'already-set-up', 'invite-invalid', 'invite-void', 'invite-early', 'invite-expired',
    'invite-used-up', 'local-token-wrong', 'rate-limited', 'store-unavailable',
    'lan', 'machine', 'container', 'forwarder', 'proxy', 'outside',
  ];
  for (const code of codes) assert.ok(isWord(code), code);
  assert.equal(say('whoInvited', { room: 'Kitchen' }), 'You are invited to the room Kitchen.');
});

test('signing in leads on within this box, however the link is written', () => {
  const origin = 'https://attic.local:8172';
  for (const to of ['/', '/r/K%C3%BCche', '/settings?x#y', '/.//evil.example/']) {
    assert.equal(new URL(wayOn(to, origin)).origin, origin, to);
  }
  assert.equal(wayOn('/r/K%C3%BCche', origin), `${origin}/r/K%C3%BCche`);
  const elsewhere = [
    '', 'r/Kitchen', '//evil.example/', '/\\evil.example/', '/\t/evil.example/', '/\n\\evil.example', '\t//evil.example/', '/\r/evil.example',
    'https://evil.example/', 'javascript:alert(1)', '//attic.local:8172@evil.example/', '//attic.local:81', '//[',
  ];
  for (const to of elsewhere) assert.equal(wayOn(to, origin), `${origin}/`, JSON.stringify(to));
});
