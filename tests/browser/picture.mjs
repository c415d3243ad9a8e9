// What somebody sees of another member, frame by frame: heights, gaps, freezes, and the sound beside it.

/** In the page: follows the picture in a member's tile. */
function follow(name) {
  const tile = document.querySelector(`parlor-tile[aria-label="${name}"]`);
  const video = tile.querySelector('video');
  const follower = { name, height: 0, heights: [], frames: 0, longestGapMs: 0, gaps: [], last: performance.now() };
  window.follower = follower;
  const each = (now, { height }) => {
    const gap = now - follower.last;
    follower.last = now;
    follower.frames += 1;
    follower.longestGapMs = Math.max(follower.longestGapMs, gap);
    if (gap > 500) follower.gaps.push(Math.round(gap));
    follower.height = height;
    if (follower.heights.at(-1) !== height) follower.heights.push(height);
    video.requestVideoFrameCallback(each);
  };
  video.requestVideoFrameCallback(each);
}

/** In the page: totals of the connection's counters for the followed member. */
async function totals() {
  const { state, down } = window.parlor;
  const member = state.members.find(({ name }) => name === window.follower.name);
  const of = {};
  for (const stats of (await down.getStats()).values()) {
    const shown = stats.type === 'inbound-rtp' ? state.mids[stats.mid] : undefined;
    if (shown?.member !== member.id || (stats.kind === 'video' && shown.source !== 'camera')) continue;
    of[stats.kind] = stats;
  }
  const { video = {}, audio = {} } = of;
  return {
    decoded: video.framesDecoded ?? 0,
    dropped: video.framesDropped ?? 0,
    keyframes: video.keyFramesDecoded ?? 0,
    freezes: video.freezeCount ?? 0,
    frozenMs: Math.round(1000 * (video.totalFreezesDuration ?? 0)),
    kilobytes: Math.round((video.bytesReceived ?? 0) / 1000),
    lost: video.packetsLost ?? 0,
    again: video.retransmittedPacketsReceived ?? 0,
    nacks: video.nackCount ?? 0,
    plis: video.pliCount ?? 0,
    samples: audio.totalSamplesReceived ?? 0,
    concealedSamples: audio.concealedSamples ?? 0,
    silent: audio.silentConcealedSamples ?? 0,
  };
}

/** Shows a member large and follows its picture; {@link mark} begins to count. */
export async function look(page, name) {
  await page.getByRole('group', { name, exact: true }).dblclick();
  await page.evaluate(follow, name);
  await mark(page);
}

/** Counts from here on. */
export async function mark(page) {
  const before = await page.evaluate(totals);
  await page.evaluate((since) => {
    Object.assign(window.follower, {
      since, at: performance.now(), frames: 0, longestGapMs: 0, gaps: [], heights: [window.follower.height].filter(Boolean),
    });
  }, before);
}

/** What was seen since the mark. A gap that is not over yet counts as far as it has come. */
export async function seen(page) {
  const now = await page.evaluate(totals);
  return page.evaluate((sums) => {
    const { since, at, frames, longestGapMs, gaps, height, heights, last } = window.follower;
    const grown = Object.fromEntries(Object.entries(sums).map(([key, value]) => [key, value - since[key]]));
    const { samples, concealedSamples, silent, ...rest } = grown;
    return {
      ms: Math.round(performance.now() - at), height, heights, frames,
      longestGapMs: Math.round(Math.max(longestGapMs, performance.now() - last)), gaps, ...rest,
      // The samples that were made up, as a share; those for silence beside loss are heard by nobody.
      soundMs: Math.round(samples / 48), concealed: samples > 0 ? Number((concealedSamples / samples).toFixed(4)) : null,
      silent: samples > 0 ? Number((silent / samples).toFixed(4)) : null,
    };
  }, now);
}
