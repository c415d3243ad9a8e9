// Who is on the first page: tiles that speak come forward where there are more than fit, and nobody else
// moves. Pure.

/**
 * The keys of tiles in the order in which they are placed. Whoever speaks on a further page changes places
 * with whoever was silent for longest on the first.
 * @param {string[]} keys as they were placed last, oneself at the end
 * @param {number} onFirst how many of them the first page shows, oneself not counted
 * @param {Set<string>} speaking
 * @param {(key: string) => number} spokeAt when a tile spoke last; 0 is never
 * @returns {string[]}
 */
export function forward(keys, onFirst, speaking, spokeAt) {
  const order = [...keys];
  for (let index = onFirst; index < order.length - 1; index += 1) {
    const key = order[index];
    if (key === undefined || !speaking.has(key)) continue;
    const silent = order.slice(0, onFirst).filter((other) => !speaking.has(other));
    const [longest] = silent.sort((one, other) => spokeAt(one) - spokeAt(other));
    if (longest === undefined) return order;
    order[order.indexOf(longest)] = key;
    order[index] = longest;
  }
  return order;
}

/**
 * The tiles that are there now in the order that was: who has gone is out, who is new is behind the
 * others, and the last is the last.
 * @param {string[]} before
 * @param {string[]} now
 * @returns {string[]}
 */
export function carriedOn(before, now) {
  const there = new Set(now);
  const last = now.at(-1);
  const kept = before.filter((key) => there.has(key) && key !== last);
  const fresh = now.filter((key) => !before.includes(key) && key !== last);
  return [...kept, ...fresh, ...(last === undefined ? [] : [last])];
}
