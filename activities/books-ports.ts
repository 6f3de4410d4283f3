/** The books as a whole: what the chain, the moves and the tables say at one moment. */
import type { ChainJump, ChainSums, Identity, LocatedBreak, Moved } from '../domain/books.ts';
import type { ParkReason, TopicPartition } from './ports.ts';

/** A partition as live reading has booked it. */
export interface PartitionBooks extends TopicPartition {
  incarnation: number;
  /** The topic was made again since: its offsets are those of a log that is gone. */
  closed: boolean;
  /** Lowest offset that was read; null before the first batch. */
  from: number | null;
  /** Next offset to read. */
  next: number;
  sums: ChainSums;
  jumps: number;
  /** Gaps and overlaps. */
  breaks: number;
  /** Of its events, wherever they were first read. */
  moves: CausedMove[];
}

export interface CausedMove extends Moved {
  cause: 'retry' | 'redrive' | 'enqueue' | 'reread' | 'discard';
}

export interface LocatedJump extends ChainJump, TopicPartition {
  incarnation: number;
  /** ISO 8601, UTC. */
  at: string;
}

/** Records of one topic and schema that wait in Kafka. */
export interface ParkedStream {
  topic: string;
  schemaId: number;
  reason: ParkReason;
  ranges: number;
  records: number;
}

/** All of it is of one moment. */
export interface BooksCheck {
  /** Of all chains, those of replayed ranges among them. */
  breaks: LocatedBreak[];
  /** Over all chains and tables. */
  identities: Identity[];
}

/** All of it is of one moment. */
export interface Books extends BooksCheck {
  /** Of the consumer group, in order of topic, incarnation and partition. */
  partitions: PartitionBooks[];
  /** Of the consumer group, latest first, the last hundred. */
  jumps: LocatedJump[];
  /** Those that are not settled. */
  parked: ParkedStream[];
}

export interface BooksReader {
  /** @throws WriteError when PostgreSQL can't be reached */
  read(consumerGroup: string): Promise<Books>;
}

export interface BooksKeeper {
  /** What is wrong with the books, and both sides of each identity. @throws WriteError when PostgreSQL can't be reached */
  check(): Promise<BooksCheck>;
  /**
   * Folds batches that were committed before a time into one row for each position, run and hour, as far as they join.
   * Does nothing while another one folds.
   * @param maxRows about how many rows it takes in at most
   * @returns how many rows are gone
   * @throws WriteError when PostgreSQL can't be reached
   */
  fold(before: Date, maxRows: number): Promise<number>;
  /**
   * Records what is wrong as incidents, each once.
   * @returns those that were not known before
   * @throws WriteError when PostgreSQL can't be reached
   */
  note(found: BooksCheck): Promise<BooksIncident[]>;
}

export type BooksIncident =
  | ({ kind: 'books_gap' | 'books_overlap' } & Omit<LocatedBreak, 'kind'>)
  | { kind: 'books_imbalance'; identity: Identity['name']; booked: number; counted: number };

export interface BooksObserver {
  /** What the books say now; 0 and 0 is good. */
  measured(found: { breaks: number; imbalance: number }): void;
  /** One line per incident. */
  incident(incident: BooksIncident): void;
  folded(rows: number): void;
}
