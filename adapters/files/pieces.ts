/** What all formats share: content is cut into pieces, and pieces become records of a log. */
import type { LogRecord } from '../../activities/ports.ts';
import type { Problem } from './problems.ts';

/** A line, a row or a block. */
export interface Piece {
  /** Offset of its first record. */
  from: number;
  /** The offset behind it. */
  next: number;
  /** Where it begins, in bytes of the uncompressed content. */
  byte: number;
  /** Without what ends it; cut off where it is too long. */
  content: Buffer;
  problem: Problem | null;
}

/** Where a piece begins. */
export type Place = Pick<Piece, 'from' | 'byte'>;

/** Cuts content that comes buffer by buffer. The same content gives the same pieces, however it is divided into buffers. */
export interface Splitter {
  push(bytes: Buffer): Piece[];
  /** The content is over: what is left. */
  end(): Piece[];
}

/** How one file is to be read, with what its head says: the names of columns, or an Avro schema. */
export interface Layout {
  /** Where the first piece begins, in bytes of the uncompressed content. */
  firstByte: number;
  /** @param at where a piece begins, from which on content will be pushed */
  splitter(at: Place): Splitter;
  /** The records of a piece, those that are absent left out. */
  records(piece: Piece): LogRecord[];
}

/** Files tell no time of their records. */
export function recordOf(offset: number, value: Buffer): LogRecord {
  return { offset, timestamp: -1, key: null, value, headers: [] };
}
