// The composition root: knows everybody, wires them, holds the state. Decisions are in `state.js`, the
// way in and out in `entrance.js`, one's own devices in `controls.js`, the stay in a room in
// `session.js`.

// First, and waited for: an invite in the URL is used before anything is asked of the box.
import '../shared/arrival.js';

import { appearanceSwitches } from '../shared/appearance.js';
import { byId, show } from '../shared/dom.js';
import { localize, t } from '../shared/i18n/index.js';
import { recall, remember } from '../shared/storage.js';
import { ScreenAwake } from './awake.js';
import { Controls, switchedOn } from './controls.js';
import { tuneFor } from './ears.js';
import { Entrance, isToldToJoin, joinAlone, joinsAlone } from './entrance.js';
import { listenKeys } from './keys.js';
import { copyRoomLink } from './link.js';
import { QUALITIES, screenAllowed } from './media/devices.js';
import { play } from './media/chimes.js';
import { FigureReader } from './media/figures.js';
import { LevelMeter, OwnVoice } from './media/levels.js';
import { OwnMedia } from './media/own.js';
import { deedNotice, notice, refusalNotice } from './notice.js';
import { watchPresence } from './presence.js';
import { RequestError } from './protocol.js';
import { Session } from './session.js';
import { initialState, reduce } from './state.js';
import { AloneView } from './views/alone.js';
import { Announcer } from './views/announcer.js';
import { ChatView } from './views/chat.js';
import { DoorView } from './views/door.js';
import { Drawers } from './views/drawers.js';
import { JoinView } from './views/join.js';
import { NoticesView } from './views/notices.js';
import { PeopleView } from './views/people.js';
import { ReactView } from './views/react.js';
import { RoomView } from './views/room.js';
import { SettingsView } from './views/settings.js';
import { SharingView } from './views/sharing.js';

/** @typedef {import('./state.js').PageEvent} PageEvent */

let current = { ...initialState(), mic: switchedOn('microphone'), cam: switchedOn('camera'), saver: recall('saver') !== '' };
let soundsOn = recall('sounds') !== 'off';
let drawing = false;
/** Time to read a sentence; then the faces are seen again. */
const WELCOME_MS = 12_000;
const state = () => current;

/** @param {PageEvent} event */
function dispatch(event) {
  const before = current;
  current = reduce(current, event);
  const tune = soundsOn ? tuneFor(before, current) : null;
  if (tune) void play(tune, media.choice.speaker, 0.4);
  if (drawing) return;
  drawing = true;
  queueMicrotask(draw);
}

function draw() {
  drawing = false;
  joinView.render(current, { camera: media.tracks.camera, present: media.present, ...entrance.preview }, entrance);
  roomView.render(current);
  aloneView.render(current);
  announcer.render(current);
  chatView.render(current);
  peopleView.render(current);
  renderSwitches();
  doorView.render(current);
  reactView.render(current);
  drawers.render(current);
  noticesView.render(current.notices);
}

function renderSwitches() {
  settingsView.renderSwitches({ saver: current.saver, sounds: soundsOn, alone: isToldToJoin(current.room) });
}

function renderDevices() {
  joinView.renderDevices(media);
  settingsView.render(media);
  show(byId('flip-camera', HTMLButtonElement), matchMedia('(pointer: coarse)').matches && media.devices.camera.length > 1);
}

const meter = new LevelMeter();

const media = new OwnMedia({
  changed: () => {
    renderDevices();
    controls.look();
    sharingView.render(media.screen?.video ?? null);
    meter.watch(media.tracks.microphone);
    void controls.send();
    roomView.setSpeaker(media.choice.speaker);
    dispatch({ type: 'media', sharing: media.screen !== null });
  },
  gone: (source) => controls.gone(source),
  screenEnded: () => controls.stopSharing(),
});

const session = new Session({
  state,
  dispatch,
  joined: () => void controls.send(),
  muted: (by) => mutedBy(by),
  reacted: (from, reaction) => roomView.showReaction(from, reaction),
  tracks: () => roomView.refreshTracks(),
  ended: (_code, error) => {
    entrance.back();
    if (error) refused(error);
  },
});

const entrance = new Entrance({
  state,
  dispatch,
  media,
  session,
  entered: () => {
    roomView.focus();
    joinView.askPassword(null);
    welcome(current.rules.welcome);
    ownVoice.start();
    figures.start();
    void awake.keep();
  },
  left: () => {
    ownVoice.stop();
    figures.stop();
    awake.release();
    settingsView.close();
    joinView.fill(current.room, '');
    presence.ask();
  },
  refused: (error) => refused(error),
  outside: () => joinView.focus(),
});
const controls = new Controls({
  state,
  dispatch,
  media,
  session,
  asked: () => entrance.preview.asked,
  plugged: () => void entrance.startPreview(),
});
const awake = new ScreenAwake(() => current.phase === 'room');

const joinView = new JoinView({
  join: (room, name, password) => void entrance.join(room, name, password),
  without: () => entrance.without(),
  cancel: () => entrance.cancel(),
  showPicture: () => void entrance.showPicture(),
  toggle: (what) => void controls.toggle(what === 'mic' ? 'microphone' : 'camera'),
  choose: (kind, id) => void controls.choose(kind, id),
  testSound: () => void play('test', media.choice.speaker),
  roomTyped: () => presence.ask(),
});

const roomView = new RoomView({
  tracks: (model) => controls.tracksOf(model),
  placed: (tiles) => session.tiles.set(tiles.flatMap(([{ member, videoMid }, rect]) => {
    const track = videoMid === null ? undefined : current.mids[videoMid]?.track;
    return track === undefined ? [] : [{ member: member.id, track, rect: current.saver ? null : rect }];
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

const aloneView = new AloneView({ copy: () => act('copy-link') });
const announcer = new Announcer();
const chatView = new ChatView({
  say: (text) => session.say(text),
  older: (before) => session.older(before),
  takeBack: (seq) => void moderate({ type: 'chat-delete', seq }),
});
const sharingView = new SharingView({ stop: () => controls.stopSharing() });
const peopleView = new PeopleView({
  pin: (key) => dispatch({ type: 'pin', key }),
  act: (deed, member) => void moderate(
    deed === 'mute' || deed === 'remove' ? { type: deed, member } : { type: 'moderator', member, on: deed === 'make-moderator' }),
});
const reactView = new ReactView({
  react: (reaction) => void moderate({ type: 'react', reaction }),
  hand: (on) => void moderate({ type: 'hand', on }),
});
const doorView = new DoorView({
  rule: (rule, on) => void moderate({ type: rule, on }),
  judge: (verdict, member) => void moderate({ type: verdict, member }),
  people: () => dispatch({ type: 'panel', panel: 'people' }),
});
const settingsView = new SettingsView({
  rename: async (name) => {
    await session.rename(name);
    remember('name', name);
    joinView.fill('', name);
  },
  choose: (kind, id) => void controls.choose(kind, id),
  quality: (quality) => {
    void media.chooseQuality(quality);
    void session.up.setMaxBitrate(QUALITIES[quality].maxBitrate);
    session.direct.setMaxBitrate(QUALITIES[quality].maxBitrate);
  },
  treat: (treatment, on) => void controls.treat(treatment, on),
  saver: (on) => {
    remember('saver', on ? 'on' : '');
    dispatch({ type: 'saver', on });
    session.direct.able(!on);
    if (on && current.cam) void controls.toggle('camera');
  },
  sounds: (on) => {
    soundsOn = on;
    remember('sounds', on ? '' : 'off');
    renderSwitches();
  },
  alone: (on) => {
    joinAlone(on ? current.room : '');
    renderSwitches();
  },
});
const drawers = new Drawers({
  close: () => dispatch({ type: 'panel', panel: 'none' }),
  blocked: () => settingsView.isOpen || peopleView.menu.isOpen || reactView.isOpen,
});
const noticesView = new NoticesView((about, action) => void noticeAction(about.key, action));
const presence = watchPresence({
  room: () => joinView.room,
  wanted: () => current.phase === 'join' && entrance.step === null,
  told: (members, others) => joinView.renderPresence(members, others),
});
const figures = new FigureReader({ down: () => session.down.pc, direct: () => session.direct.standing, told: (seen) => roomView.showFigures(seen) });
const ownVoice = new OwnVoice({
  level: () => (current.mic ? meter.level() : 0),
  speaking: (speaking) => dispatch({ type: 'own-voice', speaking }),
});

/** @param {import('./views/room.js').RoomAction} action */
function act(action) {
  if (current.phase !== 'room') return;
  switch (action) {
    case 'mic': return void controls.toggle('microphone');
    case 'cam': return void controls.toggle('camera');
    case 'share': return controls.toggleScreen();
    case 'chat':
    case 'people': return dispatch({ type: 'panel', panel: current.panel === action ? 'none' : action });
    case 'settings': return openSettings(false);
    case 'flip': return void controls.flip();
    case 'leave': return entrance.leave();
    case 'copy-link': return void copyRoomLink(current.room).then((done) => { if (done) announcer.say(t('copied')); });
  }
}

/** Something that the box may refuse; what comes of it, it tells everybody. @param {import('./protocol.js').ClientMessage} message */
async function moderate(message) {
  try {
    await session.ask(message);
  } catch (error) {
    const trouble = error instanceof RequestError ? deedNotice(error) : null;
    if (trouble) dispatch({ type: 'notice', notice: trouble });
  }
}

/** Why one is not in the room, or no longer. @param {RequestError} error */
function refused(error) {
  if (error.code === 'password-required') joinView.askPassword('passwordRequired');
  else if (error.code === 'password-wrong') joinView.askPassword('passwordWrong');
  else dispatch({ type: 'notice', notice: refusalNotice(error) });
}

/** What the room says to whoever comes in; it stays in People. @param {string} text */
function welcome(text) {
  if (text === '') return;
  dispatch({ type: 'notice', notice: { ...notice('welcome', 'info', ['dismiss']), params: { text } } });
  setTimeout(() => dispatch({ type: 'notice-over', key: 'welcome' }), WELCOME_MS);
}

/** A moderator has muted us: the microphone goes off, and may be switched on again. @param {string} by */
function mutedBy(by) {
  if (current.mic) void controls.toggle('microphone');
  const name = current.members.find(({ id }) => id === by)?.name ?? t('somebody');
  dispatch({ type: 'notice', notice: { ...notice('mutedBy', 'info', ['dismiss']), params: { name } } });
}

/** @param {boolean} keys */
function openSettings(keys) {
  const own = current.members.find((member) => member.id === current.you);
  settingsView.open(own?.name.replace(/ \(\d+\)$/, '') ?? '', keys);
}

/** @param {string} key of the notice @param {string} action */
async function noticeAction(key, action) {
  dispatch({ type: 'notice-over', key });
  if (action === 'tapHear') {
    dispatch({ type: 'sound-blocked', blocked: false });
    roomView.playSound();
  } else if (action === 'tryNow') session.tryNow();
  else if (action === 'leave') entrance.leave();
  else if (action === 'reload') location.reload();
  // The call goes on here, and keeps trying.
  else if (action === 'openDoctor') window.open('/doctor', '_blank', 'noopener');
  else if (action === 'signIn') location.assign(`/signin?${new URLSearchParams({ to: location.pathname })}`);
  else if (action === 'useHere') joinView.submit();
  else if (action === 'tryAgain' && current.phase === 'join') joinView.submit();
  else if (action === 'tryAgain') {
    if (!key.startsWith('microphone_')) await controls.turn('camera', true);
    if (!key.startsWith('camera_')) await controls.turn('microphone', true);
  }
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
  if (room === '') {
    const about = await fetch('/api/v1/about').then((answer) => answer.json()).catch(() => null);
    if (joinView.room === '' && typeof about?.default_room === 'string') joinView.fill(about.default_room, '');
  }
  presence.ask();
  joinView.focus();
  await entrance.startPreview();
  if (query.get('join') === '1' && (await joinsAlone(joinView.room))) joinView.submit();
}

setInterval(() => {
  const level = current.mic ? meter.level() : 0;
  if (current.phase === 'room') settingsView.setLevel(level);
  else joinView.setLevel(level);
}, 100);
listenKeys({
  inRoom: () => current.phase === 'room' && !settingsView.isOpen,
  act,
  talk: (down) => controls.talk(down),
  help: () => openSettings(true),
});
addEventListener('beforeunload', () => session.leaving());
addEventListener('pagehide', () => session.beacon());
addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
addEventListener('popstate', () => { if (current.phase === 'room') entrance.leave(); });

/** For tests and for the curious: read only. */
Object.defineProperty(window, 'parlor', {
  value: Object.freeze({
    get state() { return current; },
    get up() { return session.up.pc; },
    get down() { return session.down.pc; },
    get direct() { return session.direct.pc; },
    directTrack: (/** @type {string} */ member, /** @type {import('./protocol.js').TrackSource} */ source) => session.direct.track(member, source),
  }),
});

await start();
