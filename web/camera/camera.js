// The page of one camera: `/c/ID`. A picture to the edges, why there is none, and who else is watching.
// `?bare` is for other pages to embed: the picture alone.

import { appearanceSwitches } from '../shared/appearance.js';
import { Refused, ask, whoAmI } from '../shared/box.js';
import { byId, make, setAttribute, setText, show } from '../shared/dom.js';
import { faultSentence, moment } from '../shared/fault.js';
import { joinNames, localize, t } from '../shared/i18n/index.js';
import { recall } from '../shared/storage.js';
import { fileName, watchers, words } from './state.js';
import { Whep } from './whep.js';

/** @typedef {import('./state.js').Seen} Seen */

/** A page that nobody sees lets the camera rest. */
const HIDDEN_MS = 20_000;
const STILL_MS = 4000;
const LOOK_MS = 1000;

const id = decodeURIComponent(location.pathname.split('/')[2] ?? '');
const api = `/api/v1/cameras/${encodeURIComponent(id)}`;
const page = byId('camera', HTMLElement);
const video = byId('video', HTMLVideoElement);
const poster = byId('poster', HTMLImageElement);
const sound = byId('sound', HTMLButtonElement);
const privacy = byId('privacy', HTMLButtonElement);
const watching = byId('watching', HTMLButtonElement);

/** @type {Seen} */
const seen = { id, camera: null, link: 'idle', frames: false, since: Date.now(), detail: '' };
/** @type {import('../shared/box.js').Who | null} */
let who = null;
/** When the poster was taken. */
let posterAt = 0;
let nFrames = 0;

const whep = new Whep(`/c/${encodeURIComponent(id)}/whep`, video, (link, detail = '') => {
  if (link !== 'playing') seen.frames = false;
  if (link !== seen.link) seen.since = Date.now();
  Object.assign(seen, { link, detail });
  draw();
}, () => recall('name') || (who?.name ?? ''));

function draw() {
  const { camera } = seen;
  const name = camera?.name ?? id;
  const over = words(seen);
  setAttribute(page, 'data-state', over === null ? 'live' : seen.camera?.fault ? 'faulty' : seen.link === 'unknown' ? 'unknown' : 'connecting');
  setText(byId('words', HTMLElement), over === null ? '' : 'fault' in over ? faultSentence(over.fault) : t(over.key, { ...over.params, ...(over.since ? { time: moment(over.since) } : {}) }));
  show(byId('way', HTMLElement), seen.link === 'unknown');
  const old = byId('old', HTMLElement);
  show(old, over !== null && !poster.hidden && posterAt > 0 && nFrames === 0);
  setText(old, posterAt > 0 ? t('cameraOld', { time: moment(posterAt) }) : '');
  document.title = `${name} – parlor`;
  setText(byId('name', HTMLElement), name);
  setAttribute(video, 'aria-label', t('cameraPicture', { name }));
  show(byId('live', HTMLElement), over === null);
  drawBar();
}

function drawBar() {
  const { camera } = seen;
  const names = watchers(camera);
  const room = byId('room', HTMLAnchorElement);
  show(room, camera !== null);
  if (camera) setAttribute(room, 'href', `/r/${encodeURIComponent(camera.room)}`);
  setText(byId('room-word', HTMLElement), t('cameraToRoom', { room: camera?.room ?? '' }));
  show(watching, names.length > 0);
  setText(byId('watching-word', HTMLElement), t('cameraWatching', { n: names.length }));
  const list = byId('watchers-list', HTMLUListElement);
  list.replaceChildren(...(camera?.viewers ?? []).map((viewer) => make('li', { dir: 'auto', text: viewer.name })));
  const people = camera?.people ?? [];
  setText(byId('watchers-room', HTMLElement), people.length > 0 ? t('cameraInRoom', { names: joinNames(people) }) : names.length < 2 ? t('cameraNobody') : '');
  if (names.length === 0) open(false);
  show(sound, camera?.sound === true);
  setText(byId('sound-word', HTMLElement), t(video.muted ? 'tapHear' : 'soundOff'));
  setAttribute(byId('sound-icon', SVGUseElement), 'href', `/shared/icons.svg#${video.muted ? 'volume-x' : 'volume-2'}`);
  const closed = camera?.state === 'closed';
  show(privacy, who?.who === 'owner' && camera !== null);
  setText(byId('privacy-word', HTMLElement), t(closed ? 'cameraOpen' : 'cameraClose'));
  const snapshot = byId('snapshot', HTMLAnchorElement);
  setAttribute(snapshot, 'href', `${api}/snapshot.jpg`);
  show(snapshot, camera !== null && camera.fault === null);
}

/** @param {boolean} isOpen */
function open(isOpen) {
  show(byId('watchers', HTMLElement), isOpen);
  setAttribute(watching, 'aria-expanded', String(isOpen));
}

/** The picture of a moment ago, at once; it asks nothing of the camera. */
async function showPoster() {
  const answer = await fetch(`${api}/snapshot.jpg?last`, { cache: 'no-store' });
  if (!answer.ok || seen.frames) return;
  posterAt = Number(answer.headers.get('x-parlor-taken-ms') ?? 0);
  poster.src = URL.createObjectURL(await answer.blob());
  poster.addEventListener('load', () => URL.revokeObjectURL(poster.src), { once: true });
  show(poster, true);
  draw();
}

/** Nothing of what was seen stays. */
function forget() {
  show(poster, false);
  video.srcObject = null;
  if (seen.link === 'playing') whep.again();
}

/** Hears of the camera, for as long as the page is there; the browser connects again by itself. */
function listen() {
  const events = new EventSource(`${api}/events`);
  events.addEventListener('message', ({ data }) => {
    const before = seen.camera?.fault;
    seen.camera = JSON.parse(data);
    // Closed by its owner: nothing of before is shown either.
    if (seen.camera?.state === 'closed') forget();
    if (before && !seen.camera?.fault && !seen.frames) whep.frame();
    draw();
  });
  events.addEventListener('error', () => {
    // 404, or no entry: it does not come back by itself.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  });
}

function lookAtFrames() {
  const shown = video.getVideoPlaybackQuality().totalVideoFrames;
  // A connection that was closed may still have its last frame drawn.
  if (shown > nFrames && whep.pc?.connectionState === 'connected') {
    whep.frame();
    if (!seen.frames) {
      seen.frames = true;
      whep.plays();
    }
  }
  nFrames = shown;
  whep.stalled(seen.camera !== null && seen.camera.fault === null && !document.hidden);
}

/** A frame as soon as it is there; the look at every second is for those that stop. */
function firstFrame() {
  if (!('requestVideoFrameCallback' in video)) return;
  video.requestVideoFrameCallback(() => {
    lookAtFrames();
    firstFrame();
  });
}

sound.addEventListener('click', () => {
  video.muted = !video.muted;
  if (!video.muted) video.play().catch(() => { video.muted = true; draw(); });
  draw();
});
watching.addEventListener('click', () => open(byId('watchers', HTMLElement).hidden));
byId('snapshot', HTMLAnchorElement).addEventListener('click', ({ currentTarget }) => {
  if (currentTarget instanceof HTMLAnchorElement) currentTarget.download = fileName(seen.camera?.name ?? id, new Date());
});
byId('full', HTMLButtonElement).addEventListener('click', () => {
  if (document.fullscreenElement) void document.exitFullscreen();
  else page.requestFullscreen?.().catch(() => {});
});
show(byId('full', HTMLElement), document.fullscreenEnabled);
privacy.addEventListener('click', async () => {
  privacy.disabled = true;
  try {
    await ask('PATCH', api, { closed: seen.camera?.state !== 'closed' });
  } catch (error) {
    if (error instanceof Refused) Object.assign(seen, { link: 'refused', detail: error.message });
  }
  privacy.disabled = false;
  draw();
});

let stillTimer = 0;
function moved() {
  page.classList.remove('still');
  clearTimeout(stillTimer);
  stillTimer = setTimeout(() => page.classList.add('still'), STILL_MS);
}
for (const event of ['pointermove', 'pointerdown', 'keydown']) addEventListener(event, moved);
addEventListener('keydown', ({ key }) => { if (key === 'Escape') open(false); });

let hiddenTimer = 0;
document.addEventListener('visibilitychange', () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = setTimeout(() => whep.stop(), HIDDEN_MS);
  else whep.start();
});
addEventListener('online', () => whep.again());
addEventListener('pagehide', () => whep.stop());
addEventListener('pageshow', ({ persisted }) => { if (persisted) whep.start(); });

const query = new URLSearchParams(location.search);
page.classList.toggle('bare', query.has('bare'));
localize(document);
appearanceSwitches(draw);
moved();
whep.start();
listen();
void showPoster().catch(() => {});
firstFrame();
setInterval(lookAtFrames, LOOK_MS);
void whoAmI().then((known) => { who = known; draw(); }).catch(() => {});
Object.assign(window, { parlorCamera: { seen, whep, video } });
