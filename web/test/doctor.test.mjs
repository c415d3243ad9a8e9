import assert from 'node:assert/strict';
import { test } from 'node:test';

globalThis.document = { documentElement: { lang: 'en' } };
const { words } = await import('../doctor/words.js');
const verdicts = await import('../doctor/verdicts.js');

const holes = (sentence) => [...sentence.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test('both languages say the same things, with the same holes', () => {
  const { en, zh } = words;
  assert.deepEqual(Object.keys(zh), Object.keys(en));
  for (const [key, sentence] of Object.entries(en)) {
    assert.notEqual(sentence, '', key);
    assert.deepEqual(holes(zh[key]), holes(sentence), key);
  }
});

/** Each check as `id mark remedy-begins`; remedies have no holes left and are there in both languages. */
function told(checks) {
  return checks.map(({ id, ok, remedy, remedy_zh }) => {
    assert.equal(remedy === null, remedy_zh === null, id);
    if (remedy !== null) assert.doesNotMatch(`${remedy}${remedy_zh}`, /[{}]/, id);
    return `${id} ${ok === null ? '?' : ok ? '+' : '-'}`;
  });
}

const path = (connected, tried = ['10.0.0.2:10000']) => ({ connected, tookMs: 5, tried, pair: 'udp 10.0.0.2:10000' });

test('ways to the media port are judged together', () => {
  const [open, shut, none] = [path(true), path(false), path(false, [])];
  const cases = [
    [{ udp: open, tcp: open, relay: open }, ['media-udp +', 'media-tcp +', 'relay +']],
    [{ udp: open, tcp: open, relay: null }, ['media-udp +', 'media-tcp +']],
    [{ udp: shut, tcp: open, relay: open }, ['media-udp ?', 'media-tcp +', 'relay +']],
    [{ udp: open, tcp: shut, relay: shut }, ['media-udp +', 'media-tcp ?', 'relay ?']],
    [{ udp: shut, tcp: shut, relay: open }, ['media-udp ?', 'media-tcp ?', 'relay ?']],
    [{ udp: shut, tcp: shut, relay: shut }, ['media-udp -', 'media-tcp -', 'relay -']],
    [{ udp: shut, tcp: shut, relay: null }, ['media-udp -', 'media-tcp -']],
    [{ udp: open, tcp: none, relay: null }, ['media-udp +', 'media-tcp ?']],
    [{ udp: none, tcp: none, relay: null }, ['media-udp -', 'media-tcp -']],
  ];
  for (const [paths, expected] of cases) assert.deepEqual(told(verdicts.mediaChecks(paths, '8172')), expected, JSON.stringify(paths));
  const [udp] = verdicts.mediaChecks({ udp: path(false, ['10.0.0.2:10000', '[fd00::2]:10000']), tcp: null, relay: null }, '8172');
  assert.match(udp.remedy, /UDP port 10000 .*Tried: 10\.0\.0\.2:10000 \[fd00::2\]:10000/);
  const last = verdicts.mediaChecks({ udp: shut, tcp: shut, relay: shut }, '8443').at(-1);
  assert.match(last.remedy, /TCP port 8443/);
});

const SDP = ['v=0', 'a=candidate:1 1 udp 1 10.0.0.2 10000 typ host', 'a=candidate:2 1 UDP 1 fd00::2 10000 typ host', 'a=candidate:3 1 tcp 1 10.0.0.2 10000 typ host tcptype passive', 'a=candidate:4 1 udp 1 127.0.0.1 10000 typ host', ''].join('\r\n');

test('an answer is cut down to one protocol, and what is tried is named', () => {
  assert.deepEqual(verdicts.candidatesOf(SDP, 'udp'), ['10.0.0.2:10000', '[fd00::2]:10000']);
  assert.deepEqual(verdicts.candidatesOf(SDP, 'tcp'), ['10.0.0.2:10000']);
  assert.deepEqual(verdicts.candidatesOf(SDP.replaceAll('10.0.0.2', '127.0.0.1'), 'tcp'), ['127.0.0.1:10000'], 'on the box itself');
  assert.equal(verdicts.only(SDP, 'tcp'), ['v=0', 'a=candidate:3 1 tcp 1 10.0.0.2 10000 typ host tcptype passive', ''].join('\r\n'));
});

test('the page, the socket, the visitor, the clock', () => {
  const socket = (open) => ({ open, detail: 'wss://box', tookMs: 1 });
  const cases = [
    [verdicts.browserChecks({ isSecure: true, hasRtc: true, agent: 'x' }), ['secure +', 'rtc +']],
    [verdicts.browserChecks({ isSecure: false, hasRtc: false, agent: 'x' }), ['secure -', 'rtc -']],
    [verdicts.signalingChecks(socket(true), null), ['socket +']],
    [verdicts.signalingChecks(socket(false), socket(true)), ['socket ?', 'events +']],
    [verdicts.signalingChecks(socket(false), socket(false)), ['socket -', 'events -']],
    [[verdicts.sessionCheck({ who: 'guest' }, 1)], ['session +']],
    [[verdicts.sessionCheck({ who: 'stranger', from: 'outside' }, 1)], ['session ?']],
    [[verdicts.clockCheck(1_000_000, 1_030_000, 1)], ['clocks +']],
    [[verdicts.clockCheck(1_000_000, 400_000, 1)], ['clocks -']],
    [verdicts.localNetworkChecks(null, true), []],
    [verdicts.localNetworkChecks('granted', false), ['local-network +']],
    [verdicts.localNetworkChecks('denied', true), ['local-network +']],
    [verdicts.localNetworkChecks('denied', false), ['local-network -']],
  ];
  for (const [checks, expected] of cases) assert.deepEqual(told(checks), expected);
  assert.match(verdicts.clockCheck(1_000_000, 400_000, 1).remedy, /600 s/);
});

const found = (line, url = '', relayProtocol = '') => verdicts.candidate(line, url, relayProtocol, 7);

test('each relay is known by its candidate, and a symmetric router by two faces of one port', () => {
  const urls = ['turn:box:3478?transport=udp', 'turn:box:3478?transport=tcp', 'turns:box:8172?transport=tcp'];
  const relay = (url, protocol) => found('candidate:1 1 udp 1 10.0.0.2 10050 typ relay raddr 0.0.0.0 rport 0', url, protocol);
  assert.deepEqual(told(verdicts.relayChecks(urls, urls.map((url) => relay(url, '')), 1)), ['turn-udp +', 'turn-tcp +', 'turns +']);
  // Firefox names no server, Safari no protocol of the relay.
  assert.deepEqual(told(verdicts.relayChecks(urls, [relay('', 'tls')], 1)), ['turn-udp ?', 'turn-tcp ?', 'turns +']);
  assert.deepEqual(verdicts.relayChecks([], [], 1), []);
  const seen = (address, port, local) => found(`candidate:1 1 udp 1 ${address} ${port} typ srflx raddr 0.0.0.0 rport ${local}`);
  assert.deepEqual(told(verdicts.natChecks([seen('203.0.113.7', 1, 50), seen('203.0.113.7', 1, 50)], 1)), ['nat +']);
  assert.deepEqual(told(verdicts.natChecks([seen('203.0.113.7', 1, 50), seen('203.0.113.7', 2, 51)], 1)), ['nat +'], 'two interfaces');
  assert.deepEqual(told(verdicts.natChecks([seen('203.0.113.7', 1, 50), seen('203.0.113.7', 2, 50)], 1)), ['nat ?']);
  assert.deepEqual(verdicts.natChecks([], 1), []);
  assert.equal(found('nonsense'), null);
});

test('a hop is as its worst check; the report has them all', () => {
  const make = (hop, ok, fix = null) => verdicts.check('secure', hop, ok, 1.6, 'detail', fix);
  const checks = [make('browser', true), make('router', true), make('router', null, 'fixRtc'), make('box', null)];
  assert.deepEqual(['browser', 'router', 'box'].map((hop) => verdicts.hopState(checks, hop)), [true, null, true]);
  assert.equal(verdicts.hopState([...checks, make('router', false, 'fixRtc')], 'router'), false);
  assert.equal(verdicts.hopState([], 'box'), undefined);
  const box = verdicts.boxChecks([{ id: 'hairpin', ok: null, took_ms: 1, detail: '', remedy: null, remedy_zh: null }, { id: 'disk', ok: true, took_ms: 1, detail: '', remedy: null, remedy_zh: null }]);
  assert.deepEqual(box.map(({ id, hop }) => [id, hop]), [['box.hairpin', 'router'], ['box.disk', 'box']]);
  const text = verdicts.reportText([make('router', false, 'fixRtc')], 'head');
  assert.match(text, /^head\n✗ secure: detail \(2 ms\)\n {2}→ This browser has no WebRTC/);
});
