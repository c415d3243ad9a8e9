import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { CLIENT_TYPES, SERVER_TYPES, checkNickname, checkRoomName, readServerMessage, writeRequest } from '../room/protocol.js';

const folder = new URL('../../tests/protocol/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
const golden = files.map((name) => ({ name, ...JSON.parse(readFileSync(new URL(name, folder), 'utf8')) }));

test('there are golden messages, one of each type at least', () => {
  assert.ok(golden.length > 0, 'no golden messages were found');
  const types = (direction) => new Set(golden.filter((file) => file.direction === direction).map((file) => file.message.type));
  assert.deepEqual([...types('client')].sort(), [...CLIENT_TYPES].sort());
  assert.deepEqual([...types('server')].sort(), [...SERVER_TYPES].sort());
});

for (const { name, direction, message } of golden) {
  if (direction === 'client') {
    test(`${name}: the page writes exactly this`, () => {
      const { id, ...asked } = message;
      assert.deepEqual(JSON.parse(writeRequest(id, asked)), message);
    });
  } else {
    test(`${name}: the page reads it`, () => {
      assert.deepEqual(readServerMessage(JSON.stringify(message)), message);
    });
  }
  test(`${name}: without one of its fields it is refused`, () => {
    // What serde leaves out when it is unset, the page does without as well.
    const optional = new Set(['type', 'id', 're', 'resume', 'device', 'password', 'mid', 'reason']);
    for (const field of Object.keys(message).filter((key) => !optional.has(key))) {
      const { [field]: _, ...rest } = message;
      const attempt = () => (direction === 'client' ? writeRequest(1, rest) : readServerMessage(JSON.stringify(rest)));
      assert.throws(attempt, TypeError, `${name} without ${field}`);
    }
  });
}

test('a newer box may say more: unknown fields and unknown types do no harm', () => {
  assert.equal(readServerMessage('{"type":"dance","tempo":3}'), null);
  assert.deepEqual(readServerMessage('{"re":1,"type":"pong","load":2}'), { re: 1, type: 'pong', load: 2 });
});

test('what is no message throws', () => {
  for (const text of ['', '{', '[]', '7', 'null', '{}', '{"type":7}', '{"type":"toString"}x', '{"type":"pong","re":"1"}']) {
    assert.throws(() => readServerMessage(text), undefined, text);
  }
  assert.equal(readServerMessage('{"type":"toString"}'), null);
  assert.throws(() => writeRequest(1, { type: 'dance' }), TypeError);
});

test('names are trimmed, composed and limited as the box does it', () => {
  const cases = [
    ['  Kitchen ', { name: 'Kitchen' }, { name: 'Kitchen' }],
    ['e\u0301te\u0301', { name: '\u00e9t\u00e9' }, { name: '\u00e9t\u00e9' }],
    ['厨房', { name: '厨房' }, { name: '厨房' }],
    ['', { fault: 'empty' }, { fault: 'empty' }],
    [' \t ', { fault: 'empty' }, { fault: 'empty' }],
    ['a/b', { fault: 'forbidden' }, { name: 'a/b' }],
    ['a\u0007b', { fault: 'forbidden' }, { fault: 'forbidden' }],
    ['😀'.repeat(64), { name: '😀'.repeat(64) }, { name: '😀'.repeat(64) }],
    ['x'.repeat(65), { fault: 'long' }, { fault: 'long' }],
  ];
  for (const [typed, room, nickname] of cases) {
    assert.deepEqual(checkRoomName(typed), room, JSON.stringify(typed));
    assert.deepEqual(checkNickname(typed), nickname, JSON.stringify(typed));
  }
});
