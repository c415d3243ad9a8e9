// What the owner's page asks of the box.

import { Refused, ask } from '../shared/box.js';

/**
 * @typedef {import('./model.js').Keys} Keys
 * @typedef {{ keys: Keys, tag: string }} Settings
 * @typedef {{ key: string, problem: string, remedy: string, line: string }} Fault
 */

/** The box takes nothing of it: these are the faults, all of them. */
export class Faulty extends Error {
  /** @param {Fault[]} faults */
  constructor(faults) {
    super('faults');
    this.faults = faults;
  }
}

/** @param {RequestInit} request @returns {Promise<Settings>} */
async function settings(request) {
  const answer = await fetch('/api/v1/settings', { cache: 'no-store', ...request });
  const value = await answer.json().catch(() => null);
  if (answer.ok) return { keys: value, tag: answer.headers.get('etag') ?? '' };
  if (answer.status === 422 && Array.isArray(value?.faults)) throw new Faulty(value.faults);
  throw new Refused(value?.code ?? 'internal', value?.detail ?? answer.statusText);
}

export const readSettings = () => settings({});

/** All of it or nothing, and only if nobody else has changed anything. @param {Record<string, any>} changes @param {string} tag */
export const writeSettings = (changes, tag) => settings({
  method: 'PATCH',
  headers: { 'Content-Type': 'application/json', 'If-Match': tag },
  body: JSON.stringify(changes),
});

/** What stands beside the settings; what cannot be had is null. */
export async function readRest() {
  const paths = ['addresses', 'people', 'invites', 'certificate', 'audit', 'about'];
  const answers = await Promise.allSettled(paths.map((path) => ask('GET', `/api/v1/${path}`)));
  return Object.fromEntries(paths.map((path, index) => {
    const answer = answers[index];
    return [path, answer?.status === 'fulfilled' ? answer.value : null];
  }));
}
