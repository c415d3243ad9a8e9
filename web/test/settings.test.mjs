// The owner's page: its words, and what it makes of what was typed.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { checkLanguages } from './languages.mjs';

globalThis.document = { documentElement: { lang: 'en' } };
const { aboutOf, keyWords, nameOf, words } = await import('../settings/words/index.js');
const { FIELDS, SECTIONS, changesOf, choicesOf, faultsByKey, fieldOf, keysOf, kindOf, reasonOf } = await import('../settings/model.js');

/** Every key of the reference file, as the API names it, and the fields of each list. */
function reference() {
  const text = readFileSync(new URL('../../systemd/parlor.toml', import.meta.url), 'utf8');
  const keys = [];
  const fields = {};
  let section = '';
  for (const line of text.split('\n')) {
    const title = /^#?\[\[?([a-z.]+)\]?\]$/.exec(line)?.[1];
    if (title) section = title;
    const key = /^#([a-z_-]+) = /.exec(line)?.[1];
    if (!key) continue;
    if (section in FIELDS) (fields[section] ??= []).push(key);
    else keys.push(`${section}.${key}`);
  }
  return { keys, fields };
}

test('both languages say the same things, with the same holes', () => checkLanguages(words.en, words.zh));

test('the names that outside tests rely on', () => {
  assert.equal(nameOf('network.announce'), 'Announced addresses');
  assert.equal(words.en.save, 'Save');
  assert.equal(words.en.saved, 'Saved');
});

test('every setting has a name in both languages and a place on the page, and every field of a list is there', () => {
  const { keys, fields } = reference();
  assert.ok(keys.length > 40, `only ${keys.length} keys were found`);
  const placed = Object.values(SECTIONS).flat();
  for (const key of [...keys, ...Object.keys(FIELDS)]) {
    for (const [language, names] of Object.entries(keyWords)) assert.ok(names[key]?.[0], `${key} has no name (${language})`);
    assert.ok(placed.includes(key), `${key} is in no section`);
  }
  assert.deepEqual(Object.keys(keyWords.zh).sort(), Object.keys(keyWords.en).sort());
  for (const [list, names] of Object.entries(fields)) {
    assert.deepEqual(FIELDS[list].map(({ key }) => key).sort(), names.sort(), list);
    for (const name of names) assert.ok(`field_${name}` in words.en, name);
  }
  assert.equal(Object.keys(fields).length, Object.keys(FIELDS).length);
});

const shown = (value, fallback = value, more = {}) => ({ value, default: fallback, source: 'default', from: 'default', fixed: false, restart: false, waiting: false, ...more });
const keys = {
  'network.announce': shown([], []),
  'http.listen': shown('[::]:8172'),
  'rooms.max_participants': shown(4, 0, { source: 'page' }),
  'rooms.create': shown('guest'),
  'metrics.enabled': shown(true),
  'turn.static-auth-secret': shown('***', '', { source: 'page' }),
  'log.filter': shown('debug', 'info', { source: 'environment', fixed: true }),
  room: shown([{ name: 'Attic', password: '***' }], [], { source: 'page' }),
  camera: shown([], []),
  'ice.servers': shown([], []),
  'new.key': shown('?'),
};
const drafts = (entries) => new Map(Object.entries(entries).map(([key, value]) => [key, value === null ? { back: true } : { value }]));

test('only what is otherwise is sent, each in its form', () => {
  const cases = [
    [{}, {}],
    [{ 'network.announce': '203.0.113.7\n\n  2001:db8::1 ' }, { 'network.announce': ['203.0.113.7', '2001:db8::1'] }],
    [{ 'network.announce': ' \n' }, {}],
    [{ 'http.listen': '[::]:8172\n' }, {}],
    [{ 'http.listen': '[::]:8172\n[::]:443' }, { 'http.listen': ['[::]:8172', '[::]:443'] }],
    [{ 'rooms.max_participants': '5' }, { 'rooms.max_participants': 5 }],
    [{ 'rooms.max_participants': '4' }, {}],
    // What is no number is the box's to refuse, in its words.
    [{ 'rooms.max_participants': 'many' }, { 'rooms.max_participants': 'many' }],
    [{ 'rooms.max_participants': null }, { 'rooms.max_participants': null }],
    [{ 'rooms.create': null }, {}],
    [{ 'rooms.create': 'owner', 'metrics.enabled': false }, { 'rooms.create': 'owner', 'metrics.enabled': false }],
    [{ 'metrics.enabled': true }, {}],
    [{ 'log.filter': 'trace' }, {}],
    [{ room: [{ name: 'Attic', password: '***' }] }, {}],
    [{ room: [{ name: 'Attic', password: '***', locked: true, welcome: '', max_participants: '3' }] }, { room: [{ name: 'Attic', max_participants: 3, password: '***', locked: true }] }],
    [{ room: [] }, { room: [] }],
    [{ camera: [] }, { camera: [] }],
    [{ 'ice.servers': [{ urls: 'stun:a.example\nstun:b.example' }] }, { 'ice.servers': [{ urls: ['stun:a.example', 'stun:b.example'] }] }],
  ];
  for (const [typed, expected] of cases) assert.deepEqual(changesOf(keys, drafts(typed)), expected, JSON.stringify(typed));
});

test('a field shows what is in force, what was typed, or what will be', () => {
  assert.equal(fieldOf(keys, drafts({}), 'rooms.max_participants'), '4');
  assert.equal(fieldOf(keys, drafts({ 'rooms.max_participants': '6' }), 'rooms.max_participants'), '6');
  assert.equal(fieldOf(keys, drafts({ 'rooms.max_participants': null }), 'rooms.max_participants'), '0');
  assert.equal(fieldOf(keys, drafts({}), 'turn.static-auth-secret'), '', 'a secret is not shown as stars that would be sent');
  assert.equal(kindOf('new.key', keys['new.key']), 'text');
  assert.ok(keysOf(keys, 'Service').includes('new.key'), 'a key that nobody has described is shown all the same');
  assert.equal(nameOf('new.key'), 'new.key');
  assert.equal(aboutOf('new.key'), '');
});

test('a fault stands beside its key, one of an entry beside its list', () => {
  const fault = (key) => ({ key, problem: 'is wrong', remedy: 'write another' });
  const found = faultsByKey(keys, [fault('network.announce'), fault('room.name'), fault('ice.servers.urls'), fault('none.such')]);
  assert.deepEqual(Object.keys(found), ['network.announce', 'room', 'ice.servers', 'none.such']);
  assert.equal(found.room[0].field, 'name');
  assert.equal(found['ice.servers'][0].field, 'urls');
});

test('why an address is announced', () => {
  const cases = [
    ['192.168.1.5', 'interface', 'ownLan'], ['10.0.0.1', 'interface', 'ownLan'], ['172.31.0.1', 'interface', 'ownLan'], ['fd00::1', 'interface', 'ownLan'],
    ['172.32.0.1', 'interface', 'ownPublic'], ['203.0.113.7', 'interface', 'ownPublic'], ['2001:db8::1', 'interface', 'ownPublic'],
    ['169.254.1.1', 'interface', 'ownLinkLocal'], ['100.64.0.1', 'vpn', 'ownVpn'], ['203.0.113.7', 'configured', 'written'],
  ];
  for (const [ip, origin, expected] of cases) assert.equal(reasonOf({ ip, origin }), expected, ip);
});

test('a field of an entry that is chosen has its own words, and each has its name', () => {
  const chosen = Object.values(FIELDS).flat().filter(({ kind }) => kind === 'choice');
  assert.ok(chosen.length > 1);
  assert.deepEqual(choicesOf({ key: 'unwatched', kind: 'choice' }), ['close', 'warm']);
  for (const field of chosen) {
    assert.ok(choicesOf(field).length > 1, field.key);
    for (const word of choicesOf(field)) assert.ok(`choice_${word}` in words.en, word);
  }
});
