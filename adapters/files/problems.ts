/**
 * Pieces of files that hold no event. The value of such a record is a mark, `!`, a name and numbers up to the first line
 * break, and then the bytes as they are in the file: so it fails with its reason whenever it is decoded, and a person
 * finds what was there. No event in JSON begins like that.
 */
import type { FailureCode, Rejection } from '../../domain/failures.ts';

/** What is wrong with a piece. */
export type Problem =
  | { name: 'columns'; numbers: [found: number, expected: number] }
  | { name: 'block-since'; numbers: [record: number] }
  | { name: 'quote' | 'long' | 'text' | 'entity' | 'block'; numbers: [] };

/** Longest line or row, in bytes; also what is kept of a longer one. As large as a message of Kafka may be by default. */
export const LONGEST_ROW = 1024 ** 2;

type Explain = (first: string, second: string) => { code: FailureCode; detail: string };

const PROBLEMS: Record<Problem['name'], Explain> = {
  columns: (found, expected) => ({
    code: 'undecodable',
    detail: `the row has ${found} columns, the header line ${expected}`,
  }),
  quote: () => ({
    code: 'undecodable',
    detail: 'a quote is not closed, or has text between it and the next delimiter',
  }),
  long: () => ({ code: 'undecodable', detail: `the line has more than ${LONGEST_ROW} bytes` }),
  text: () => ({ code: 'invalid_text', detail: 'holds bytes that are not UTF-8' }),
  entity: () => ({ code: 'incompatible_schema', detail: 'data: a record that is none of our entities' }),
  block: () => ({ code: 'undecodable', detail: 'the Avro block with this record is cut off or corrupt' }),
  'block-since': (record) => ({
    code: 'undecodable',
    detail: `the Avro block with this record is cut off or corrupt; record ${record} has its bytes`,
  }),
};

/** The value of a record that holds no event. @param raw the bytes as they are in the file, kept up to LONGEST_ROW */
export function marked({ name, numbers }: Problem, raw: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`!${[name, ...numbers].join(' ')}\n`), raw.subarray(0, LONGEST_ROW)]);
}

const MARK = /^!([a-z-]{1,20})(?: (\d{1,16}))?(?: (\d{1,16}))?\n/u;
const LONGEST_MARK = 60;

/** Why a value holds no event, null when it has no mark. */
export function markedProblem(value: Buffer): Rejection | null {
  const match = MARK.exec(value.toString('latin1', 0, LONGEST_MARK));
  const [, name = '', first = '?', second = '?'] = match ?? [];
  return Object.hasOwn(PROBLEMS, name) ? PROBLEMS[name as Problem['name']](first, second) : null;
}
