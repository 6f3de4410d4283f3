/**
 * One text for one value of JSON, whatever order its fields came in: RFC 8785 for values whose numbers are whole. That
 * is what is signed, since a database and a client may both reorder the fields of a report.
 * @throws RangeError for a number that is not a safe integer, which not every reader would write the same
 * @throws TypeError for what JSON can't say
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new RangeError('canonical JSON takes whole numbers up to 2^53 alone');
  }
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') {
    // Strings as ECMAScript writes them, and no -0.
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) {
    return `[${value.map(canonicalJson).join(',')}]`;
  }
  if (typeof value !== 'object') {
    throw new TypeError(`JSON has no ${typeof value}`);
  }
  const fields = Object.entries(value)
    // By UTF-16 code units, which is how JavaScript compares strings.
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`);
  return `{${fields.join(',')}}`;
}
