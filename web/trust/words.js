// What the page about trust says, in both languages. Menus are called as the systems call them.

import { filled, language } from '../shared/i18n/index.js';

const en = {
  title: 'Trust this box',
  theme: 'Dark or light',
  why: 'The box vouches for itself. Once your device trusts it, the warning is gone, and camera and microphone work.',
  promise: 'Its authority can vouch for private addresses and local names ({domains}) only: never for a site of the internet.',
  checking: 'Looking whether this browser trusts the box…',
  trusted: 'This browser trusts the box: trusted.',
  untrusted: 'This browser does not trust the box yet.',
  untrustedExcepted: 'You have passed over the warning, and the browser does not trust the box yet. That is enough to look around; calls may fail.',
  given: 'The box has a certificate that browsers know already. There is nothing to do.',
  check: 'Check again',
  goOn: 'Go on to the box',
  getCertificate: 'Get the certificate (parlor-ca.crt)',
  getProfile: 'Get the profile (parlor.mobileconfig)',
  fingerprint: 'SHA-256 fingerprint of “{authority}”, to compare with what the box’s settings show:',
  phone: 'On a phone or tablet',
  phoneWhy: 'Scan this with its camera: the page opens there.',
  phoneQr: 'QR code of {url}',
  system_ios: 'iPhone and iPad', system_android: 'Android', system_windows: 'Windows', system_macos: 'Mac', system_linux: 'Linux', system_firefox: 'Firefox, on any computer',
  ios1: 'In Safari, get the profile above and tap Allow.',
  ios2: 'Open Settings, tap “Profile Downloaded”, then Install.',
  ios3: 'In Settings › General › About › Certificate Trust Settings, switch “{authority}” on.',
  android1: 'Get the certificate above.',
  android2: 'In Settings, look for “CA certificate” (Security › Encryption & credentials › Install a certificate) and choose “Install anyway”.',
  android3: 'Choose parlor-ca.crt. Firefox for Android also wants: Settings › About Firefox, tap the logo five times, then Secret settings › Use third party CA certificates.',
  windows1: 'Get the certificate above, open it and press “Install Certificate…”.',
  windows2: 'Choose “Current User” (or “Local Machine” for all users).',
  windows3: 'Choose “Place all certificates in the following store”, then “Trusted Root Certification Authorities”, and finish. Restart the browser.',
  macos1: 'Get the certificate above and open it: it goes into Keychain Access, keychain “login”.',
  macos2: 'Double-click “{authority}” there.',
  macos3: 'Open Trust and choose “Always Trust”; close the window and type your password.',
  linux1: 'In Chrome or Chromium, get the certificate above and open chrome://certificate-manager (Custom › Installed by you, or Authorities), then Import.',
  linux2: 'Choose parlor-ca.crt and let it vouch for web sites.',
  linux3: 'Or do the same by this command (package libnss3-tools):',
  firefox1: 'Get the certificate above; open Settings › Privacy & Security › Certificates › View Certificates.',
  firefox2: 'In Authorities, press Import and choose parlor-ca.crt.',
  firefox3: 'Tick “Trust this CA to identify websites”.',
  allow: 'Allow', iosSettings: 'Settings', iosProfile: 'Profile Downloaded', iosGeneral: 'General', iosAbout: 'About', iosTrustSettings: 'Certificate Trust Settings',
  androidSecurity: 'Security', androidCredentials: 'Encryption & credentials', androidInstall: 'Install a certificate', androidCa: 'CA certificate', androidDownloads: 'Downloads',
  windowsInstall: 'Install Certificate…', windowsWizard: 'Certificate Import Wizard', windowsUser: 'Current User', windowsMachine: 'Local Machine', windowsStore: 'Certificate Store', windowsRoot: 'Trusted Root Certification Authorities',
  macosKeychain: 'Keychain Access', macosLogin: 'login', macosSystem: 'System', macosTrust: 'Trust', macosUsing: 'When using this certificate', macosAlways: 'Always Trust',
  chromeImport: 'Import', chromeTitle: 'Certificate authority', chromeSites: 'Trust this certificate for identifying websites', terminal: 'Terminal',
  ffSettings: 'Settings', ffPrivacy: 'Privacy & Security', ffView: 'View Certificates…', ffAuthorities: 'Authorities', ffImport: 'Import…', ffTrust: 'Trust this CA to identify websites.',
};

/** @type {Record<keyof typeof en, string>} */
const zh = {
  title: '信任这台设备',
  theme: '深色或浅色',
  why: '这台设备自己担保自己。你的手机或电脑信任它一次以后，警告就没有了，摄像头和麦克风也能用。',
  promise: '它只能为内网地址和本地名字（{domains}）担保，绝不能为互联网上的网站担保。',
  checking: '正在看这个浏览器是否信任这台设备…',
  trusted: '这个浏览器信任这台设备：已信任。',
  untrusted: '这个浏览器还不信任这台设备。',
  untrustedExcepted: '你跳过了警告，但浏览器还不信任这台设备。看看可以，通话可能不行。',
  given: '这台设备的证书浏览器本来就认识，什么都不用做。',
  check: '再检查一次',
  goOn: '去这台设备',
  getCertificate: '下载证书（parlor-ca.crt）',
  getProfile: '下载描述文件（parlor.mobileconfig）',
  fingerprint: '“{authority}”的 SHA-256 指纹，可以和设备设置里显示的比较：',
  phone: '在手机或平板上',
  phoneWhy: '用它的相机扫这个码，页面就在那里打开。',
  phoneQr: '{url} 的二维码',
  system_ios: 'iPhone 和 iPad', system_android: '安卓', system_windows: 'Windows', system_macos: 'Mac', system_linux: 'Linux', system_firefox: '任何电脑上的 Firefox',
  ios1: '在 Safari 里下载上面的描述文件，点“允许”。',
  ios2: '打开“设置”，点“已下载描述文件”，再点“安装”。',
  ios3: '在“设置”›“通用”›“关于本机”›“证书信任设置”里，打开“{authority}”。',
  android1: '下载上面的证书。',
  android2: '在“设置”里找“CA 证书”（安全 › 加密与凭据 › 安装证书），选“仍然安装”。',
  android3: '选 parlor-ca.crt。安卓版 Firefox 还要：设置 › 关于 Firefox，连点标志五次，再到“秘密设置”›“使用第三方 CA 证书”。',
  windows1: '下载上面的证书，打开它，按“安装证书…”。',
  windows2: '选“当前用户”（给所有用户就选“本地计算机”）。',
  windows3: '选“将所有的证书都放入下列存储”，再选“受信任的根证书颁发机构”，完成后重启浏览器。',
  macos1: '下载上面的证书并打开：它会进入“钥匙串访问”的“登录”钥匙串。',
  macos2: '在那里双击“{authority}”。',
  macos3: '展开“信任”，选“始终信任”；关闭窗口并输入密码。',
  linux1: '在 Chrome 或 Chromium 里下载上面的证书，打开 chrome://certificate-manager（自定义 › 由您安装，或“授权机构”），按“导入”。',
  linux2: '选 parlor-ca.crt，让它为网站担保。',
  linux3: '或者用这条命令（软件包 libnss3-tools）：',
  firefox1: '下载上面的证书；打开“设置”›“隐私与安全”›“证书”›“查看证书”。',
  firefox2: '在“证书颁发机构”里按“导入”，选 parlor-ca.crt。',
  firefox3: '勾选“信任由此证书颁发机构来标识网站”。',
  allow: '允许', iosSettings: '设置', iosProfile: '已下载描述文件', iosGeneral: '通用', iosAbout: '关于本机', iosTrustSettings: '证书信任设置',
  androidSecurity: '安全', androidCredentials: '加密与凭据', androidInstall: '安装证书', androidCa: 'CA 证书', androidDownloads: '下载',
  windowsInstall: '安装证书…', windowsWizard: '证书导入向导', windowsUser: '当前用户', windowsMachine: '本地计算机', windowsStore: '证书存储', windowsRoot: '受信任的根证书颁发机构',
  macosKeychain: '钥匙串访问', macosLogin: '登录', macosSystem: '系统', macosTrust: '信任', macosUsing: '使用此证书时', macosAlways: '始终信任',
  chromeImport: '导入', chromeTitle: '证书颁发机构', chromeSites: '信任此证书以标识网站', terminal: '终端',
  ffSettings: '设置', ffPrivacy: '隐私与安全', ffView: '查看证书…', ffAuthorities: '证书颁发机构', ffImport: '导入…', ffTrust: '信任由此证书颁发机构来标识网站。',
};

export const words = { en, zh };

/** @typedef {keyof typeof en} Word */

/** @param {string} key @returns {key is Word} */
export const isWord = (key) => Object.hasOwn(en, key);

/** A sentence; what it names is another word, or given. @param {Word} key @param {Record<string, string>} [params] */
export const say = (key, params = {}) => fill((language() === 'en' ? en : zh)[key], params);

/** @param {string} text @param {Record<string, string>} params @returns {string} */
export function fill(text, params) {
  const named = [...text.matchAll(/\{(\w+)\}/g)].flatMap(([, name = '']) => (isWord(name) ? [[name, say(name)]] : []));
  return filled(text, { ...Object.fromEntries(named), ...params });
}
