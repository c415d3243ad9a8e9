// Talking directly: brings together what is planned (`direct/plan.js`), the connection to the other of the
// pair (`direct/link.js`), the box's two connections, and what is seen by each. While the pair is direct
// nothing is published to the box.

import { DirectLink } from './direct/link.js';
import { awaited, noPlan, step } from './direct/plan.js';
import { counts, hasGrown, isRelayed, isSeen, sent } from './direct/sight.js';
import { OwnVoice } from './media/levels.js';

/** @typedef {import('./protocol.js').TrackSource} TrackSource */
/** @typedef {import('./protocol.js').Member} Member */
/** @typedef {import('./direct/sight.js').Counts} Counts */

/** Between two looks while a path is awaited. */
const LOOK_MS = 100;
/** The same while all is well. */
const CALM_MS = 500;
/** Nothing came for so long, though something should. */
const SILENT_MS = 2000;
/** A network that changes does so more than once. */
const NETWORK_MS = 1000;

/**
 * What the page shows of it.
 * @typedef {object} DirectView
 * @property {string} peer whose pictures come directly
 * @property {boolean} relayed by a relay between the two
 */

export class Direct {
  #plan = noPlan();
  /** @type {DirectLink | null} */
  #link = null;
  #relayed = false;
  /** @type {Map<TrackSource, MediaStreamTrack | null>} */
  #tracks = new Map();
  #maxBitrate = 1_500_000;
  #timer = 0;
  /** @type {{ path: 'direct' | 'box', since: number, before: Counts, other: Counts } | null} */
  #waiting = null;
  /** When something came directly, and how much there had come. */
  #came = { at: 0, counts: /** @type {Counts} */ (new Map()) };
  /** The box is to have nothing of us, ever. Where that comes to be while it forwards, it is in force when they are direct. */
  #only = false;
  #told = '';
  #networkTimer = 0;
  #able = true;
  /** @type {RTCIceServer[]} */
  iceServers = [];

  /**
   * @param {import('./socket.js').Signal} signal
   * @param {object} wires
   * @param {() => import('./state.js').PageState} wires.state
   * @param {import('./up.js').Up} wires.up
   * @param {(member: string, source: TrackSource) => RTCRtpReceiver | null} wires.forwarded
   * @param {(view: DirectView | null) => void} wires.shown another path is shown
   * @param {(speaking: boolean) => void} wires.voice the other of the pair speaks, or no longer
   */
  constructor(signal, wires) {
    this.signal = signal;
    this.wires = wires;
    this.voice = new OwnVoice({ level: () => this.#level(), speaking: wires.voice });
    const again = () => this.#networkChanged();
    addEventListener('online', again);
    // Its other news are estimates of the same network.
    const network = /** @type {{ connection?: EventTarget & { type?: string } }} */ (navigator).connection;
    let type = network?.type;
    network?.addEventListener('change', () => {
      if (network.type !== type) again();
      type = network.type;
    });
  }

  /** The connection whose pictures are shown, and what its m-sections are. */
  get standing() {
    const link = this.#link;
    return link && this.#plan.shown ? { pc: link.pc, relayed: this.#relayed, sources: link.sources } : null;
  }

  /** The connection, for tests. */
  get pc() {
    return this.#link?.pc ?? null;
  }

  /** In a room, newly or again. @param {import('./protocol.js').Joined} message */
  entered(message) {
    const persons = message.members.filter(({ kind }) => kind === 'person');
    this.#only = message.rules.direct === 'only' && persons.length <= 2;
    if (message.resumed) this.#hold();
    else this.#do({ type: 'forgotten' });
    this.#able = this.#only || !this.wires.state().saver;
    if (this.#able) this.#say('ready', 0, 0);
  }

  /** Whether this page is to talk directly; while it saves data it is not, because the other would send all. @param {boolean} able */
  able(able) {
    this.#able = able || this.#only; // there is no other way
    this.#say(this.#able ? 'ready' : 'unable', 0, 0);
  }

  /** @param {import('./protocol.js').ServerMessage} message */
  hear(message) {
    if (message.type === 'direct') this.#do({ type: 'told', message, you: this.wires.state().you ?? '' });
    if (message.type === 'direct-signal' && message.generation === this.#plan.generation) this.#link?.hear(message.signal);
    if (message.type === 'room-changed' && message.rules.direct !== 'only') {
      this.#only = false;
      this.#hold();
    }
  }

  /** Shows a track as this source, or nothing. @param {TrackSource} source @param {MediaStreamTrack | null} track */
  set(source, track) {
    if (track === (this.#tracks.get(source) ?? null)) return;
    this.#tracks.set(source, track);
    this.#link?.set(source, track);
  }

  /** @param {number} maxBitrate */
  setMaxBitrate(maxBitrate) {
    this.#maxBitrate = maxBitrate;
    this.#link?.setMaxBitrate(maxBitrate);
  }

  /**
   * The track that comes directly, or undefined where the box's is shown.
   * @param {string} member
   * @param {TrackSource} source
   */
  track(member, source) {
    if (!this.#plan.shown || this.#plan.peer !== member) return undefined;
    return this.#link?.receiver(source)?.track ?? null;
  }

  close() {
    this.#do({ type: 'closed' });
    this.#plan = noPlan();
    this.#tracks.clear();
    this.#only = false;
  }

  /** @param {import('./direct/plan.js').PlanEvent} event */
  #do(event) {
    const { plan, deeds } = step(this.#plan, event);
    this.#plan = plan;
    for (const deed of deeds) {
      if (deed.do === 'open') this.#open(deed.offers);
      else if (deed.do === 'close') this.#close();
      else this.#say(deed.state, deed.generation, deed.revision);
    }
    this.#hold();
    this.#show();
    this.#look();
  }

  /** @param {boolean} offers */
  #open(offers) {
    const { generation, peer } = this.#plan;
    const link = new DirectLink({
      iceServers: this.iceServers, offers, tracks: this.#tracks, maxBitrate: this.#maxBitrate,
      // What the room does not take any more belongs to a connection that is over.
      say: (signal) => void this.signal.request({ type: 'direct-signal', peer, generation, signal }).catch(() => {}),
      broken: () => { if (this.#link === link) this.#do({ type: 'broken' }); },
    });
    this.#link = link;
    this.#came = { at: performance.now(), counts: new Map() };
    this.voice.start();
  }

  #close() {
    this.#link?.close();
    this.#link = null;
    this.#relayed = false;
    this.voice.stop();
    this.wires.voice(false);
  }

  /**
   * @param {import('./direct/plan.js').Told} state
   * @param {number} generation
   * @param {number} revision
   */
  #say(state, generation, revision) {
    if (!this.signal.ready) return; // it is said again after the next `joined`, or the room asks again
    this.signal.request({ type: 'direct-state', generation, revision, state }).catch(() => {});
  }

  /** While the two are direct the box gets neither pictures nor sound. */
  #hold() {
    this.wires.up.hold(this.#plan.phase === 'direct' || this.#only);
  }

  #show() {
    const { shown, peer } = this.#plan;
    const view = shown ? { peer, relayed: this.#relayed } : null;
    const text = JSON.stringify(view);
    if (text === this.#told) return;
    this.#told = text;
    this.wires.shown(view);
  }

  /** Looks again soon, as long as there is anything to be seen. */
  #look() {
    clearTimeout(this.#timer);
    const path = awaited(this.#plan);
    if (this.#waiting?.path !== path) this.#waiting = null;
    if (path === null && !this.#link) return;
    this.#timer = setTimeout(() => void this.#lookNow(path), path === null ? CALM_MS : LOOK_MS);
  }

  /** @param {'direct' | 'box' | null} path */
  async #lookNow(path) {
    const plan = this.#plan;
    const member = this.wires.state().members.find(({ id }) => id === plan.peer);
    const done = member ? await (path === null ? this.#check(member) : this.#await(member, path)) : false;
    // Meanwhile another step may have been taken, which looks by itself.
    if (plan === this.#plan && !done) this.#look();
  }

  /**
   * The awaited path: true if that has led to another step.
   * @param {Member} member
   * @param {'direct' | 'box'} path
   */
  async #await(member, path) {
    const wanted = sent(member);
    const receivers = {
      direct: (/** @type {TrackSource} */ source) => this.#link?.receiver(source) ?? null,
      box: (/** @type {TrackSource} */ source) => this.wires.forwarded(member.id, source),
    };
    const plan = this.#plan;
    const [now, other] = await Promise.all([
      counts(receivers[path], wanted), counts(receivers[path === 'box' ? 'direct' : 'box'], wanted),
    ]);
    if (plan !== this.#plan) return true;
    const stands = path === 'box' ? this.wires.forwarded(member.id, wanted[0] ?? 'microphone') !== null || wanted.length === 0
      : this.pc?.connectionState === 'connected';
    if (!stands) return false;
    this.#waiting ??= { path, since: performance.now(), before: path === 'box' ? now : new Map(), other };
    const { since, before } = this.#waiting;
    const elsewhere = hasGrown(this.#waiting.other, other);
    if (!isSeen({ wanted, before, now, elsewhere, waitedMs: performance.now() - since })) return false;
    if (path === 'direct') this.#relayed = (await isRelayed(this.pc)) ?? false;
    if (plan !== this.#plan) return true;
    this.#do({ type: 'seen', path });
    return true;
  }

  /** Whether the direct path is well: true if it is not. @param {Member} member */
  async #check(member) {
    const plan = this.#plan;
    // A screen may stand still.
    const wanted = sent(member).filter((source) => source !== 'screen');
    const now = await counts((source) => this.#link?.receiver(source) ?? null, wanted);
    const relayed = (await isRelayed(this.pc)) ?? this.#relayed;
    if (plan !== this.#plan) return true;
    this.#relayed = relayed;
    this.#show();
    if (wanted.length === 0 || hasGrown(this.#came.counts, now)) this.#came = { at: performance.now(), counts: now };
    if (!plan.alive || plan.phase !== 'direct' || performance.now() - this.#came.at < SILENT_MS) return false;
    this.#do({ type: 'broken' });
    return true;
  }

  /** How loud the other of the pair is, by its packets. */
  #level() {
    if (!this.#plan.shown) return 0;
    const [newest] = this.#link?.receiver('microphone')?.getSynchronizationSources() ?? [];
    return newest?.audioLevel ?? 0;
  }

  #networkChanged() {
    clearTimeout(this.#networkTimer);
    this.#networkTimer = setTimeout(() => { if (this.#able) this.#say('ready', 0, 0); }, NETWORK_MS);
  }
}
