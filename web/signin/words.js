// What the pages for signing in and set-up say, in both languages.

import { filled, language } from '../shared/i18n/index.js';

const en = {
  signIn: 'Sign in',
  signedIn: 'Signed in',
  setUpTitle: 'Set up this box',
  setUpWhy: 'The box has no owner yet. Its set-up code stands in its log and on its console.',
  setUpCode: 'Set-up code',
  setUp: 'Set up',
  name: 'Name',
  yourName: 'Your name',
  password: 'Password',
  passwordAgain: 'Password again',
  notTheSame: 'The two passwords are not the same.',
  toRooms: 'To the rooms',
  toSettings: 'To the settings',
  ownerOnly: 'The settings are the owner’s. Sign out, and in again as an owner, to change them.',
  signOut: 'Sign out',
  signOutAll: 'Sign out everywhere',
  theme: 'Dark or light',
  whoOwner: 'You are signed in as {name}, owner of this box.',
  whoUser: 'You are signed in as {name}.',
  whoInvited: 'You are invited to the room {room}.',
  whoGuest: 'You are a guest of this box. With an account you can do more.',
  unreachable: 'The box does not answer. Try again in a moment.',
  'password-wrong': 'The name or the password is wrong.',
  'setup-code-wrong': 'The set-up code is wrong. The box prints it when it starts.',
  'already-set-up': 'This box has an owner already. Sign in instead.',
  'invite-invalid': 'The invite was not made by this box, or a part of the link is missing.',
  'invite-void': 'The invite has been withdrawn. Ask for a new one.',
  'invite-early': 'The invite is not good yet. Come back later.',
  'invite-expired': 'The invite has expired. Ask for a new one.',
  'invite-used-up': 'The invite has been used as often as it may be. Ask for a new one.',
  'local-token-wrong': 'This link to the box is not right. Open the one that parlor printed when it started.',
  'rate-limited': 'Too many tries. Wait a moment, then try again.',
  'store-unavailable': 'The box cannot read or write its accounts just now. Its log says why.',
  machine: 'You come from the box itself. Open the link with #local= that parlor printed when it started, sign in, or ask for an invite.',
  container: 'You come from a container on the box, which does not count as its local network. Sign in, or ask for an invite.',
  forwarder: 'You come by a port forwarder, which does not count as the local network. Sign in, or ask for an invite.',
  proxy: 'You come by a proxy that does not say for whom it speaks. Sign in, or ask for an invite.',
  outside: 'You are not on this box’s local network. Sign in, or ask for an invite.',
  lan: 'This box takes no guests. Sign in, or ask for an invite.',
};

/** @type {Record<keyof typeof en, string>} */
const zh = {
  signIn: '登录',
  signedIn: '已登录',
  setUpTitle: '设置这台设备',
  setUpWhy: '这台设备还没有主人。设置码在它的日志和控制台里。',
  setUpCode: '设置码',
  setUp: '完成设置',
  name: '名字',
  yourName: '你的名字',
  password: '密码',
  passwordAgain: '再输一次密码',
  notTheSame: '两次输入的密码不一样。',
  toRooms: '去房间',
  toSettings: '去设置',
  ownerOnly: '设置只有主人能改。要改就先退出，再以主人的身份登录。',
  signOut: '退出登录',
  signOutAll: '在所有设备上退出',
  theme: '深色或浅色',
  whoOwner: '你已登录为{name}，是这台设备的主人。',
  whoUser: '你已登录为{name}。',
  whoInvited: '你被邀请到房间{room}。',
  whoGuest: '你是这台设备的访客。有账号可以做更多。',
  unreachable: '设备没有回应，请稍后再试。',
  'password-wrong': '名字或密码不对。',
  'setup-code-wrong': '设置码不对。设备启动时会显示它。',
  'already-set-up': '这台设备已经有主人了，请直接登录。',
  'invite-invalid': '这个邀请不是这台设备发出的，或者链接不完整。',
  'invite-void': '这个邀请已被撤回，请再要一个。',
  'invite-early': '这个邀请还没有生效，请晚些再来。',
  'invite-expired': '这个邀请已经过期，请再要一个。',
  'invite-used-up': '这个邀请的使用次数已满，请再要一个。',
  'local-token-wrong': '这个本机链接不对。请打开 parlor 启动时显示的那一个。',
  'rate-limited': '尝试太多次了，请稍等再试。',
  'store-unavailable': '设备现在无法读写账号，原因在它的日志里。',
  machine: '你从设备自己连过来。请打开 parlor 启动时显示的带 #local= 的链接，或者登录，或者要一个邀请。',
  container: '你从设备上的容器连过来，这不算本地网络。请登录，或者要一个邀请。',
  forwarder: '你经过端口转发连过来，这不算本地网络。请登录，或者要一个邀请。',
  proxy: '你经过代理连过来，而它没有说明是谁。请登录，或者要一个邀请。',
  outside: '你不在这台设备的本地网络里。请登录，或者要一个邀请。',
  lan: '这台设备不接受访客。请登录，或者要一个邀请。',
};

export const words = { en, zh };

/** @typedef {keyof typeof en} Word */

/** @param {string} key @returns {key is Word} */
export const isWord = (key) => Object.hasOwn(en, key);

/** @param {Word} key @param {Record<string, string>} [params] */
export const say = (key, params = {}) => filled((language() === 'en' ? en : zh)[key], params);

/** Writes the sentences that the page's own elements name. */
export function localizeWords() {
  for (const element of document.querySelectorAll('[data-w]')) {
    const key = element.getAttribute('data-w') ?? '';
    if (isWord(key)) element.textContent = say(key);
  }
  for (const element of document.querySelectorAll('[data-w-label]')) {
    const key = element.getAttribute('data-w-label') ?? '';
    if (isWord(key)) element.setAttribute('aria-label', say(key));
  }
}
