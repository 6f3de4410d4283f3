/** What partition maintenance, retention and legal holds need of PostgreSQL and Kafka. */
import type { TrailDigest } from '../domain/audit-trail.ts';
import type { MaintenanceStep } from '../workflows/maintenance-contracts.ts';

/** The tables that are partitioned by event time. */
export const PARTITIONED = [
  'crm_leads_staging',
  'crm_contacts_staging',
  'crm_opportunities_staging',
  'crm_events_log',
] as const;

export type PartitionedTable = (typeof PARTITIONED)[number];

// ---------------------------------------------------------------- the work

/** How a step is done, and how it tells of itself. */
export interface StepOptions {
  /** Changes nothing; the report has the statements that would be run. */
  dryRun: boolean;
  /** Whether writers and readers may have to wait for longer than 100 ms. */
  maintenanceWindow: boolean;
  /** Between two statements the step ends when it aborts. */
  signal: AbortSignal;
  /** Told how many things were done so far. */
  progress(done: number): void;
}

/** What a step did, or in a dry run would do. */
export interface StepReport {
  counts: Record<string, number>;
  /** In order, with their values; only of a dry run. */
  statements: string[];
  /** What a person should know or do, in sentences without personal data. */
  notes: string[];
}

/** Whole days after which something is removed. */
export interface PruneOptions {
  keepDays: number;
}

/**
 * The steps in PostgreSQL. Each works alone on its database, does what can be done and notes what can't, and goes on where
 * one that died has left off.
 * All throw MaintenanceBusyError when another is at work, and WriteError.
 */
export interface MaintenanceWork {
  /** Makes the partitions of the coming days or months. */
  makeAhead(options: StepOptions): Promise<StepReport>;
  /** Moves what the DEFAULT partitions hold into partitions of its own; that there was anything is an incident. */
  drain(options: StepOptions): Promise<StepReport>;
  /** Takes partitions past their table's retention out of it, and drops or archives them. */
  retire(options: StepOptions): Promise<StepReport>;
  /** Deletes rows past their organization's retention, and undated ones past their table's. */
  deleteExpired(options: StepOptions): Promise<StepReport>;
  /** Has the ledger forget ids that were first seen longer ago. Whether it may is for the caller to know. */
  pruneLedger(options: StepOptions & PruneOptions): Promise<StepReport>;
  /** Gives up failed events of which nothing could be told, and removes their bytes. @param options.runId of the books */
  forgetUnreadable(options: StepOptions & PruneOptions & { runId: string }): Promise<StepReport>;
  /** Makes months of the audit log ahead and drops those past retention. @param options.digest as its writers have it */
  keepAuditLog(options: StepOptions & PruneOptions & { digest: TrailDigest }): Promise<StepReport>;
  /** Partitions and rows in the DEFAULT partition of each table. */
  measure(): Promise<Array<{ table: PartitionedTable; partitions: number; defaultRows: number }>>;
  /** Topics that ids in the ledger came from. */
  ledgerTopics(): Promise<string[]>;
}

/** Another maintenance is at work on the database. */
export class MaintenanceBusyError extends Error {
  override readonly name = 'MaintenanceBusyError';
  constructor() {
    super('another maintenance is at work on this database: it will have done what this one wanted');
  }
}

/** How long Kafka keeps the records of a topic. */
export interface TopicRetention {
  topic: string;
  /** That of the oldest record of a segment, which goes with the newest; null for ever. */
  retentionMs: number | null;
  compacted: boolean;
}

/** Asks Kafka. Topics that don't exist (any more) are left out. @throws LogUnavailableError */
export type AskTopicRetention = (topics: readonly string[]) => Promise<TopicRetention[]>;

// ---------------------------------------------------------------- runs and their reports

export type MaintenanceStatus = 'requested' | 'running' | 'finished' | 'failed' | 'skipped';

export interface MaintenanceRequest {
  maintenanceId: string;
  dryRun: boolean;
  maintenanceWindow: boolean;
  requestedBy: string;
}

export interface MaintenanceRun extends MaintenanceRequest {
  status: MaintenanceStatus;
  /** Those that were done; in the order of their names. */
  steps: Partial<Record<MaintenanceStep, StepReport>>;
  /** Why steps failed, or why the whole was skipped. */
  reasons: string[];
  /** ISO 8601. */
  requestedAt: string;
  startedAt: string | null;
  finishedAt: string | null;
}

/** All throw WriteError. */
export interface MaintenanceRuns {
  /** Notes that somebody asks for a run. */
  request(request: MaintenanceRequest): Promise<void>;
  /**
   * Makes it the one that runs; one that nobody asked for is the schedule's.
   * @returns false when another runs: it is then marked as skipped
   */
  begin(request: Omit<MaintenanceRequest, 'requestedBy'>): Promise<boolean>;
  record(maintenanceId: string, step: MaintenanceStep, report: StepReport): Promise<void>;
  /** @returns how long it took, in milliseconds */
  conclude(maintenanceId: string, status: 'finished' | 'failed' | 'skipped', reasons: string[]): Promise<number>;
  /** The latest first, without their statements. */
  list(most: number): Promise<MaintenanceRun[]>;
  find(maintenanceId: string): Promise<MaintenanceRun | null>;
}

export interface MaintenanceObserver {
  measured(tables: Awaited<ReturnType<MaintenanceWork['measure']>>): void;
  /** A step was done. */
  stepped(step: MaintenanceStep, report: StepReport): void;
  concluded(outcome: 'finished' | 'failed' | 'skipped', seconds: number, reasons: readonly string[]): void;
}

// ---------------------------------------------------------------- for people

export interface ListedPartition {
  table: string;
  /** In schema analytics, or in analytics_archive when it is archived. */
  partition: string;
  state: 'attached' | 'default' | 'archived';
  /** ISO 8601, null without a bound. */
  from: string | null;
  /** Exclusive. */
  to: string | null;
  /** As of the last ANALYZE; null before the first. */
  rowsEstimate: number | null;
  bytes: number;
}

/** All throw WriteError. */
export interface PartitionCatalog {
  list(): Promise<ListedPartition[]>;
  /**
   * Makes the partitions of a table that hold these days.
   * @param span epoch milliseconds, both days included
   * @returns how many there were to make
   */
  create(table: PartitionedTable, span: { from: number; to: number }): Promise<number>;
  /**
   * Archives one partition.
   * @returns its name in analytics_archive; `unknown` when the table has none of that name that can be detached, `locked`
   *   when others keep the table locked
   */
  detach(table: PartitionedTable, partition: string): Promise<{ archivedAs: string } | 'unknown' | 'locked'>;
}

export interface RetentionRule {
  table: PartitionedTable;
  /** null for the table as a whole. */
  organizationId: string | null;
  /** null for ever. */
  keepDays: number | null;
  afterwards: 'drop' | 'archive';
  late: 'rebuild' | 'quarantine' | 'drop';
  changedBy: string;
  /** ISO 8601. */
  changedAt: string;
}

/** All throw WriteError. */
export interface RetentionRules {
  list(): Promise<RetentionRule[]>;
  put(rule: Omit<RetentionRule, 'changedAt'>): Promise<RetentionRule>;
  /** @returns whether there was one */
  remove(table: PartitionedTable, organizationId: string | null): Promise<boolean>;
}

export interface LegalHold {
  organizationId: string;
  reason: string;
  placedBy: string;
  /** ISO 8601. */
  placedAt: string;
}

/** All throw WriteError. */
export interface LegalHolds {
  list(): Promise<LegalHold[]>;
  find(organizationId: string): Promise<LegalHold | null>;
  /** Places it, or changes the reason of the one there is. */
  place(hold: Omit<LegalHold, 'placedAt'>): Promise<LegalHold>;
  /** @returns whether there was one */
  lift(organizationId: string): Promise<boolean>;
}
