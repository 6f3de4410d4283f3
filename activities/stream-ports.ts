/** Streams, the events of one topic and schema, and what of them is parked: left in Kafka as ranges. */
import type { ParkReason, TopicPartition } from './ports.ts';

/**
 * `flowing`: nothing is the matter. `schema_unknown`: the registry does not know the id; its records are parked, and
 * replayed when it does. `tripped`: too many failed for good; the circuit breaker parks all its records until a person
 * decides. `let_through`: a person lets the failures become dead letters.
 */
export type StreamState = 'flowing' | 'schema_unknown' | 'tripped' | 'let_through';

export interface StreamId {
  topic: string;
  /** 0 for messages that name no schema. */
  schemaId: number;
}

export interface Stream extends StreamId {
  state: StreamState;
  /** Safe words. */
  reason: string;
  /** The person, null when it changed by itself. */
  changedBy: string | null;
  /** ISO 8601, UTC. */
  changedAt: string;
  parked: { ranges: number; records: number };
}

export interface ParkedRange extends TopicPartition {
  parkedId: number;
  schemaId: number;
  reason: ParkReason;
  sourceId: number;
  from: number;
  /** Exclusive. */
  to: number;
  records: number;
}

/** All of them throw WriteError when PostgreSQL can't be reached. */
export interface Streams {
  /** Those that have ever been treated apart, with what is parked of them. */
  list(): Promise<Stream[]>;
  /** Those that lanes must treat apart now. */
  states(): Promise<Array<StreamId & { state: StreamState }>>;
  /**
   * Moves a stream to another state and notes an incident, unless it is in that state already or was moved on meanwhile.
   * @param from the states that it may be moved from
   * @returns whether it was moved
   */
  move(
    stream: StreamId,
    to: StreamState,
    by: { from: readonly StreamState[]; reason: string; who: string | null },
  ): Promise<boolean>;
  /**
   * Parked ranges of a stream in the order of partitions and offsets.
   * @param exceptRun leaves out what this run parked
   */
  parked(stream: StreamId, limit: number, exceptRun?: string): Promise<ParkedRange[]>;
  /** Parked ranges have been read again, or can't be. Done twice it is done once. */
  settleParked(parkedIds: readonly number[], as: 'replayed' | 'discarded'): Promise<void>;
  /** A person gives up what is parked of a stream; an incident keeps the reason. @returns what it was */
  discard(stream: StreamId, by: { reason: string; who: string }): Promise<{ ranges: number; records: number }>;
}
