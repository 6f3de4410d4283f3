/**
 * A record batch of Kafka that is too large to be read, as one record: so that it fails with its reason and is found
 * among the failed events, and the partition goes on. Its value is a mark, which no message of the wire format begins
 * with, and what a person should know.
 */
import type { Rejection } from './failures.ts';

const MARK = Buffer.from('!unread-batch ');
const LONGEST_WORDS = 300;

/** @param words without personal data: which offsets, how many records, which limit */
export function unreadBatch(words: string): Buffer {
  return Buffer.concat([MARK, Buffer.from(words)]);
}

/** Why a value stands for a batch that was not read; null when it does not. */
export function unreadBatchProblem(value: Buffer): Rejection | null {
  if (!value.subarray(0, MARK.length).equals(MARK)) return null;
  const words = value.toString('latin1', MARK.length, MARK.length + LONGEST_WORDS);
  // A message that only says so is as undecodable; of what it says nothing is repeated.
  const known = /^[\w ,.]+$/u.test(words) ? words : 'it can not be read';
  return { code: 'undecodable', detail: `stands for a record batch: ${known}` };
}
