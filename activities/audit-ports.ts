/** Audits: proofs of chosen ranges from the chain, the tables and Kafka's own offsets. */
import type { AuditReport, PartitionAudit, PartitionFindings } from '../domain/audit.ts';
import type { Identity } from '../domain/books.ts';
import type { TopicPartition } from './ports.ts';

/** What a person asks to be proved. */
export interface AuditRequest {
  /** All topics without one. */
  topic?: string | undefined;
  /** All partitions of the topic without one. */
  partition?: number | undefined;
  /** First offset; the first that was ever read without one. */
  from?: number | undefined;
  /** Exclusive; where the position stands without one. */
  to?: number | undefined;
  /** Whether to read the range from Kafka again and count. */
  recount: boolean;
}

export interface AuditSummary {
  auditId: string;
  request: AuditRequest;
  status: 'running' | 'finished' | 'failed';
  requestedBy: string;
  /** ISO 8601, UTC. */
  requestedAt: string;
  finishedAt: string | null;
}

export interface Audit extends AuditSummary {
  /** null until it is finished. */
  report: AuditReport | null;
  /** Base64 of an Ed25519 signature over the canonical JSON of the report; null when it is not signed. */
  signature: string | null;
}

/** A partition to be audited, of the topic's newest incarnation, or a file. */
export interface AuditTarget extends TopicPartition {
  sourceId: number;
  /** Of live reading; null for a file, which is only ever read in ranges. */
  positionId: number | null;
}

export interface AuditRequests {
  /** Makes an audit known. @throws WriteError when PostgreSQL can't be reached */
  create(audit: { auditId: string; request: AuditRequest; requestedBy: string }): Promise<void>;
  /** Gives one up that can't go on. @throws WriteError */
  fail(auditId: string): Promise<void>;
  /** The latest first. @throws WriteError */
  list(limit: number): Promise<AuditSummary[]>;
  /** @throws WriteError */
  find(auditId: string): Promise<Audit | null>;
}

/** What the audit workflow does with PostgreSQL. All methods throw WriteError when it can't be reached. */
export interface AuditStore extends Pick<AuditRequests, 'find' | 'fail'> {
  /** The partitions of live reading that a request means; a file, when it names one. */
  targets(consumerGroup: string, request: AuditRequest): Promise<AuditTarget[]>;
  /**
   * Counts everything that the database has of a range, as of one moment.
   * @param onProgress called between steps with the offset that it has come to; may throw to end it
   */
  examine(
    target: AuditTarget,
    asked: { from: number | null; to: number | null },
    onProgress: (offset: number) => void,
  ): Promise<PartitionAudit>;
  /** Live batches of a partition in [from, to), each of which lies in it as a whole. */
  booked(target: AuditTarget, range: { from: number; to: number }): Promise<{ records: number; offsets: number }>;
  /** Where the first live batch at or after an offset begins. */
  firstBatchFrom(target: AuditTarget, offset: number): Promise<number | null>;
  /** Keeps what was found of a partition, in place of what an earlier attempt found. */
  keep(auditId: string, findings: PartitionFindings): Promise<void>;
  /** What was kept so far, in order of topic and partition. */
  kept(auditId: string): Promise<PartitionFindings[]>;
  /** The identities over everything, that of the ledger among them, as of one moment. */
  identities(): Promise<Identity[]>;
  finish(auditId: string, report: AuditReport, signature: string | null): Promise<void>;
}

export interface ReportSigner {
  keyId: string;
  /** @returns base64 */
  sign(text: string): string;
}
