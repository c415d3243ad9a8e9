import assert from 'node:assert/strict';
import { test } from 'node:test';

import en from '../shared/i18n/en.js';
import zh from '../shared/i18n/zh.js';
import { mediaNotice, refusalNotice } from '../room/notice.js';

const holes = (sentence) => [...sentence.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test('both languages say the same things, with the same holes', () => {
  assert.deepEqual(Object.keys(zh), Object.keys(en));
  for (const [key, sentence] of Object.entries(en)) {
    assert.notEqual(sentence, '', key);
    assert.deepEqual(holes(zh[key]), holes(sentence), key);
  }
});

test('the names that outside tests rely on', () => {
  const names = {
    room: 'Room', yourName: 'Your name', camera: 'Camera', microphone: 'Microphone', speaker: 'Speaker',
    camOn: 'Camera on', micOn: 'Microphone on', join: 'Join', devices: 'Devices', shareScreen: 'Share screen', chat: 'Chat',
    people: 'People', settings: 'Settings', leave: 'Leave', messages: 'Messages', message: 'Message', send: 'Send',
    nickname: 'Nickname', quality: 'Quality', reconnecting: 'Reconnecting…',
  };
  for (const [key, name] of Object.entries(names)) assert.equal(en[key], name);
});

test('every fault of a device has its sentence and a way on, in both languages', () => {
  const faults = [null, 'refused', 'busy', 'none', 'insecure', 'unknown'];
  for (const camera of faults) {
    for (const microphone of faults) {
      const notice = mediaNotice(camera, microphone);
      if (camera === null && microphone === null) assert.equal(notice, null);
      else for (const key of [notice.key, ...notice.actions]) assert.ok(key in en && key in zh, key);
    }
  }
});

test('every refusal has its sentence and a way on; an unknown one too', () => {
  const codes = [
    'room-full', 'room-create-refused', 'room-name-invalid', 'name-invalid', 'forbidden', 'origin-forbidden', 'rate-limited',
    'version-unsupported', 'stopping', 'internal', 'server-gone', 'timeout', 'replaced', 'something-new',
  ];
  for (const code of codes) {
    const notice = refusalNotice({ code, message: 'why' });
    assert.equal(notice.code, `${code}: why`);
    assert.ok(notice.actions.length > 0);
    for (const key of [notice.key, ...notice.actions]) assert.ok(key in en, key);
  }
});
