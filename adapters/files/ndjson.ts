import { type Layout, recordOf } from './pieces.ts';
import { marked } from './problems.ts';
import { createRowSplitter, findLineEnd } from './rows.ts';
import { withoutBom } from './text.ts';

/** One event in JSON on each line; lines of white space are absent. */
export const NDJSON: Layout = {
  firstByte: 0,
  splitter: (at) => createRowSplitter(findLineEnd, at),
  records({ from, byte, content, problem }) {
    if (problem !== null) return [recordOf(from, marked(problem, content))];
    const line = byte === 0 ? withoutBom(content) : content;
    return isBlank(line) ? [] : [recordOf(from, line)];
  },
};

const SPACE = 0x20;

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === SPACE || (byte >= 0x09 && byte <= 0x0d));
}
