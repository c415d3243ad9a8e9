// What of lit-html 3.3.3 the pages use. The file beside it is as its makers ship it.

/** A piece of a page, not yet drawn. */
export type Template = { _$litType$: number };
export function html(strings: TemplateStringsArray, ...values: unknown[]): Template;
export function render(value: unknown, container: HTMLElement): void;
/** Draws nothing; an attribute with it is not there. */
export const nothing: unique symbol;
