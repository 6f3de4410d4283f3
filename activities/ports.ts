/**
 * What the activities need of the outside world. Adapters implement these interfaces; nothing here names a client
 * library. Offsets are plain numbers: Kafka's 64-bit offsets stay below 2^53 for hundreds of years at a million
 * records per second, and adapters refuse larger ones.
 */
import type { CRMEventType, WireEvent } from '../domain/events.ts';
import type { Rejection } from '../domain/failures.ts';
import type { StagedEvent } from '../domain/staging.ts';
import type { Identity } from '../domain/validate.ts';
import type { LaneTotals } from '../workflows/contracts.ts';
import type { DueRetry, FailedEvents, Settler, Sources, Verdict } from './failed-ports.ts';
import type { LateCount } from './late-count.ts';
import type { Redrives } from './redrive-ports.ts';
import type { Streams } from './stream-ports.ts';

// ---------------------------------------------------------------- the log (Kafka)

export interface TopicPartition {
  topic: string;
  partition: number;
}

/** One Kafka record of ours: never a control record, never one of an aborted transaction. */
export interface LogRecord {
  readonly offset: number;
  /** The record's timestamp in milliseconds since the epoch, by its producer or broker; -1 where it has none. */
  readonly timestamp: number;
  /** Like `value` a view that may be made at each look: look once. */
  readonly key: Buffer | null;
  /** null is a tombstone. */
  readonly value: Buffer | null;
  readonly headers: ReadonlyArray<readonly [name: string, value: Buffer | null]>;
  /** Bytes of key and value, where that is known without a look at them. */
  readonly size?: number;
}

/** What a record counts for where bytes are limited. */
export const bytesOf = (record: LogRecord): number =>
  record.size ?? (record.key?.length ?? 0) + (record.value?.length ?? 0);

/**
 * A piece of a partition: everything in [from, next). Slices of a partition join without gap or overlap; offsets in the
 * range that have no record are absent (compacted away, aborted, control records).
 */
export interface LogSlice extends TopicPartition {
  from: number;
  next: number;
  records: LogRecord[];
  /** Last stable offset of the partition when the slice was fetched: lag = endOffset - next. */
  endOffset: number;
}

/** The part of a partition to read; without `to` it has no end. */
export interface LogRange extends TopicPartition {
  from: number;
  /** Exclusive. */
  to: number | null;
  /** The topic this is a part of; under another id it is another log. Left out where it is not known. */
  topicId?: string | null;
}

/** An open read of some ranges. Not reentrant: one `next` at a time. */
export interface LogSession {
  /**
   * Waits for records and returns up to `maxRecords` of them, at most `lingerMs` after the first became available, or
   * some times that while more is known to be coming. The record that reaches `maxBytes` (see `bytesOf`) is the last
   * one; left out, bytes are not limited.
   * Returns [] when `signal` aborts or every range is read to its end. Kafka being unreachable, a leader election and a
   * missing topic are waited out inside (see `trouble`).
   * @throws OffsetOutOfRangeError when a position is outside what the broker still has
   * @throws LogIdentityError when the broker lost track of a topic, so that its identity must be checked again
   */
  next(options: { maxRecords: number; maxBytes?: number; lingerMs: number; signal: AbortSignal }): Promise<LogSlice[]>;
  /** True when every range has an end and has been read to it. */
  readonly finished: boolean;
  /** Why reading stalls, in words without payload, or null when it does not. */
  readonly trouble: string | null;
  /** Abandons fetches under way; resolves without waiting for the broker's answers. */
  close(): Promise<void>;
}

/** What a partition holds now. `earliest` is its log start, `end` its last stable offset. */
export interface PartitionBounds extends TopicPartition {
  earliest: number;
  end: number;
  /** The cluster's id of the topic, which a topic made again under the same name does not share; null before Kafka 2.8. */
  topicId: string | null;
}

export interface LogReader {
  open(ranges: readonly LogRange[]): LogSession;
  /** Partitions of those of the topics that exist, in order of topic and partition. */
  partitions(topics: readonly string[]): Promise<TopicPartition[]>;
  bounds(partitions: readonly TopicPartition[]): Promise<PartitionBounds[]>;
  /** The record at exactly this offset, or null where there is none (any more). */
  readOne(at: TopicPartition & { offset: number }): Promise<LogRecord | null>;
}

/** A log that can be asked by time. */
export interface LogTimes {
  /**
   * The offset of the first record of a time or later, null where there is none. By the records' own timestamps, which
   * producers may set: records of other times can lie on either side.
   * @param time epoch milliseconds
   */
  offsetsAt(
    partitions: readonly TopicPartition[],
    time: number,
  ): Promise<Array<TopicPartition & { offset: number | null }>>;
}

/** The wanted offset is not in the partition (any more). */
export class OffsetOutOfRangeError extends Error {
  override readonly name = 'OffsetOutOfRangeError';
  readonly at: TopicPartition & { offset: number };
  readonly bounds: PartitionBounds;
  constructor(at: TopicPartition & { offset: number }, bounds: PartitionBounds) {
    super(
      `${at.topic}[${at.partition}]: offset ${at.offset} is out of range, the broker has ${bounds.earliest} to ${bounds.end}`,
    );
    this.at = at;
    this.bounds = bounds;
  }
}

/** Kafka can't be asked now, or knows nothing of the topic: wait and try again. The message is safe to show. */
export class LogUnavailableError extends Error {
  override readonly name = 'LogUnavailableError';
}

/** The topic vanished for a while and may be another one under the same name now. */
export class LogIdentityError extends Error {
  override readonly name = 'LogIdentityError';
  constructor(topic: string) {
    super(`topic ${topic} was gone and came back: its identity must be checked before reading on`);
  }
}

/** Publishes positions to the Kafka consumer group, so that the usual lag tools see them. */
export interface PositionMirror {
  /** @throws when the group can't be joined or refuses the commit; positions themselves are safe in PostgreSQL */
  publish(positions: ReadonlyArray<TopicPartition & { offset: number }>): Promise<void>;
  close(): Promise<void>;
}

// ---------------------------------------------------------------- decoding (schema registry)

export type Decoded =
  | { ok: true; event: WireEvent; schemaId: number }
  | { ok: false; rejection: Rejection; schemaId: number | null };

export interface EventDecoder {
  /**
   * Decodes a value in the Confluent wire format, or of a file as its reader makes them. Synchronous when the schema is cached (a promise per event costs an
   * order of magnitude), else a promise.
   * @param topic what the value is of; left out for a topic of Kafka
   * @throws RegistryUnavailableError (also as the promise's rejection) when the registry can't be asked
   */
  decode(value: Buffer, topic?: string): Decoded | Promise<Decoded>;
}

/** The registry can't be reached or answers with a server error: wait and try again. */
export class RegistryUnavailableError extends Error {
  override readonly name = 'RegistryUnavailableError';
}

// ---------------------------------------------------------------- positions and writing (PostgreSQL)

/** What identifies the record before a position, to notice a topic that was deleted and made again. */
export interface Fingerprint {
  offset: number;
  timestamp: number;
  /** CRC-32 of the value; 0 for a tombstone. */
  checksum: number;
}

/** A range as dealt to one lane: whoever holds the highest epoch may write. */
export interface ClaimedRange extends TopicPartition {
  positionId: number;
  epoch: number;
  /** The topic's incarnation: it grows when a topic is deleted and made again under the same name. */
  sourceId: number;
  incarnation: number;
  /** As the cluster named it when the source was first seen; null before Kafka 2.8. */
  topicId: string | null;
  nextOffset: number;
  /** Exclusive end, null for live reading. */
  endOffset: number | null;
  last: Fingerprint | null;
}

/** One record's outcome, ready to be written. */
export type Delivery = {
  /** Index into the batch's `slices`. */
  slice: number;
  record: LogRecord;
} & (
  | { kind: 'tombstone' }
  /** Left in Kafka as part of a range; see ParkReason. */
  | { kind: 'parked'; reason: ParkReason; schemaId: number; organizationId?: string }
  | { kind: 'stage' | 'filtered'; event: StagedEvent; schemaId: number }
  /** Logged as filtered, with the reason, and nothing else of it is kept. */
  | { kind: 'passed'; reason: PassReason; event: Identity; schemaId: number }
  | {
      kind: 'rejected';
      rejection: Rejection;
      schemaId: number | null;
      /** What could still be told of the event. */
      event: Identity;
      /** Left out at the first failure: the code then tells. */
      verdict?: Verdict;
    }
);

/**
 * Why a record is left in Kafka: the registry does not know its schema, or too many of its topic and schema failed for
 * good and the circuit breaker tripped, or its organization is over its quota (which it names then).
 */
export type ParkReason = 'schema_unknown' | 'tripped' | 'over_quota';

/**
 * Why an event is passed over: it is past the retention of its table, whose policy drops such events, or it is of a
 * person or an organization that was erased.
 */
export type PassReason = 'late' | 'suppressed';

/**
 * What a batch does with its events. `ingest`: the ledger's new ids are staged, every delivery is logged. `missing`: the
 * same, but what is skipped or filtered is not logged again. `restore`: rows that are gone of ids in the ledger.
 * `overwrite`: rows that are there are written again, from the winning delivery alone. The last two stage no new id and
 * let what fails be.
 */
export type WriteMode = 'ingest' | 'missing' | 'restore' | 'overwrite';

/** The part of a batch that belongs to one claimed range. */
export interface BatchSlice {
  range: Pick<ClaimedRange, 'positionId' | 'epoch' | 'sourceId' | 'incarnation' | 'topic' | 'partition'>;
  from: number;
  next: number;
  /** Counted by the reader, before decoding: the other side of the books. */
  records: number;
  /** next - from - records. */
  absent: number;
  /** Of the first record, in epoch milliseconds; null when it has none, or the slice has no record. */
  firstTimestamp: number | null;
  /** Of the last record in the slice, null when it has none. */
  last: Fingerprint | null;
}

/** What one transaction writes: all of it or nothing. */
export interface Batch {
  runId: string;
  mode: WriteMode;
  /** Version of the suppression list that the deliveries were judged by. */
  suppression: number;
  slices: BatchSlice[];
  /** One for each record, in the order of slices and offsets. */
  deliveries: Delivery[];
}

/** Counted from the rows that the statement really wrote. */
export type SliceCounts = LaneTotals;

export interface EventCount {
  eventType: CRMEventType | 'unknown';
  outcome: 'processed' | 'skipped' | 'conflict' | 'filtered' | 'failed' | 'dead';
  count: number;
}

export interface BatchResult {
  /** One for each slice of the batch. */
  slices: SliceCounts[];
  /** The same outcomes by event type, for the metrics. */
  events: EventCount[];
  /** Events that failed for the first time and are to be tried again. */
  retries: DueRetry[];
}

export interface BatchWriter {
  /**
   * Writes a batch exactly once in one transaction.
   * @throws FencedError when another lane has taken a range over: nothing was written
   * @throws StaleSuppressionError when the suppression list has changed since: nothing was written
   * @throws WriteError when PostgreSQL refused or could not be reached; where the connection broke, the batch may have
   *   been committed all the same: sending it again is safe, and then throws FencedError (see `committed`)
   */
  write(batch: Batch): Promise<BatchResult>;
  /** What the chain says of exactly this batch: its result when it was committed under its epochs, else null. */
  committed(batch: Batch): Promise<BatchResult | null>;
  /** Gives the connection back. */
  close(): Promise<void>;
}

/** Takes the deliveries of a batch in their order. Part of the hot path: no promise. */
export interface BatchEncoder {
  /** @returns false when the batch can't be sent like that: then it is to be written as if it had not been tried */
  add(deliveries: readonly Delivery[]): boolean;
  /**
   * All are in. Whoever writes the batch needs its deliveries only when PostgreSQL does not take it like that.
   * @param batch that the deliveries are of
   */
  end(batch: Batch): void;
}

/** Another lane holds a range of the batch now; this one must stop. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

/** The suppression list has changed since the rows were prepared: refresh it and prepare them again. Nothing was written. */
export class StaleSuppressionError extends Error {
  override readonly name = 'StaleSuppressionError';
  constructor() {
    super('the suppression list has changed meanwhile');
  }
}

/** Who was erased and must not be staged again. Shared by all that writes in a process. */
export interface SuppressionList {
  /** Of the list that `hides` answers by; 0 before anybody was erased. */
  readonly version: number;
  /** Whether an event is of somebody on the list. Part of the hot path: cheap while the list is empty, and no promise. */
  hides(event: WireEvent): boolean;
  /** The event with a token in place of each link to a record on the list; the event itself where there is none. */
  unlink(event: StagedEvent): StagedEvent;
  /**
   * Brings the list up to date.
   * @throws WriteError when PostgreSQL can't be reached, SuppressionKeyError when the list can't be read with our key
   */
  refresh(): Promise<void>;
}

/** PostgreSQL refused or could not be reached. Its message and detail carry row values and are left behind. */
export class WriteError extends Error {
  override readonly name = 'WriteError';
  /** SQLSTATE, or a code such as ECONNREFUSED. */
  readonly code: string;
  readonly constraint: string | null;
  readonly column: string | null;
  /** Whether PostgreSQL says that it was busy with one row, and not with a table. */
  readonly row: boolean;
  /** Where people have to look, in safe words; part of the message. */
  readonly advice: string | null;
  constructor(
    code: string,
    constraint: string | null = null,
    column: string | null = null,
    row = false,
    advice: string | null = null,
  ) {
    const where = `${constraint ? `, constraint ${constraint}` : ''}${column ? `, column ${column}` : ''}`;
    super(`PostgreSQL refused the write (${code}${where})${advice === null ? '' : `: ${advice}`}`);
    this.code = code;
    this.constraint = constraint;
    this.column = column;
    this.row = row;
    this.advice = advice;
  }
}

/** Position rows and leases: who may write which range. */
export interface Positions {
  /**
   * Takes ranges over for a lane: raises their epochs, so that whoever held them before is fenced, and creates those
   * that are new at `initial`.
   * @param scope the consumer group for live reading, the run id for anything else
   */
  claim(request: {
    scope: string;
    runId: string;
    owner: string;
    ranges: ReadonlyArray<
      TopicPartition & { initial: number; rangeStart: number; endOffset: number | null; topicId: string | null }
    >;
  }): Promise<ClaimedRange[]>;
  /**
   * Moves a claimed position without records (offsets lost to retention, an operator's seek), books the jump in the
   * chain and records an incident.
   * @throws FencedError
   */
  jump(range: ClaimedRange, to: number, reason: 'retention' | 'seek', runId: string): Promise<ClaimedRange>;
  /**
   * The topic was deleted and made again: closes the old incarnation's position and opens one for the new.
   * @throws FencedError
   */
  reincarnate(
    range: ClaimedRange,
    as: { from: number; topicId: string | null },
    lease: { scope: string; runId: string; owner: string },
  ): Promise<ClaimedRange>;
  /** All live positions of a scope. */
  list(scope: string): Promise<
    Array<
      TopicPartition & {
        nextOffset: number;
        owner: string | null;
        updatedAt: string;
        lastRecordTimestamp: number | null;
      }
    >
  >;
}

/** A lane's own connection with what it needs of PostgreSQL. */
export interface LaneStore {
  positions: Positions;
  writer: BatchWriter;
}

export interface Store {
  /**
   * Opens a lane's connection. A lane that lost its connection passes the ranges it holds: their leases then name the
   * new one, and whatever the old one still runs is ended.
   * @throws WriteError when PostgreSQL can't be reached
   */
  openLane(held?: readonly ClaimedRange[]): Promise<LaneStore>;
  /** Begins to put a batch into the form in which a writer sends it, as one whose events are all new. */
  encode(batch: Pick<Batch, 'slices'>): BatchEncoder;
  positions: Pick<Positions, 'list'>;
  runs: Runs;
  failed: FailedEvents;
  settler: Settler;
  sources: Sources;
  streams: Streams;
  redrives: Redrives;
}

export interface Runs {
  /** Registers a run; the same id twice is one run. */
  start(run: {
    runId: string;
    kind: 'live' | 'retry' | 'redrive' | 'parked' | 'replay' | 'backfill';
    scope: string;
  }): Promise<void>;
  finish(runId: string, outcome: 'stopped' | 'failed'): Promise<void>;
}

// ---------------------------------------------------------------- observation

/** What one lane reports; the metrics adapter and the tests implement it. */
export interface LaneObserver {
  batchWritten(report: {
    slices: ReadonlyArray<TopicPartition & { next: number; endOffset: number }>;
    counts: SliceCounts;
    events: readonly EventCount[];
    late: readonly LateCount[];
    /** Stage durations in seconds. */
    seconds: { fetch: number; decode: number; write: number };
    /** Produce to commit, in seconds: for each record from its timestamp to the commit of its batch. */
    latencies: readonly number[];
  }): void;
  /** One line per incident. */
  incident(kind: string, fields: Record<string, string | number | null>): void;
  /** The lane waits for a server; may be said again while it does. */
  stalled(reason: string): void;
  /** The lane goes on; a batch that was written says so too. Does nothing when it was not stalled. */
  recovered(): void;
  /** The batch is tried again after trouble of the server. */
  batchRetried(): void;
  /** The batch is halved, to find a row that PostgreSQL refuses or because it was too large. */
  batchSplit(): void;
  /** The lane ends and reads these no more: their gauges would go stale. */
  released(partitions: readonly TopicPartition[]): void;
  info(message: string, fields: Record<string, string | number | null>): void;
}
