// Addresses in a text. Pure.

/**
 * The text in parts; every second one, beginning with the second, is an http(s) address. Marks at its end
 * are the sentence's, and so is a bracket that it has not opened.
 * @param {string} text
 * @returns {string[]}
 */
export function withAddresses(text) {
  const parts = text.split(/(https?:\/\/[^\s<>"'，。；：！？、（）「」《》]+)/);
  for (let index = 1; index < parts.length; index += 2) {
    const found = parts[index] ?? '';
    let end = found.length;
    while (/[.,;:!?]/.test(found[end - 1] ?? '') || (found[end - 1] === ')' && !found.slice(0, end).includes('('))) end -= 1;
    parts[index] = found.slice(0, end);
    parts[index + 1] = found.slice(end) + (parts[index + 1] ?? '');
  }
  return parts;
}
