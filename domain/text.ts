/** What makes a text one that a VARCHAR column keeps faithfully. */

const { charCodeAt, includes, isWellFormed } = String.prototype;

/**
 * The UTF-16 unit at an index; NaN behind the end. The method is not looked up on each text: once the engine has seen
 * texts of many kinds (flat, sliced, known by name), it no longer remembers where it found it, and a unit costs five times
 * as much.
 */
export const unitAt = (text: string, index: number): number => charCodeAt.call(text, index);

/**
 * Number of characters as PostgreSQL counts them. UTF-16 units count an emoji twice, so this is only asked for when
 * `length` is over a limit.
 */
export function codePoints(text: string): number {
  let count = text.length;
  for (let i = 1; i < text.length; i++) {
    if (isLow(unitAt(text, i)) && isHigh(unitAt(text, i - 1))) count--;
  }
  return count;
}

/** Whether the text has more than `limit` characters, found out without looking at the whole of a huge one. */
export function isLongerThan(text: string, limit: number): boolean {
  return text.length > limit && (text.length > 2 * limit || codePoints(text) > limit);
}

/**
 * Whether PostgreSQL keeps the text as it is: it refuses NUL, and a lone surrogate has no UTF-8 form, so that a client
 * would send U+FFFD in its place. A U+FFFD itself is a character like any other: bytes that are not UTF-8 and merely
 * show as U+FFFD are told apart where the bytes still are, in the decoder.
 */
export function isStorable(text: string): boolean {
  return isWellFormed.call(text) && !includes.call(text, '\0');
}

/** The text as PostgreSQL can keep it: with U+FFFD for what it can't. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\u{fffd}');
}

function isHigh(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

function isLow(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
