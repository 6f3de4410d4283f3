/**
 * PostgreSQL's text form of arrays (PostgreSQL documentation, "Array Input and Output Syntax"). The driver can make it
 * too, value by value through a chain of type checks; with some 45 values an event that was most of the worker's time.
 */

const NEEDS_ESCAPE = /["\\]/;
const ESCAPED = /["\\]/g;

/** Quotes every text, so that nothing in it can be taken for syntax, nor the text NULL for a null. */
export function textArray(values: ReadonlyArray<string | null>): string {
  let literal = '';
  for (const value of values) {
    if (value === null) {
      literal += ',NULL';
    } else {
      literal += `,"${NEEDS_ESCAPE.test(value) ? value.replace(ESCAPED, '\\$&') : value}"`;
    }
  }
  return `{${literal.slice(1)}}`;
}

/** For numbers, and for texts that are numbers or UUIDs of our own making. */
export function plainArray(values: ReadonlyArray<string | number | null>): string {
  let literal = '';
  for (const value of values) {
    literal += value === null ? ',NULL' : `,${value}`;
  }
  return `{${literal.slice(1)}}`;
}
