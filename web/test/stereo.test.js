import assert from 'node:assert/strict';
import test from 'node:test';
import { inStereo } from '../room/stereo.js';

const answer = (fmtp) => [
  'v=0', 'm=audio 9 UDP/TLS/RTP/SAVPF 111 63', 'a=rtpmap:111 opus/48000/2', `a=fmtp:111 ${fmtp}`,
  'a=rtpmap:63 red/48000/2', 'a=fmtp:63 111/111', 'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=rtpmap:96 VP8/90000', '',
].join('\r\n');

test('opus, and nothing else, is answered in two channels', () => {
  const plain = answer('minptime=10;useinbandfec=1');
  assert.equal(inStereo(plain), answer('minptime=10;useinbandfec=1;stereo=1'));
  assert.equal(inStereo(answer('stereo=0')), answer('stereo=0'), 'what the browser says itself stands');
  assert.equal(inStereo(answer('sprop-stereo=1')), answer('sprop-stereo=1;stereo=1'));
  assert.equal(inStereo(inStereo(plain)), inStereo(plain));
  assert.equal(inStereo(''), '');
});
