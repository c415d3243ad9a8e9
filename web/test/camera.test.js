import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fileName, hasNoPicture, pause, watchers, words } from '../camera/state.js';
import en from '../shared/i18n/en.js';

const camera = (more = {}) => ({
  id: 'door', name: 'Front door', room: 'home', state: 'live', fault: null, sound: true, viewers: [], people: [], ...more,
});
const seen = (more = {}) => ({ id: 'door', camera: camera(), link: 'playing', frames: true, since: 1, detail: '', ...more });

test('a picture that goes on has no words over it, everything else says what it waits for', () => {
  assert.equal(words(seen()), null);
  const fault = { code: 'unplugged', since_ms: 2 };
  const cases = [
    [{ frames: false }, 'cameraConnecting'],
    [{ camera: null, link: 'connecting', frames: false }, 'cameraConnecting'],
    [{ camera: camera({ state: 'starting' }), frames: false }, 'cameraStarting'],
    [{ camera: camera({ state: 'resting' }), link: 'connecting', frames: false }, 'cameraWaking'],
    [{ link: 'lost', frames: false, since: 7 }, 'cameraLost'],
    [{ link: 'full', frames: false }, 'cameraFull'],
    [{ link: 'refused', frames: false, detail: 'why' }, 'cameraRefused'],
    [{ link: 'unknown', camera: null, frames: false }, 'cameraUnknown'],
  ];
  for (const [more, key] of cases) {
    const said = words(seen(more));
    assert.equal(said.key, key);
    assert.ok(key in en);
  }
  assert.equal(words(seen({ link: 'lost', frames: false, since: 7 })).since, 7);
  for (const link of ['playing', 'lost', 'refused', 'connecting']) {
    assert.deepEqual(words(seen({ camera: camera({ state: 'faulty', fault }), link })), { fault }, 'why it gives nothing comes first');
  }
});

test('everybody who watches counts, whether on this page or in the room', () => {
  assert.deepEqual(watchers(null), []);
  assert.deepEqual(watchers(camera({ viewers: [{ id: '1', name: 'VLC' }], people: ['Ana'] })), ['VLC', 'Ana']);
});

test('tries come ever more rarely, the first at once', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map(pause), [0, 1000, 2000, 4000, 8000, 15_000, 15_000]);
});

test('a snapshot has a name that every system takes', () => {
  const at = new Date(2026, 0, 2, 3, 4, 5);
  assert.equal(fileName('Front door', at), 'Front door 2026-01-02 03.04.05.jpg');
  assert.equal(fileName('a/b:c?', at), 'a b c 2026-01-02 03.04.05.jpg');
  assert.equal(fileName('门口', at), '门口 2026-01-02 03.04.05.jpg');
  assert.equal(fileName('/', at), 'camera 2026-01-02 03.04.05.jpg');
});

test('an answer without the picture is known', () => {
  assert.equal(hasNoPicture('v=0\r\nm=audio 9 X 111\r\nm=video 0 X 96\r\n'), true);
  assert.equal(hasNoPicture('v=0\r\nm=video 9 X 96\r\n'), false);
});

test('each fault of a camera has its sentence; one that a newer box says has one too', async () => {
  globalThis.document = { documentElement: { lang: 'en' } };
  const { faultKey, faultSentence, moment } = await import('../shared/fault.js');
  const codes = [
    'unplugged', 'absent', 'busy', 'denied', 'no-format', 'no-picture', 'stalled', 'no-encoder', 'encoder-fails', 'encoder-unknown',
    'encoder-stopped', 'element-missing', 'not-built', 'no-path', 'no-room', 'closed',
  ];
  for (const code of codes) assert.notEqual(faultKey(code), 'faultOther', code);
  assert.equal(faultKey('something-new'), 'faultOther');
  assert.equal(faultKey('constructor'), 'faultOther');
  const now = new Date(2026, 0, 2, 13, 0).getTime();
  const since = new Date(2026, 0, 2, 12, 31).getTime();
  assert.equal(moment(since, now), '12:31');
  assert.match(moment(since, now + 86_400_000), /2 January.*12:31|January 2.*12:31/);
  assert.match(faultSentence({ code: 'unplugged', since_ms: since }, now), /unplugged at 12:31/);
  assert.match(faultSentence({ code: 'closed', detail: 'Ana', since_ms: since }, now), /^Ana closed the camera at 12:31/);
});
