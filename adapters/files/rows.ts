/** Cuts text into lines or rows, in bounded memory whatever the text is. */
import type { Piece, Place, Splitter } from './pieces.ts';
import { LONGEST_ROW, type Problem } from './problems.ts';

/**
 * Where the row ends that begins at a byte: the index of what ends it, `open` when it goes on behind these bytes, or
 * `malformed` when it can't be told.
 * @param isLast whether nothing comes behind these bytes
 */
export type FindEnd = (bytes: Buffer, from: number, isLast: boolean) => number | 'open' | 'malformed';

export const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** A row of the largest size and what ends it. */
const LONGEST_WAIT = LONGEST_ROW + 2;

/** Lines end with LF or CRLF. */
export const findLineEnd: FindEnd = (bytes, from, isLast) => {
  const end = bytes.indexOf(LINE_FEED, from);
  if (end >= 0) return end;
  return isLast ? bytes.length : 'open';
};

/**
 * Rows are numbered by their first line, as an editor shows it. A row that is too long, or whose quotes are wrong, ends
 * with its first line, so that one stray quote costs no more than that line.
 */
export function createRowSplitter(findEnd: FindEnd, at: Place): Splitter {
  let { from: line, byte } = at;
  /** From the beginning of the next row on. */
  let rest: Buffer = Buffer.alloc(0);
  /** The beginning of a line that is too long, whose end is still to come. */
  let cut: Buffer | null = null;
  /** How many bytes of that line have gone by. */
  let skipped = 0;

  function piece(content: Buffer, lines: number, bytes: number, problem: Problem | null): Piece {
    const made = { from: line, next: line + lines, byte, content, problem };
    line += lines;
    byte += bytes;
    return made;
  }

  /** The row at an index, null when its end is still to come. */
  function rowAt(start: number, isLast: boolean): Piece | null {
    const end = findEnd(rest, start, isLast);
    if (typeof end === 'number' && end - start <= LONGEST_WAIT) {
      const content = withoutReturn(rest.subarray(start, end));
      if (content.length <= LONGEST_ROW) {
        return piece(content, 1 + countLineFeeds(content), Math.min(end + 1, rest.length) - start, null);
      }
    }
    if (end === 'open' && !isLast && rest.length - start <= LONGEST_WAIT) return null;
    return lineAt(start, isLast);
  }

  /** The line at an index, which is no sound row. */
  function lineAt(start: number, isLast: boolean): Piece | null {
    const found = rest.indexOf(LINE_FEED, start);
    if (found < 0 && !isLast) {
      if (rest.length - start > LONGEST_WAIT) {
        cut = Buffer.from(rest.subarray(start, start + LONGEST_ROW));
        skipped = rest.length - start;
      }
      return null;
    }
    const end = found < 0 ? rest.length : found;
    const content = withoutReturn(rest.subarray(start, end));
    const problem: Problem = { name: content.length > LONGEST_ROW ? 'long' : 'quote', numbers: [] };
    return piece(content.subarray(0, LONGEST_ROW), 1, Math.min(end + 1, rest.length) - start, problem);
  }

  function endCut(bytes: Buffer, isLast: boolean): Piece | null {
    if (cut === null) return null;
    const end = bytes.indexOf(LINE_FEED);
    if (end < 0 && !isLast) {
      skipped += bytes.length;
      rest = Buffer.alloc(0);
      return null;
    }
    const length = end < 0 ? bytes.length : end + 1;
    const made = piece(cut, 1, skipped + length, { name: 'long', numbers: [] });
    rest = bytes.subarray(length);
    cut = null;
    return made;
  }

  function cutUp(isLast: boolean): Piece[] {
    const pieces: Piece[] = [];
    if (cut !== null) {
      const ended = endCut(rest, isLast);
      if (ended === null) return pieces;
      pieces.push(ended);
    }
    let start = 0;
    while (start < rest.length) {
      const before = byte;
      const made = rowAt(start, isLast);
      if (made === null) break;
      pieces.push(made);
      start += byte - before;
    }
    rest = cut === null ? rest.subarray(start) : Buffer.alloc(0);
    return pieces;
  }

  return {
    push(bytes) {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      return cutUp(false);
    },
    end: () => cutUp(true),
  };
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
}

function countLineFeeds(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) count += 1;
  return count;
}
