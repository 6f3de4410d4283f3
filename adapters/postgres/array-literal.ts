/**
 * PostgreSQL's text form of arrays (PostgreSQL documentation, "Array Input and Output Syntax"). The driver can make it
 * too, value by value through a chain of type checks; with some 45 values an event that was most of the worker's time.
 */

const NEEDS_ESCAPE = /["\\]/;
const ESCAPED = /["\\]/g;

/** Quotes every text, so that nothing in it can be taken for syntax, nor the text NULL for a null. */
export function textArray(values: ReadonlyArray<string | null>): string {
  if (values.length === 0) {
    return '{}';
  }
  // One look at a whole column costs less than one at each of its values, and hardly any needs escaping.
  const plain = !NEEDS_ESCAPE.test(values.join(''));
  if (plain && !values.includes(null)) {
    return `{"${values.join('","')}"}`;
  }
  let literal = '';
  for (const value of values) {
    if (value === null) {
      literal += ',NULL';
    } else {
      literal += `,"${plain ? value : value.replace(ESCAPED, '\\$&')}"`;
    }
  }
  return `{${literal.slice(1)}}`;
}

/** For numbers, and for texts that are numbers or UUIDs of our own making. */
export function plainArray(values: ReadonlyArray<string | number | null>): string {
  const filled = values.includes(null) ? values.map((value) => value ?? 'NULL') : values;
  return `{${filled.join(',')}}`;
}
