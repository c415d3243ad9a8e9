import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { faultZh } from '../settings/words/faults-zh.js';

const FOLDER = new URL('../../tests/config/invalid/', import.meta.url);

/** What the box says of configurations that are wrong, one fault a line: `SOURCE: KEY = VALUE: problem; remedy`. */
function faults() {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.expected'));
  const lines = files.flatMap((name) => readFileSync(new URL(name, FOLDER), 'utf8').split('\n'));
  return lines.filter((line) => line.includes('; ') && !isOfToml(line)).map((line) => {
    const [rest, remedy] = cut(line, '; ');
    const unreadable = /cannot be read: .+$/.exec(rest)?.[0];
    return { problem: unreadable ?? cut(rest, ': ')[1], remedy };
  });
}

/** At the last one; what stands in a value is not meant. @param {string} text @param {string} at */
function cut(text, at) {
  const index = text.lastIndexOf(at);
  return [text.slice(0, index), text.slice(index + at.length)];
}

/** Faults of the file's form: the page writes no file. @param {string} line */
const isOfToml = (line) => /invalid basic string|string values must be quoted|KEY = VALUE/.test(line);

test('every fault that the box is known to tell has its Chinese words', () => {
  const all = faults();
  assert.ok(all.length > 80, `only ${all.length} faults found`);
  const untold = new Set();
  for (const { problem, remedy } of all) {
    for (const text of [problem, remedy]) if (!/[\u4e00-\u9fff]/.test(faultZh(text) ?? '')) untold.add(text);
  }
  assert.deepEqual([...untold], []);
});

test('what stands in quotes stays, and what is not known is no guess', () => {
  assert.equal(faultZh('write "auto" or "never" or "only"'), '请写 "auto" 或 "never" 或 "only"');
  assert.equal(faultZh('write 1 to 64 (speakers)'), '请写 1 到 64');
  assert.equal(faultZh('write one such as "eth0", or a glob: "docker*"')?.includes('"eth0"'), true);
  assert.equal(faultZh('takes tcp port 443, which http.listen = "x" has already (default)'), 'tcp 端口 443 已被 http.listen = "x" 占用（default）');
  assert.equal(faultZh('something else'), null);
});
