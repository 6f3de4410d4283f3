/** RFC 4180: where rows end, and their cells. A quote inside a cell that does not begin with one is text. */
import { type FindEnd, LINE_FEED } from './rows.ts';

const QUOTE = 0x22;
const CARRIAGE_RETURN = 0x0d;

/** @param delimiter one ASCII character */
export function findRowEnd(delimiter: string): FindEnd {
  const separator = delimiter.charCodeAt(0);
  return (bytes, from, isLast) => {
    for (let at = from; ; ) {
      if (bytes[at] === QUOTE) {
        const behind = behindQuoted(bytes, at + 1);
        if (behind === null) return isLast ? 'malformed' : 'open';
        const next = bytes[behind];
        if (next === separator) {
          at = behind + 1;
          continue;
        }
        const end = next === CARRIAGE_RETURN ? behind + 1 : behind;
        if (bytes[end] === LINE_FEED) return end;
        if (end < bytes.length) return 'malformed';
        // The buffer may end between a quote and its twin.
        return isLast ? bytes.length : 'open';
      }
      const lineEnd = bytes.indexOf(LINE_FEED, at);
      const cellEnd = bytes.indexOf(separator, at);
      if (cellEnd >= 0 && (lineEnd < 0 || cellEnd < lineEnd)) {
        at = cellEnd + 1;
        continue;
      }
      if (lineEnd >= 0) return lineEnd;
      return isLast ? bytes.length : 'open';
    }
  };
}

/** The index behind the quote that closes a cell, null when there is none. */
function behindQuoted(bytes: Buffer, from: number): number | null {
  for (let at = bytes.indexOf(QUOTE, from); at >= 0; at = bytes.indexOf(QUOTE, at + 2)) {
    if (bytes[at + 1] !== QUOTE) return at + 1;
  }
  return null;
}

/** The cells of a row that `findRowEnd` found. */
export function cellsOf(row: string, delimiter: string): string[] {
  const cells: string[] = [];
  for (let at = 0; ; ) {
    let end: number;
    if (row[at] === '"') {
      end = at + 1;
      while (end < row.length && (row[end] !== '"' || row[end + 1] === '"')) end += row[end] === '"' ? 2 : 1;
      cells.push(row.slice(at + 1, end).replaceAll('""', '"'));
      end += 1;
    } else {
      const found = row.indexOf(delimiter, at);
      end = found < 0 ? row.length : found;
      cells.push(row.slice(at, end));
    }
    if (end >= row.length) return cells;
    at = end + 1;
  }
}
