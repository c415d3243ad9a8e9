// A scene's checks: each prints one line with its time, and the others run all the same.

/**
 * @typedef {object} Summary
 * @property {{ what: string, ok: boolean, detail: unknown }[]} checks
 */

/**
 * @param {Record<string, unknown>} [more] to be in the summary as well
 */
export function checklist(more = {}) {
  /** @type {Summary & Record<string, unknown>} */
  const summary = { ...more, checks: [] };

  /**
   * Runs one check; what it resolves to is printed behind its name.
   * @param {string} what
   * @param {() => unknown} run
   */
  async function check(what, run) {
    const started = performance.now();
    try {
      const detail = await run();
      summary.checks.push({ what, ok: true, detail });
      console.log(`ok    ${what}${detail === undefined ? '' : ` (${JSON.stringify(detail)})`} ${Math.round(performance.now() - started)} ms`);
      return true;
    } catch (error) {
      summary.checks.push({ what, ok: false, detail: String(error.message) });
      console.log(`FAIL  ${what}: ${error.message}`);
      return false;
    }
  }

  /** Prints the summary; the exit code is 1 if any check failed, or none was made. */
  function finish() {
    console.log(JSON.stringify(summary));
    const good = summary.checks.length > 0 && summary.checks.every(({ ok }) => ok);
    if (!good) process.exitCode = 1;
  }

  return { summary, check, finish };
}
