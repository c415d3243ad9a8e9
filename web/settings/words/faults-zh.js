// What is wrong with a setting, and what would be right, in Chinese. The box says both in English
// (src/config), in a fixed set of sentences; what stands in quotes, and numbers, stay as they are.
// web/test/faults.test.mjs holds this against all that the box's own tests know.

/** Sentences without parts. @type {Record<string, string>} */
const WHOLE = {
  'begins as an argon2 hash does and is none of argon2id': '开头像 argon2 散列，但不是 argon2id',
  'contains a control character': '含有控制字符',
  'does not say what it is': '没有说明是什么',
  'duplicate key': '重复了',
  'ends before it begins': '终点在起点之前',
  'has a transport, which STUN has not': '写了传输方式，而 STUN 没有',
  'has an odd side': '边长是奇数',
  'has an unknown transport': '传输方式不认识',
  'has no address': '没有地址',
  'has no partner': '缺少另一半',
  'has no port': '没有端口',
  'has no username': '没有用户名',
  'has port 0': '端口是 0',
  'has too long a prefix': '前缀太长',
  'has no form that a key has': '不是设置可以有的形式',
  'is a directory': '是文件夹',
  'is a relative path': '是相对路径',
  'is a value where a section is needed': '这里要一节，而不是一个值',
  'is a list of sections where one is needed': '这里只要一节，而不是一组',
  'is one section where a list of them is needed': '这里要一组，而不是一节',
  'is an address, and addresses are allowed without this': '是地址，而地址本来就允许',
  'is empty': '是空的',
  'is missing': '没有写',
  'is nowhere': '没有地方放',
  'is no key of the page': '不是本页的设置',
  'is no STUN or TURN address': '不是 STUN 或 TURN 地址',
  'is no address': '不是地址',
  'is no address that a client can connect to': '不是别人能连接的地址',
  'is no address with a port': '不是带端口的地址',
  'is no bit rate': '不是码率',
  'is no camera id': '不能作摄像头的标识',
  "is no element's name": '不是元件的名字',
  'is no filter': '不是日志过滤条件',
  'is no folder': '不是文件夹',
  'is no interface name': '不是网络接口的名字',
  'is no level': '不是日志级别',
  'is no name': '不能作名字',
  'is no origin': '不是来源',
  'is no range of ports': '不是端口范围',
  'is no section': '没有这一节',
  'is no size': '不是大小',
  'is no source of a content security policy': '不是内容安全策略的来源',
  'is no source of pictures': '不是画面来源',
  'is no source of sound': '不是声音来源',
  'is no time': '不是时长',
  'is no user with a password': '不是带密码的用户',
  'is not a key outside of sections': '要写在某一节里',
  'is not a known key': '没有这个设置',
  'is not one of the words known here': '不是这里认识的词',
  'is out of range': '超出范围',
  'is too long': '太长',
  'is what stands for a secret': '只是代表秘密的符号',
  'is written beside a credential': '不能和 credential 一起写',
  'is written twice': '写了两次',
  'mixes IPv4 and IPv6': '混用了 IPv4 和 IPv6',
  'names a TURN server without credentials': 'TURN 服务器没有凭据',
  'names no address': '没有写地址',
  'names no device': '没有写设备',
  'names no host, or a wrong port': '没有主机名，或端口不对',
  'names no server': '没有写服务器',
  'cannot be set by the page, which is kept in it': '本页就存在那里，不能在本页改',
  'change it there, or take it out there': '请在那里改，或从那里去掉',
  'name a PEM file with the certificate chain, and its key': '请写证书链的 PEM 文件和它的私钥文件',
  'name a PEM file that parlor may read': '请写 parlor 可以读的 PEM 文件',
  'name the folder that holds the page': '请写网页所在的文件夹',
  'write it in the file, or as --data': '请写在配置文件里，或用 --data',
  'GET lists those there are': '本页列出了所有设置',
  'give each camera an id of its own': '请给每个摄像头不同的标识',
  'give each service a port of its own': '请给每个服务不同的端口',
  'write at most 2, or widen media.ports': '最多写 2，或扩大 media.ports',
  'write both http.certificate and http.certificate_key, or neither': '请把 http.certificate 和 http.certificate_key 都写上，或都不写',
  'write credential (a fixed password) or secret (passwords that expire)': '请写 credential（固定密码）或 secret（会过期的密码）',
  "write either turn.relay_ports or coturn's min-port and max-port": '请只写 turn.relay_ports，或只写 min-port 和 max-port',
  'write even numbers, as encoders need them': '请写偶数，编码器需要',
  'write it from / on, or nothing for the default': '请从 / 开始写，或留空用默认值',
  'write it once': '请只写一次',
  'write one section for each room': '请给每个房间写一节',
  'write plain text': '请写普通文字',
  'write a realm, such as your domain': '请写一个 realm，例如你的域名',
  'write a path between quotes': '请写路径',
  'write text between quotes': '请写文字',
  'write text between quotes, or a list of it': '请写文字，或一组文字',
  'write a text, a number, true, false, or a list of texts': '请写文字、数字、true、false 或一组文字',
  'write the lower port as min-port': '请把小的端口写作 min-port',
  'write the lower port first': '请先写小的端口',
  'write the secret itself, which `parlor check` does not print': '请写秘密本身',
  'write true or false': '请写 true 或 false',
  'write two addresses of one family': '请写同一种（IPv4 或 IPv6）的两个地址',
  'write username and credential, or secret, beside it: browsers refuse a TURN server without': '请同时写 username 和 credential，或 secret：没有凭据的 TURN 服务器浏览器不接受',
  'write username beside it': '请同时写 username',
  'write an address, ADDRESS:PORT or a DNS name that clients can reach': '请写别人能连到的地址、ADDRESS:PORT 或域名',
};

/** What a sentence is made of, in the order in which it is tried. @type {[RegExp, string][]} */
const PARTS = [
  [/^is (?:a|an) (boolean|float|string|array|integer|table|datetime)$/, '类型不对（{1}）'],
  [/^it contains (.+), which is not allowed$/, '含有不允许的 {1}'],
  [/^is set by (.+)$/, '已由 {1} 设定'],
  [/^is more than the (\d+) of media\.ports$/, '比 media.ports 的 {1} 个还多'],
  [/^is the id of another camera too \((.+)\)$/, '另一个摄像头也用这个标识（{1}）'],
  [/^is the name of another room too \((.+)\)$/, '另一个房间也用这个名字（{1}）'],
  [/^takes (tcp|udp) port (\d+), which (.+) has already \((.+)\)$/, '{1} 端口 {2} 已被 {3} 占用（{4}）'],
  [/^makes the range (.+), which ends before it begins$/, '范围 {1} 的终点在起点之前'],
  [/^cannot be read: No such file or directory$/, '读不了：没有这个文件'],
  [/^cannot be read: Permission denied$/, '读不了：没有权限'],
  [/^cannot be read: (.+)$/, '读不了：{1}'],
  [/^did you mean (.+)\?$/, '是不是 {1}？'],
  [/^it is (.+) now$/, '现在叫 {1}'],
  [/^(\[.+\]) has (.+)$/, '{1} 里有 {2}'],
  [/^the sections are (.+)$/, '有这些节：{1}'],
  [/^write it below (.+)$/, '请写在 {1} 里'],
  [/^write (.+) and its keys below$/, '请写 {1}，下面写它的设置'],
  [/^write (?:a whole number, )?(\d+) to (\d+)(?: \(.+\))?$/, '请写 {1} 到 {2}'],
  [/^write (\d+) to (\d+) (?:bytes|bits a second)$/, '请写 {1} 到 {2}'],
  [/^write (\d+)s to (\d+)s$/, '请写 {1} 到 {2} 秒'],
  [/^write (\d+x\d+) to (\d+x\d+) pixels$/, '请写 {1} 到 {2} 像素'],
  [/^write (\d+) to (\d+) (?:letters|characters).*$/, '请写 {1} 到 {2} 个可用的字符'],
  [/^write at most (\d+) characters$/, '最多写 {1} 个字符'],
];

/** What is written as it is: in quotes, a range that has no unit, a number before a text. */
const EXAMPLE = /"[^"]*"|\d{4,}/g;

/** A fault or its remedy in Chinese; `null` where it is not known. @param {string} english @returns {string | null} */
export function faultZh(english) {
  const whole = WHOLE[english];
  if (whole !== undefined) return whole;
  for (const [pattern, chinese] of PARTS) {
    const found = pattern.exec(english);
    if (found) return chinese.replace(/\{(\d)\}/g, (_, part) => (found[Number(part)] ?? '').replaceAll(' or ', ' 或 '));
  }
  const examples = english.startsWith('write ') ? english.match(EXAMPLE) : null;
  if (!examples) return null;
  // Nothing but these words will do, or they are examples of what will.
  const isChoice = /^write ("[^"]*"( or )?)+$/.test(english);
  return `${isChoice ? '请写' : '请写成例如'} ${examples.join(' 或 ')}`;
}
