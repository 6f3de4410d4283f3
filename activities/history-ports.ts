/** The history of a lead, contact or opportunity: its staging rows, and where each came from. */
import type { Entity } from '../domain/events.ts';
import type { EntityData } from '../domain/history.ts';
import type { Runs } from './ports.ts';

export interface EntityRef {
  entity: Entity;
  /** Its id in the source system, which is unique within an organization alone. */
  id: string;
  organizationId: string;
}

/** A place in a history, from the newest on. */
export interface HistoryPlace {
  /** Event time in epoch milliseconds. */
  at: number;
  /** Of the staging row; tells events of the same time apart. */
  rowId: string;
}

/** A run by the ingestion_id of the rows that it wrote. */
export interface RunRef {
  ingestionId: string;
  /** null for a run that is not on record. */
  kind: Parameters<Runs['start']>[0]['kind'] | null;
}

/** The delivery that won the event's id. `offset` is the number of the line or record where `topic` is a file. */
export interface Origin {
  topic: string;
  incarnation: number;
  partition: number;
  offset: number;
}

/** An entity after one of its events. */
export interface EntityVersion extends HistoryPlace {
  eventId: string;
  eventType: string;
  /** ISO 8601, like all times here but `at`. */
  eventTimestamp: string;
  processedAt: string;
  data: EntityData;
  /** null when the ledger has forgotten the id. */
  origin: Origin | null;
  /** null when the message names none, or its row of the log is gone. */
  schemaId: number | null;
  /** It failed at first, and a person or a rule corrected it. */
  corrected: boolean;
  /** Which wrote the row as it is. */
  run: RunRef;
  /** Earlier forms of the row that replays wrote over, the latest first: which run had written each, and which replaced it. */
  overwritten: Array<{ run: RunRef; replacedBy: RunRef; replacedAt: string }>;
}

/** All throw WriteError when PostgreSQL can't be reached. */
export interface EntityHistories {
  /** Organizations that have an entity of the id, two of them at most. @param organizationId looks for that one alone */
  owners(entity: Entity, id: string, organizationId: string | null): Promise<string[]>;
  /**
   * Versions by event time, the newest first.
   * @param page.until epoch milliseconds; nothing that happened later
   * @param page.before goes on after that place
   */
  versions(
    ref: EntityRef,
    page: { until: number; before: HistoryPlace | null; limit: number },
  ): Promise<EntityVersion[]>;
}
