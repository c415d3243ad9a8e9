import assert from 'node:assert/strict';
import { test } from 'node:test';

import en from '../shared/i18n/en.js';
import zh from '../shared/i18n/zh.js';
import { mediaNotice, noPathNotice, refusalNotice } from '../room/notice.js';
import { checkLanguages } from './languages.mjs';

test('both languages say the same things, with the same holes', () => checkLanguages(en, zh));

test('the names that outside tests rely on', () => {
  const names = {
    room: 'Room', yourName: 'Your name', camera: 'Camera', microphone: 'Microphone', speaker: 'Speaker',
    camOn: 'Camera on', micOn: 'Microphone on', join: 'Join', devices: 'Devices', shareScreen: 'Share screen', chat: 'Chat',
    people: 'People', settings: 'Settings', leave: 'Leave', messages: 'Messages', message: 'Message', send: 'Send',
    roomPassword: 'Room password', more: 'More', mute: 'Mute', remove: 'Remove', makeModerator: 'Make moderator', lockRoom: 'Lock room',
    lobby: 'Lobby', waiting: 'Waiting to be let in', admit: 'Admit', refuse: 'Refuse', signIn: 'Sign in',
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
    'room-locked', 'removed', 'refused', 'not-admitted', 'password-required', 'password-wrong', 'store-unavailable',
    'version-unsupported', 'stopping', 'internal', 'server-gone', 'timeout', 'replaced', 'something-new',
  ];
  for (const code of codes) {
    const notice = refusalNotice({ code, message: 'why' });
    assert.equal(notice.code, code);
    assert.equal(notice.detail, 'why');
    assert.ok(notice.actions.length > 0);
    for (const key of [notice.key, ...notice.actions]) assert.ok(key in en, key);
  }
});

test('the port that media needs is the one the box has offered', () => {
  const sdp = 'a=candidate:1 1 udp 2130706431 192.168.1.2 10007 typ host\r\na=candidate:2 1 UDP 1 fd00::2 10007 typ host generation 0\r\n';
  assert.deepEqual(noPathNotice(sdp).params, { port: '10007' });
  assert.equal(noPathNotice(sdp).key, 'noPathUdp');
  const byTcp = noPathNotice(`${sdp}a=candidate:3 1 tcp 1 192.168.1.2 10007 typ host tcptype passive\r\n`);
  assert.deepEqual([byTcp.key, byTcp.params], ['noPath', { port: '10007' }]);
  assert.equal(noPathNotice('v=0').key, 'noPathPlain');
  for (const sentence of ['v=0', sdp, byTcp.key]) assert.deepEqual(noPathNotice(sentence).actions, ['openDoctor', 'dismiss']);
});

test('Chinese keeps its characters apart from Latin letters and digits that are filled in', async () => {
  globalThis.document = { documentElement: { lang: 'zh-CN' } };
  const { joinNames, t } = await import('../shared/i18n/index.js');
  assert.equal(t('presenceOne', { names: 'Ana' }), 'Ana 在房间里。');
  assert.equal(t('presenceOne', { names: '林小雨' }), '林小雨在房间里。');
  assert.equal(t('waitPath', { name: 'Ana' }), '正在与 Ana 建立连接…');
  assert.equal(t('noPath', { port: '10007' }).includes('端口 10007。'), true);
  assert.equal(t('presenceMore', { names: '林、Ana', count: 3 }), '林、Ana 和另外 3 人在房间里。');
  assert.equal(joinNames(['林小雨', 'Ana']), '林小雨和 Ana');
  assert.equal(joinNames(['Ana', 'Ben', '林小雨']), 'Ana、Ben 和林小雨');
});
