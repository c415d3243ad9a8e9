// The composition root: knows everybody, wires them, holds the state. Decisions are in `state.js`,
// the stay in a room in `session.js`, our own devices in `media.js`.

import { LevelMeter, QUALITIES, permission, playTestSound, screenAllowed } from './media/devices.js';
import { byId, show } from '../shared/dom.js';
import { copyRoomLink } from './link.js';
import { appearanceSwitches } from '../shared/appearance.js';
import { localize } from '../shared/i18n/index.js';
import { listenKeys } from './keys.js';
import { OwnVoice } from './media/levels.js';
import { OwnMedia } from './media/own.js';
import { notice, mediaNotice, refusalNotice } from './notice.js';
import { RequestError } from './protocol.js';
import { Session } from './session.js';
import { initialState, reduce } from './state.js';
import { recall, remember } from '../shared/storage.js';
import { ChatView } from './views/chat.js';
import { JoinView } from './views/join.js';
import { NoticesView } from './views/notices.js';
import { PeopleView } from './views/people.js';
import { RoomView } from './views/room.js';
import { SettingsView } from './views/settings.js';
import { watchPresence } from './presence.js';

/** @typedef {import('./state.js').PageEvent} PageEvent */
/** @typedef {import('./state.js').TileModel} TileModel */
/** @typedef {import('../shared/i18n/index.js').Key} Key */

let state = initialState();
/** What joining waits for. @type {Key | null} */
let step = null;
/** @type {{ asked: boolean, starting: boolean, fault: Key | null }} */
let preview = { asked: false, starting: false, fault: null };
let drawing = false;
let talking = false;
/** @type {WakeLockSentinel | null} */
let wakeLock = null;

/** @param {PageEvent} event */
function dispatch(event) {
  state = reduce(state, event);
  if (drawing) return;
  drawing = true;
  queueMicrotask(draw);
}

function draw() {
  drawing = false;
  joinView.render(state, { camera: media.tracks.camera, ...preview }, step);
  roomView.render(state);
  chatView.render(state);
  peopleView.render(state);
  noticesView.render(state.notices);
}

function renderDevices() {
  const inUse = { camera: media.tracks.camera?.label ?? '', microphone: media.tracks.microphone?.label ?? '' };
  joinView.renderDevices(media.devices, media.choice, inUse);
  settingsView.render(media.devices, media.choice, inUse);
}

const meter = new LevelMeter();

const media = new OwnMedia({
  changed: () => {
    renderDevices();
    meter.watch(media.tracks.microphone);
    void sendTracks();
    roomView.setSpeaker(media.choice.speaker);
    dispatch({ type: 'media', sharing: media.screen !== null });
  },
  gone: (source) => {
    dispatch({ type: 'media', ...(source === 'camera' ? { cam: false } : { mic: false }) });
    dispatch({ type: 'notice', notice: notice(source === 'camera' ? 'cameraGone' : 'microphoneGone', 'warn', ['dismiss']) });
    session.tellState(state.mic, state.cam);
  },
  screenEnded: () => stopSharing(),
});

const session = new Session({
  state: () => state,
  dispatch,
  joined: () => void sendTracks(),
  tracks: () => roomView.refreshTracks(),
  ended: (_code, error) => {
    backToJoin();
    if (error) dispatch({ type: 'notice', notice: refusalNotice(error) });
  },
});

const joinView = new JoinView({
  join: (room, name) => void join(room, name),
  showPicture: () => void showPicture(),
  toggle: (what) => void (what === 'mic' ? turn('microphone', !state.mic) : turn('camera', !state.cam)),
  choose: (kind, id) => void choose(kind, id),
  testSound: () => void playTestSound(media.choice.speaker),
  roomTyped: () => presence.ask(),
});

const roomView = new RoomView({
  tracks: tracksOf,
  placed: (tiles) => session.tiles.set(tiles.flatMap(([{ member, videoMid }, rect]) => {
    const track = videoMid === null ? undefined : state.mids[videoMid]?.track;
    return track === undefined ? [] : [{ member: member.id, track, rect }];
  })),
  act,
  pin: (key) => dispatch({ type: 'pin', key }),
  blocked: () => {
    dispatch({ type: 'sound-blocked', blocked: true });
    dispatch({ type: 'notice', notice: notice('tapToHear', 'info', ['tapHear']) });
  },
  peeked: () => dispatch({ type: 'peeked' }),
  speakerFailed: () => {
    dispatch({ type: 'notice', notice: notice('speakerFailed', 'warn', ['dismiss']) });
    void media.choose('speaker', '');
  },
});

const chatView = new ChatView({ say: (text) => session.say(text) });
const peopleView = new PeopleView({ pin: (key) => dispatch({ type: 'pin', key }) });
const settingsView = new SettingsView({
  rename: async (name) => {
    await session.rename(name);
    remember('name', name);
    joinView.fill('', name);
  },
  choose: (kind, id) => void choose(kind, id),
  quality: (quality) => {
    void media.chooseQuality(quality);
    void session.up.setMaxBitrate(QUALITIES[quality].maxBitrate);
  },
});
const noticesView = new NoticesView((about, action) => void noticeAction(about.key, action));
const presence = watchPresence({
  room: () => joinView.room,
  wanted: () => state.phase === 'join' && step === null,
  told: (members) => joinView.renderPresence(members),
});
const ownVoice = new OwnVoice({
  level: () => (state.mic ? meter.level() : 0),
  speaking: (speaking) => dispatch({ type: 'own-voice', speaking }),
});

/** @param {TileModel} model */
function tracksOf(model) {
  if (model.own) return { video: state.cam ? media.tracks.camera : null, audio: null };
  return {
    video: model.videoMid === null ? null : session.down.track(model.videoMid),
    audio: model.audioMid === null ? null : session.down.track(model.audioMid),
  };
}

/** What there is goes to the box; nothing happens outside a room. */
async function sendTracks() {
  if (state.phase !== 'room') return;
  const { up } = session;
  await Promise.all([
    up.set('microphone', media.tracks.microphone), up.set('camera', media.tracks.camera),
    up.set('screen', media.screen?.video ?? null), up.set('screenaudio', media.screen?.audio ?? null),
  ]).catch((error) => console.warn('parlor: a track could not be replaced', error));
}

/** @param {string} room @param {string} name */
async function join(room, name) {
  if (state.phase !== 'join') return;
  remember('name', name);
  remember('room', room);
  for (const { key } of state.notices) dispatch({ type: 'notice-over', key });
  dispatch({ type: 'joining', room });
  step = 'asking';
  const want = { camera: state.cam, microphone: state.mic };
  const faults = await media.prepare(want);
  preview = { asked: true, starting: false, fault: null };
  dispatch({ type: 'media', mic: state.mic && faults.microphone === null, cam: state.cam && faults.camera === null });
  step = 'connecting';
  try {
    await session.join(room, name);
  } catch (error) {
    step = null;
    dispatch({ type: 'left' });
    if (error instanceof RequestError) dispatch({ type: 'notice', notice: refusalNotice(error) });
    return;
  }
  step = null;
  const trouble = mediaNotice(faults.camera, faults.microphone);
  if (trouble) dispatch({ type: 'notice', notice: trouble });
  const path = `/r/${encodeURIComponent(state.room)}`;
  if (location.pathname !== path) history.pushState(null, '', path);
  ownVoice.start();
  await keepAwake();
}

function leave() {
  session.leave();
  backToJoin();
}

function backToJoin() {
  ownVoice.stop();
  media.stopAll();
  settingsView.close();
  preview = { asked: false, starting: false, fault: null };
  void wakeLock?.release().catch(() => {});
  wakeLock = null;
  joinView.fill(state.room, '');
  dispatch({ type: 'left' });
  presence.ask();
  void startPreview();
}

/** The picture on the join page without a question, where the browser remembers the answer. */
async function startPreview() {
  await media.refreshDevices();
  const [camera, microphone] = await Promise.all([permission('camera'), permission('microphone')]);
  if (state.phase !== 'join' || (camera !== 'granted' && microphone !== 'granted')) return;
  await openPreview({ camera: state.cam && camera === 'granted', microphone: state.mic && microphone === 'granted' });
}

async function showPicture() {
  dispatch({ type: 'media', cam: true });
  await openPreview({ camera: true, microphone: state.mic });
}

/** @param {{ camera: boolean, microphone: boolean }} want */
async function openPreview(want) {
  preview = { asked: true, starting: want.camera, fault: null };
  dispatch({ type: 'media' });
  const faults = await media.prepare(want);
  const fault = mediaNotice(faults.camera, faults.microphone);
  preview = { asked: true, starting: false, fault: faults.camera && fault ? /** @type {Key} */ (fault.key) : null };
  dispatch({ type: 'media' });
}

/** @param {'camera' | 'microphone'} source @param {boolean} on */
async function turn(source, on) {
  const field = source === 'camera' ? 'cam' : 'mic';
  dispatch({ type: 'media', [field]: on });
  // Before joining and before permission the switch is a wish; pressing Join asks.
  if (state.phase === 'join' && !preview.asked && on) return;
  const fault = await media.turn(source, on);
  if (fault !== null) {
    dispatch({ type: 'media', [field]: false });
    const trouble = mediaNotice(source === 'camera' ? fault : null, source === 'microphone' ? fault : null);
    if (trouble) dispatch({ type: 'notice', notice: trouble });
  } else if (on) {
    for (const { key } of state.notices) if (key.startsWith(`${source}_`) || key.startsWith('both_')) dispatch({ type: 'notice-over', key });
  }
  session.tellState(state.mic, state.cam);
}

/** @param {'camera' | 'microphone' | 'speaker'} kind @param {string} id */
async function choose(kind, id) {
  const fault = await media.choose(kind, id);
  if (fault === null || kind === 'speaker') return;
  dispatch({ type: 'media', ...(kind === 'camera' ? { cam: false } : { mic: false }) });
  const trouble = mediaNotice(kind === 'camera' ? fault : null, kind === 'microphone' ? fault : null);
  if (trouble) dispatch({ type: 'notice', notice: trouble });
  session.tellState(state.mic, state.cam);
}

async function share() {
  try {
    await media.share();
  } catch (error) {
    // NotAllowedError is the user's own "cancel", unless the system said it.
    const system = error instanceof Error && (error.name !== 'NotAllowedError' || /system/i.test(error.message));
    if (system) dispatch({ type: 'notice', notice: notice('shareFailed', 'warn', ['dismiss']) });
    return;
  }
  dispatch({ type: 'notice', notice: notice('sharing', 'info', ['stopSharing']) });
}

function stopSharing() {
  media.stopSharing();
  dispatch({ type: 'notice-over', key: 'sharing' });
}

/** @param {import('./views/room.js').RoomAction} action */
function act(action) {
  if (state.phase !== 'room') return;
  switch (action) {
    case 'mic': return void turn('microphone', !state.mic);
    case 'cam': return void turn('camera', !state.cam);
    case 'share': return media.screen ? stopSharing() : void share();
    case 'chat':
    case 'people': return dispatch({ type: 'panel', panel: state.panel === action ? 'none' : action });
    case 'settings': return openSettings(false);
    case 'leave': return leave();
    case 'copy-link': return void copyRoomLink(state.room);
  }
}

/** @param {boolean} keys */
function openSettings(keys) {
  const own = state.members.find((member) => member.id === state.you);
  settingsView.open(own?.name.replace(/ \(\d+\)$/, '') ?? '', keys);
}

/** @param {string} key of the notice @param {string} action */
async function noticeAction(key, action) {
  dispatch({ type: 'notice-over', key });
  if (action === 'tapHear') {
    dispatch({ type: 'sound-blocked', blocked: false });
    roomView.playSound();
  } else if (action === 'stopSharing') stopSharing();
  else if (action === 'reload') location.reload();
  else if (action === 'useHere') joinView.submit();
  else if (action === 'tryAgain' && state.phase === 'join') joinView.submit();
  else if (action === 'tryAgain') {
    if (!key.startsWith('microphone_')) await turn('camera', true);
    if (!key.startsWith('camera_')) await turn('microphone', true);
  }
}

async function keepAwake() {
  if (state.phase !== 'room' || document.hidden || !('wakeLock' in navigator)) return;
  wakeLock = await navigator.wakeLock.request('screen').catch(() => null); // refused on a low battery
}

/** @param {boolean} down */
function pushToTalk(down) {
  if (down === talking || (down && state.mic)) return;
  talking = down;
  void turn('microphone', down);
}

/** Where the address leads: `/r/NAME`, `/?roomid=NAME`, else the box's default room. */
async function start() {
  localize(document);
  appearanceSwitches(() => {
    renderDevices();
    presence.ask();
    draw();
  });
  show(byId('bar-share', HTMLButtonElement), screenAllowed());
  const query = new URLSearchParams(location.search);
  const name = query.get('name') ?? recall('name');
  const inPath = /^\/r\/([^/]+)\/?$/.exec(location.pathname)?.[1];
  let room = query.get('roomid') ?? '';
  try {
    if (inPath) room = decodeURIComponent(inPath);
  } catch {
    // A broken escape in the address: the user types the room.
  }
  joinView.fill(room, name);
  draw();
  document.documentElement.dataset.ready = '';
  if (room === '') {
    const about = await fetch('/api/v1/about').then((answer) => answer.json()).catch(() => null);
    if (joinView.room === '' && typeof about?.default_room === 'string') joinView.fill(about.default_room, '');
  }
  presence.ask();
  joinView.focus();
  await startPreview();
  if (query.get('join') === '1' && (await joinsAlone())) joinView.submit();
}

/** Wall tablets and TVs join at once where no question would come. */
async function joinsAlone() {
  const all = await (navigator.mediaDevices?.enumerateDevices() ?? Promise.resolve([])).catch(() => []);
  const answers = await Promise.all([
    all.some((device) => device.kind === 'videoinput') ? permission('camera') : 'none',
    all.some((device) => device.kind === 'audioinput') ? permission('microphone') : 'none',
  ]);
  return !answers.includes('prompt');
}

setInterval(() => {
  if (state.phase !== 'room') joinView.setLevel(state.mic ? meter.level() : 0);
}, 100);
listenKeys({
  inRoom: () => state.phase === 'room' && !settingsView.isOpen,
  act,
  talk: pushToTalk,
  help: () => openSettings(true),
});
addEventListener('pagehide', () => session.beacon());
addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
addEventListener('popstate', () => { if (state.phase === 'room') leave(); });
document.addEventListener('visibilitychange', () => void keepAwake());

/** For tests and for the curious: read only. */
Object.defineProperty(window, 'parlor', {
  value: Object.freeze({
    get state() { return state; },
    get up() { return session.up.pc; },
    get down() { return session.down.pc; },
  }),
});

await start();
