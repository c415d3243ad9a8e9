// Network namespaces of a scene's own, and cables between them. Needs root and ip(8).

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { CHROMIUM, until } from './page.mjs';

const PREFIX_LEN = 24;

export const ip = (words) => execFileSync('ip', words.split(' '), { stdio: ['ignore', 'pipe', 'pipe'] });

/** @type {string[]} */
const made = [];

/** Makes a namespace; its loopback is up. @param {string} role @returns {string} its name */
function namespace(role) {
  const name = `parlor-${role}-${process.pid}`;
  ip(`netns add ${name}`);
  made.push(name);
  ip(`-n ${name} link set lo up`);
  return name;
}

/**
 * Namespaces for these roles, or why there are none to be had. They are removed when this process ends,
 * however it ends; their interfaces go with them.
 * @template {string} Role
 * @param {Role[]} roles
 * @returns {{ namespaces: Record<Role, string> } | { why: string }}
 */
export function makeNamespaces(roles) {
  if (process.getuid?.() !== 0) return { why: 'it needs root' };
  try {
    ip('-V');
  } catch {
    return { why: 'ip(8) is not here' };
  }
  // Before anything else is done about the end.
  process.on('exit', () => {
    for (const name of made) {
      try {
        ip(`netns delete ${name}`);
      } catch {
        // It is gone already.
      }
    }
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
  try {
    return { namespaces: Object.fromEntries(roles.map((role) => [role, namespace(role)])) };
  } catch (error) {
    return { why: `no network namespace to be had: ${String(error.stderr ?? error).trim()}` };
  }
}

/**
 * A cable between two namespaces, that stands: Chromium gives up what it loads when an address comes.
 * @param {{ namespace: string, device: string, address: string }[]} ends two of them
 */
export async function cable(ends) {
  const [one, other] = ends;
  ip(`-n ${one.namespace} link add ${one.device} type veth peer name ${other.device} netns ${other.namespace}`);
  for (const { namespace, device, address } of ends) {
    ip(`-n ${namespace} link set ${device} addrgenmode none`); // IPv6's own address would come a second later
    ip(`-n ${namespace} address add ${address}/${PREFIX_LEN} dev ${device}`);
    ip(`-n ${namespace} link set ${device} up`);
  }
  for (const { namespace, device } of ends) {
    await until('the cable is in', () => ip(`-n ${namespace} link show ${device}`).toString(), (shown) => shown.includes('state UP'));
  }
}

/**
 * A script that starts Chromium in a namespace, it alone: playwright speaks to it by a pipe.
 * @param {string} namespace
 * @param {string[]} words further ones for Chromium, quoted for a shell
 */
export function chromiumIn(namespace, words = []) {
  const folder = mkdtempSync(path.join(tmpdir(), 'parlor-namespace-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'chromium');
  writeFileSync(file, `#!/bin/sh\nexec ip netns exec ${namespace} ${CHROMIUM} ${words.join(' ')} "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}
