// The page keeps the house's rule on functions: none over 70 lines (tests/tidy.rs holds the rest).

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

const MAX_LINES = 70;

/** `FILE:LINE: name has N lines` for every function of a script that is too long. */
function tooLong(path, text) {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
  const line = (position) => file.getLineAndCharacterOfPosition(position).line + 1;
  const faults = [];
  const visit = (node) => {
    if (ts.isFunctionLike(node)) {
      const nLines = line(node.end) - line(node.getStart()) + 1;
      const name = node.name?.getText() ?? 'a function';
      if (nLines > MAX_LINES) faults.push(`${path}:${line(node.getStart())}: ${name} has ${nLines} lines`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return faults;
}

test('a function of 70 lines is taken, one of 71 is not', () => {
  const body = (nLines) => `function f() {\n${'  g();\n'.repeat(nLines - 2)}}\n`;
  assert.deepEqual(tooLong('a.js', body(70)), []);
  assert.equal(tooLong('a.js', body(71)).length, 1);
  assert.equal(tooLong('a.js', `const f = () => {\n${body(71)}};\n`).length, 2);
});

test('no function of the page is too long', () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const paths = readdirSync(root, { recursive: true })
    .map(String)
    .filter((path) => /\.m?js$/.test(path) && !path.startsWith('node_modules'));
  assert.ok(paths.length > 5, `only ${paths.length} scripts found`);
  assert.deepEqual(paths.flatMap((path) => tooLong(path, readFileSync(root + path, 'utf8'))), []);
});
