/** Quotas of organizations, and what of them waits in Kafka. */
import type { ParkedRange } from './stream-ports.ts';

export interface Quota {
  /** null for each organization that has none of its own. */
  organizationId: string | null;
  eventsPerSecond: number;
  changedBy: string;
  /** ISO 8601, UTC. */
  changedAt: string;
}

/** What waits of one organization. */
export interface OverQuota {
  organizationId: string;
  ranges: number;
  records: number;
  /** When the first of it was left in Kafka; ISO 8601, UTC. Kafka's retention is the time that there is. */
  since: string;
}

/** What waits of an organization in a topic. */
export interface QuotaRef {
  topic: string;
  organizationId: string;
}

/** All of them throw WriteError when PostgreSQL can't be reached. */
export interface Quotas {
  list(): Promise<Quota[]>;
  put(quota: Omit<Quota, 'changedAt'>): Promise<Quota>;
  /** @returns whether there was one */
  remove(organizationId: string | null): Promise<boolean>;
  /**
   * Takes events out of the buckets of organizations that have a quota: one bucket each for all lanes of all workers.
   * @param wanted how many events by organization
   * @returns how many of them may go on now; all of them where there is no quota
   */
  take(wanted: ReadonlyMap<string, number>): Promise<Map<string, number>>;
  /** By organization, those that wait longest first. */
  over(limit: number): Promise<OverQuota[]>;
  /** All that waits, by topic. */
  waiting(): Promise<Array<{ topic: string; records: number }>>;
  /** Of which something waits and may go on now, those that wait longest first. */
  ready(limit: number): Promise<QuotaRef[]>;
  /**
   * What waits, in the order of partitions and offsets.
   * @param exceptRun leaves out what this run parked
   */
  parked(of: QuotaRef, limit: number, exceptRun?: string): Promise<ParkedRange[]>;
}

/** Seconds of a quota that may be used at once after a time of less. */
export const BURST_SECONDS = 10;
