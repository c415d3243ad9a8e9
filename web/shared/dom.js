// Finding and making elements, with types. No state.

/**
 * The element with this id; throws where the page lacks it or it is of another kind.
 * @template {Element} T
 * @param {string} id
 * @param {new (...args: any[]) => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page lacks ${kind.name} #${id}`);
  return element;
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {{ class?: string, text?: string, [attribute: string]: string | undefined }} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    if (name === 'text') element.textContent = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * An icon of the sprite.
 * @param {string} name
 * @param {string} [kind] a further class
 */
export function icon(name, kind = '') {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', `icon ${kind}`.trim());
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `/shared/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/**
 * Writes only what differs, so that screen readers and layout are not troubled.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * @param {HTMLElement} element
 * @param {boolean} shown
 */
export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

/**
 * A select box with these options; the chosen one stays chosen where it is still there.
 * @param {HTMLSelectElement} select
 * @param {{ value: string, label: string }[]} options
 * @param {string} chosen
 */
export function setOptions(select, options, chosen) {
  const same = select.options.length === options.length
    && options.every(({ value, label }, index) => {
      const option = select.options[index];
      return option?.value === value && option.label === label;
    });
  if (!same) select.replaceChildren(...options.map(({ value, label }) => make('option', { value, text: label })));
  const value = options.some((option) => option.value === chosen) ? chosen : (options[0]?.value ?? '');
  if (select.value !== value) select.value = value;
}
