import assert from 'node:assert/strict';
import { test } from 'node:test';

import { canShow, unshowable } from '../room/media/codecs.js';

test('only what the browser surely cannot show is called so', () => {
  globalThis.RTCRtpReceiver = { getCapabilities: () => ({ codecs: [{ mimeType: 'video/VP8' }, { mimeType: 'video/rtx' }] }) };
  assert.equal(canShow(undefined), true, 'nothing has come yet');
  assert.equal(canShow('VP8'), true);
  assert.equal(canShow('AV1'), false);
  const track = (source, codec) => ({ id: 'a.1', kind: 'video', source, codec });
  const member = { tracks: [{ id: 'a.0', kind: 'audio', source: 'microphone', codec: 'opus' }, track('camera', 'H265'), track('screen', 'VP8')] };
  assert.equal(unshowable(member, 'camera'), 'H265');
  assert.equal(unshowable(member, 'screen'), null);
  assert.equal(unshowable({ tracks: [] }, 'camera'), null);
});
