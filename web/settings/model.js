// PURE. Which settings there are, how each is edited, and what of it is sent back.

/**
 * A key as the box shows it.
 * @typedef {{ value: any, default: any, source: string, from: string, fixed: boolean, restart: boolean, waiting: boolean }} Shown
 * @typedef {Record<string, Shown>} Keys
 * @typedef {Record<string, any>} Entry one room, camera or server of a list
 * What somebody has typed and not saved: a text, a switch, entries, or the wish to have the default back.
 * @typedef {{ value: string | boolean | Entry[] } | { back: true }} Draft
 * @typedef {Map<string, Draft>} Drafts
 * @typedef {'flag' | 'number' | 'list' | 'choice' | 'secret' | 'entries' | 'text'} Kind
 * @typedef {{ key: string, kind: 'text' | 'number' | 'flag' | 'list' | 'secret' | 'choice', required?: boolean }} Field
 */

/** Sections of the page, and the keys in each. What is in none is in the last. */
export const SECTIONS = {
  Network: ['network.announce', 'network.interfaces.include', 'network.interfaces.exclude'],
  Rooms: [
    'rooms.default', 'rooms.create', 'rooms.max_participants', 'rooms.max_viewers', 'rooms.max_speakers', 'rooms.direct',
    'rooms.history_days', 'rooms.history_lines', 'room',
  ],
  Cameras: ['camera', 'rtsp.listen', 'rtsp.user'],
  Turn: [
    'turn.listen', 'turn.relay_ports', 'turn.realm', 'turn.static-auth-secret', 'turn.user', 'turn.external-ip', 'turn.total-quota',
    'turn.user-quota', 'turn.max-bps', 'turn.bps-capacity', 'turn.allowed-peer-ip', 'turn.denied-peer-ip', 'turn.alternate-server',
    'turn.min-port', 'turn.max-port',
  ],
  Ice: ['ice.servers'],
  Access: ['access.guests', 'access.loopback', 'access.local_proxy', 'http.trusted_proxies', 'http.hosts', 'http.origins', 'http.frame_ancestors'],
  Limits: [
    'http.joins_per_minute', 'http.connections_per_address', 'http.max_connections', 'http.max_header', 'http.max_body', 'http.max_sdp',
    'http.max_message', 'http.idle_timeout', 'http.slow_timeout', 'media.viewers_per_worker',
  ],
  Certificate: ['http.certificate', 'http.certificate_key'],
  Service: ['http.listen', 'media.ports', 'media.workers', 'media.tcp', 'log.filter', 'metrics.enabled', 'http.web_dir', 'storage.data_dir'],
};

/** Words that a key may say. */
export const CHOICES = {
  'rooms.create': ['guest', 'user', 'owner'],
  'rooms.direct': ['auto', 'never', 'only'],
  'access.guests': ['lan', 'none'],
  'access.loopback': ['token', 'guest'],
  direct: ['auto', 'never', 'only'],
  unwatched: ['close', 'warm'],
};

/** What an entry of a list holds. @type {Record<string, Field[]>} */
export const FIELDS = {
  room: [
    { key: 'name', kind: 'text', required: true }, { key: 'max_participants', kind: 'number' }, { key: 'password', kind: 'secret' },
    { key: 'direct', kind: 'choice' }, { key: 'locked', kind: 'flag' }, { key: 'lobby', kind: 'flag' }, { key: 'welcome', kind: 'text' },
  ],
  camera: [
    { key: 'id', kind: 'text', required: true }, { key: 'source', kind: 'text', required: true }, { key: 'name', kind: 'text' },
    { key: 'audio', kind: 'text' }, { key: 'room', kind: 'text' }, { key: 'size', kind: 'text' }, { key: 'fps', kind: 'number' },
    { key: 'bitrate', kind: 'number' }, { key: 'encoder', kind: 'text' }, { key: 'unwatched', kind: 'choice' },
  ],
  'ice.servers': [
    { key: 'urls', kind: 'list', required: true }, { key: 'username', kind: 'text' }, { key: 'credential', kind: 'secret' },
    { key: 'secret', kind: 'secret' }, { key: 'expiry', kind: 'text' },
  ],
};

/** Words that a field of an entry may say. @param {Field} field @returns {string[]} */
export const choicesOf = ({ key }) => Object.entries(CHOICES).find(([name]) => name === key)?.[1] ?? [];

/** Keys with several values, which may be written as one text. */
const LISTS = ['http.listen', 'turn.listen', 'rtsp.listen'];
const SECRETS = ['turn.static-auth-secret'];

/** Where a key is, on the page. @param {Keys} keys @param {keyof SECTIONS} section */
export function keysOf(keys, section) {
  const known = SECTIONS[section].filter((key) => key in keys);
  if (section !== 'Service') return known;
  const placed = new Set(Object.values(SECTIONS).flat());
  return [...known, ...Object.keys(keys).filter((key) => !placed.has(key))];
}

/** @param {string} key @param {Shown} shown @returns {Kind} */
export function kindOf(key, shown) {
  if (key in FIELDS) return 'entries';
  if (key in CHOICES) return 'choice';
  if (SECRETS.includes(key)) return 'secret';
  if (LISTS.includes(key) || Array.isArray(shown.default)) return 'list';
  if (typeof shown.default === 'boolean') return 'flag';
  return typeof shown.default === 'number' ? 'number' : 'text';
}

/** A value as it stands in its field. @param {Kind} kind @param {any} value @returns {any} */
export function written(kind, value) {
  if (kind === 'flag') return value === true;
  if (kind === 'entries') return value;
  if (kind === 'list') return (Array.isArray(value) ? value : [value]).filter((one) => one !== '').join('\n');
  return String(value);
}

/** A field as the value that is meant: what is no number is sent as it is, and the box says so. @param {string} kind @param {any} value @returns {any} */
function meant(kind, value) {
  if (kind === 'flag') return value === true;
  const text = String(value).trim();
  if (kind === 'list') return String(value).split('\n').map((line) => line.trim()).filter((line) => line !== '');
  return kind === 'number' && /^\d+$/.test(text) ? Number(text) : text;
}

/** An entry as the file would have it: what is empty is left to its default. @param {string} key @param {Entry} entry @returns {Entry} */
function meantEntry(key, entry) {
  /** @type {Entry} */
  const sent = {};
  for (const field of FIELDS[key] ?? []) {
    const value = entry[field.key];
    if (value === undefined || value === '') continue;
    const given = field.kind === 'list' && Array.isArray(value) ? value : meant(field.kind, value);
    if (given !== false || field.kind !== 'flag') sent[field.key] = given;
  }
  return sent;
}

/** What a draft means. @param {string} key @param {Shown} shown @param {string | boolean | Entry[]} value */
function valueOf(key, shown, value) {
  const kind = kindOf(key, shown);
  if (Array.isArray(value)) return value.map((entry) => meantEntry(key, entry));
  if (kind === 'text' && typeof shown.value === 'number') return meant('number', value);
  return meant(kind, value);
}

/** What is to be sent: each key that somebody wants otherwise; `null` is the default. @param {Keys} keys @param {Drafts} drafts */
export function changesOf(keys, drafts) {
  /** @type {Record<string, any>} */
  const changes = {};
  for (const [key, draft] of drafts) {
    const shown = keys[key];
    if (!shown || shown.fixed) continue;
    if ('back' in draft) {
      if (shown.source === 'page') changes[key] = null;
      continue;
    }
    const value = valueOf(key, shown, draft.value);
    const now = valueOf(key, shown, written(kindOf(key, shown), shown.value));
    // An empty list of cameras says more than none at all.
    const saysNone = key === 'camera' && shown.source === 'default' && Array.isArray(value);
    if (saysNone || JSON.stringify(value) !== JSON.stringify(now)) changes[key] = value;
  }
  return changes;
}

/** What stands in a key's field now. @param {Keys} keys @param {Drafts} drafts @param {string} key @returns {any} */
export function fieldOf(keys, drafts, key) {
  const shown = keys[key];
  if (!shown) return '';
  const draft = drafts.get(key);
  const kind = kindOf(key, shown);
  if (!draft) return kind === 'secret' ? '' : written(kind, shown.value);
  return 'back' in draft ? written(kind, shown.default) : draft.value;
}

/** Faults by the key beside which they stand: `room.name` is of the list `room`. @param {Keys} keys @param {{ key: string, problem: string, remedy: string }[]} faults */
export function faultsByKey(keys, faults) {
  /** @type {Record<string, { problem: string, remedy: string, field: string }[]>} */
  const found = {};
  for (const { key, problem, remedy } of faults) {
    const list = Object.keys(FIELDS).find((name) => key.startsWith(`${name}.`));
    const place = key in keys ? key : list ?? key;
    const field = place === key ? '' : key.slice(place.length + 1);
    (found[place] ??= []).push({ problem, remedy, field });
  }
  return found;
}

/** Why an address is announced: a word of the page. @param {{ ip: string, origin: string }} address */
export function reasonOf({ ip, origin }) {
  if (origin === 'configured') return 'written';
  if (origin === 'vpn') return 'ownVpn';
  if (/^169\.254\./.test(ip)) return 'ownLinkLocal';
  const isPrivate = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|127\.)/.test(ip) || /^f[cd]/i.test(ip) || ip === '::1';
  return isPrivate ? 'ownLan' : 'ownPublic';
}
