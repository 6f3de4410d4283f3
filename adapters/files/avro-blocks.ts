/**
 * Cuts an Avro container file into its blocks: how many records, how many bytes, the bytes, and the sync marker. Where
 * that does not fit, the next marker is looked for, and what lies between counts as a broken block.
 */
import type { Piece, Place, Splitter } from './pieces.ts';
import { LONGEST_ROW, type Problem } from './problems.ts';

export const SYNC_BYTES = 16;
/** Larger blocks are taken for damage: writers make some ten or hundred kilobytes. In bytes as stored. */
const LARGEST_BLOCK = 64 * 1024 ** 2;
/** More records than that in one block are damage too: each of them would be a failed event. */
const MOST_RECORDS = 1_000_000;
/** However well a block is compressed, an event needs some of its bytes. */
const MOST_RECORDS_PER_BYTE = 32;
const LONGEST_VARINT = 10;
const LONGEST_PREFIX = 2 * LONGEST_VARINT;

export function createBlockSplitter(sync: Buffer, at: Place): Splitter {
  let { from: record, byte } = at;
  let held: Buffer[] = [];
  let heldBytes = 0;
  /** Nothing can be told before so many bytes are there. */
  let wanted = 1;
  /** Of a broken block whose end is still to come. */
  let broken: { count: number; beginning: Buffer; bytes: number } | null = null;

  function piece(content: Buffer, count: number, bytes: number, isBroken: boolean): Piece {
    const problem: Problem | null = isBroken ? { name: 'block', numbers: [] } : null;
    const made: Piece = { from: record, next: record + count, byte, content, problem };
    record += count;
    byte += bytes;
    return made;
  }

  function cutUp(bytes: Buffer, isLast: boolean): { pieces: Piece[]; rest: Buffer } {
    const pieces: Piece[] = [];
    let start = 0;
    while (start < bytes.length) {
      if (broken !== null) {
        const found = bytes.indexOf(sync, start);
        if (found < 0 && !isLast) {
          // The marker may have begun at the end of these bytes.
          const passed = Math.max(0, bytes.length - start - SYNC_BYTES + 1);
          broken = grown(broken, bytes.subarray(start, start + passed));
          return { pieces, rest: bytes.subarray(start + passed) };
        }
        const end = found < 0 ? bytes.length : found + SYNC_BYTES;
        const { count, beginning, bytes: length } = grown(broken, bytes.subarray(start, end));
        pieces.push(piece(beginning, Math.min(count, length), length, true));
        broken = null;
        start = end;
        continue;
      }
      const block = blockAt(bytes, start, sync);
      if ('wanted' in block && !isLast) {
        wanted = block.wanted;
        break;
      }
      if ('data' in block) {
        pieces.push(piece(block.data, block.count, block.length, false));
        start += block.length;
      } else {
        broken = { count: block.count, beginning: Buffer.alloc(0), bytes: 0 };
      }
    }
    return { pieces, rest: bytes.subarray(start) };
  }

  function take(isLast: boolean): Piece[] {
    const bytes = held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held);
    wanted = 1;
    const { pieces, rest } = cutUp(bytes, isLast);
    held = rest.length === 0 ? [] : [rest];
    heldBytes = rest.length;
    if (broken !== null) wanted = rest.length + 1;
    return pieces;
  }

  return {
    push(bytes) {
      held.push(bytes);
      heldBytes += bytes.length;
      return heldBytes < wanted ? [] : take(false);
    },
    end() {
      const pieces = take(true);
      if (broken !== null) {
        const { count, beginning, bytes } = broken;
        pieces.push(piece(beginning, Math.min(count, bytes), bytes, true));
        broken = null;
      }
      return pieces;
    },
  };
}

function grown(broken: { count: number; beginning: Buffer; bytes: number }, more: Buffer) {
  const room = LONGEST_ROW - broken.beginning.length;
  return {
    count: broken.count,
    beginning: room > 0 ? Buffer.concat([broken.beginning, more.subarray(0, room)]) : broken.beginning,
    bytes: broken.bytes + more.length,
  };
}

type Block =
  | { data: Buffer; count: number; length: number }
  /** `count` as far as it can be told. */
  | { wanted: number; count: number }
  | { damaged: true; count: number };

function blockAt(bytes: Buffer, start: number, sync: Buffer): Block {
  const count = readVarint(bytes, start);
  const size = count === null ? null : readVarint(bytes, count.end);
  const available = bytes.length - start;
  if (count === null || size === null) {
    return available < LONGEST_PREFIX ? { wanted: available + 1, count: 1 } : { damaged: true, count: 1 };
  }
  if (count.value < 1 || count.value > MOST_RECORDS) return { damaged: true, count: 1 };
  if (count.value > MOST_RECORDS_PER_BYTE * Math.max(size.value, 1)) return { damaged: true, count: 1 };
  if (size.value < 0 || size.value > LARGEST_BLOCK) return { damaged: true, count: count.value };
  const end = size.end + size.value;
  const length = end + SYNC_BYTES - start;
  if (available < length) return { wanted: length, count: count.value };
  if (!bytes.subarray(end, end + SYNC_BYTES).equals(sync)) return { damaged: true, count: count.value };
  return { data: bytes.subarray(size.end, end), count: count.value, length };
}

/** A zigzag varint and where it ends; null when it is not complete, or no number that we can hold. */
export function readVarint(bytes: Buffer, start: number): { value: number; end: number } | null {
  let value = 0;
  let weight = 1;
  for (let at = start; at < Math.min(bytes.length, start + LONGEST_VARINT); at += 1) {
    const byte = bytes[at] as number;
    value += (byte & 0x7f) * weight;
    weight *= 128;
    if (byte < 0x80) {
      const decoded = value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      return Number.isSafeInteger(decoded) ? { value: decoded, end: at + 1 } : null;
    }
  }
  return null;
}
