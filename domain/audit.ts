/** What an audit concludes from its numbers: which of them must agree, how closely, and what to say where they don't. */

import {
  type ChainBreak,
  type ChainJump,
  type ChainSums,
  describeImbalance,
  type Identity,
  type OffsetSpan,
} from './books.ts';
import { addCounts } from './counts.ts';

export const LOG_STATUSES = ['processed', 'skipped', 'filtered', 'failed', 'dead', 'discarded'] as const;

export type StatusCounts = Record<(typeof LOG_STATUSES)[number], number>;

export const NO_STATUSES: StatusCounts = { processed: 0, skipped: 0, filtered: 0, failed: 0, dead: 0, discarded: 0 };

/** Deliveries of one organization, or of events of one hour. */
export interface Share extends StatusCounts {
  /** Organization id, or the hour in ISO 8601, UTC; null where the message did not tell. */
  name: string | null;
}

/** The largest shares, and all others together. */
export interface Breakdown {
  shares: Share[];
  others: StatusCounts & { shares: number };
}

/** Rows that should be there: how many are not, and the offsets of the first of them. */
export interface Missing {
  count: number;
  offsets: number[];
}

/** What the database has of one partition's range, counted table by table. */
export interface PartitionAudit {
  topic: string;
  incarnation: number;
  partition: number;
  asked: { from: number | null; to: number | null };
  /** The asked range, widened to whole batches: only they have counts. null when nothing of it was read. */
  proved: OffsetSpan | null;
  /** Lowest offset of the chain; null before the first batch. */
  begins: number | null;
  position: number;
  /** Lowest offset in the events log. */
  firstLogged: number | null;
  breaks: ChainBreak[];
  jumps: ChainJump[];
  /** Over all chains that read in the range. */
  chain: ChainSums & { offsets: number };
  log: StatusCounts;
  /** Rows of crm_failed_events, those that are settled by what they were settled as. */
  failed: StatusCounts;
  /** Records in parked ranges. */
  parked: number;
  /** Events of the partition, at whatever offsets, that were ingested outside of the chain. */
  unread: StatusCounts;
  missingLedger: Missing;
  missingStaging: Missing;
  organizations: Breakdown;
  hours: Breakdown;
}

/** What Kafka says of the partition. */
export interface LogFacts {
  start: number;
  end: number;
  /** The range read again; null when that was not asked for or no whole batch of it is left in Kafka. */
  recount: (OffsetSpan & { records: number; booked: { records: number; offsets: number } }) | null;
}

/** Two numbers that were counted apart. */
export interface Check {
  name: string;
  meaning: string;
  booked: number;
  counted: number;
  /** `counted` may be less by `below` and more by `above`, because of what `why` says; both 0 without. */
  below: number;
  above: number;
  why: string | null;
  holds: boolean;
}

export interface PartitionFindings extends PartitionAudit {
  kafka: LogFacts;
  checks: Check[];
  findings: string[];
}

export interface AuditReport {
  auditId: string;
  consumerGroup: string;
  request: { topic: string | null; partition: number | null; from: number | null; to: number | null; recount: boolean };
  /** ISO 8601, UTC. */
  concludedAt: string;
  verdict: 'clean' | 'findings';
  /** Those of the installation as a whole; each partition has its own. */
  findings: string[];
  /** Over all chains and tables. */
  identities: Identity[];
  partitions: PartitionFindings[];
  /** The key that signed the report; null when it is unsigned. */
  signedBy: string | null;
}

/** Where the numbers of a range don't agree is a finding, in words. */
export function judge(audit: PartitionAudit, kafka: LogFacts): PartitionFindings {
  const checks = audit.proved === null ? [] : checksOf(audit, audit.proved);
  const findings = [
    ...coverageFindings(audit),
    ...checks.filter(({ holds }) => !holds).map(describeCheck),
    ...missingFindings(audit),
    ...kafkaFindings(audit, kafka),
  ];
  return { ...audit, kafka, checks, findings };
}

export function concludes(report: Omit<AuditReport, 'verdict' | 'findings'>): AuditReport {
  const findings = report.identities
    .filter(({ booked, counted }) => booked !== counted)
    .map((identity) => describeImbalance(identity));
  if (report.partitions.length === 0) {
    findings.push('no partition that was ever read is what the request names');
  }
  const clean = findings.length === 0 && report.partitions.every((partition) => partition.findings.length === 0);
  return { ...report, verdict: clean ? 'clean' : 'findings', findings };
}

const ENQUEUED = 'messages were enqueued by their coordinates, and the books keep no offsets of those';
const READ_AGAIN = 'offsets were read more than once: the chain counts every reading, the log a delivery once';

function checksOf({ chain, log, failed, parked, unread }: PartitionAudit, { from, to }: OffsetSpan): Check[] {
  const readAgain = chain.offsets > to - from;
  const enqueued = (above: number) => (above === 0 ? {} : { above, why: ENQUEUED });
  const skippedBelow = readAgain ? chain.skipped : totalOf(unread);
  return [
    check('stored', 'Stored by the chain, and settled as processed later = processed in the events log.', {
      booked: chain.stored + failed.processed,
      counted: log.processed,
      ...enqueued(unread.processed),
    }),
    check('filtered', 'Filtered by the chain, and settled as filtered later = filtered in the events log.', {
      booked: chain.filtered + failed.filtered,
      counted: log.filtered,
      ...enqueued(unread.filtered),
      ...(readAgain && { below: chain.filtered, why: READ_AGAIN }),
    }),
    check('skipped', 'Skipped by the chain, and settled as skipped later = skipped in the events log.', {
      booked: chain.skipped + failed.skipped,
      counted: log.skipped,
      ...(skippedBelow > 0 && { below: skippedBelow, above: unread.skipped, why: readAgain ? READ_AGAIN : ENQUEUED }),
    }),
    check('rejected', 'Failed or dead at first, by the chain = failed events, whatever became of them.', {
      booked: chain.failed + chain.dead,
      counted: totalOf(failed),
      ...enqueued(unread.failed + unread.dead),
    }),
    ...(['failed', 'dead', 'discarded'] as const).map((status) =>
      check(status, `Failed events that are ${status} = ${status} in the events log.`, {
        booked: failed[status],
        counted: log[status],
      }),
    ),
    check('parked', 'Parked by the chain = records of parked ranges, settled ones among them.', {
      booked: chain.parked,
      counted: parked,
    }),
  ];
}

function check(
  name: string,
  meaning: string,
  sides: { booked: number; counted: number; below?: number; above?: number; why?: string },
): Check {
  const { booked, counted, below = 0, above = 0, why = null } = sides;
  const holds = counted >= booked - below && counted <= booked + above;
  return { name, meaning, booked, counted, below, above, why, holds };
}

function describeCheck({ name, booked, counted, below, above }: Check): string {
  const expected = below + above === 0 ? `${booked}` : `${booked - below} to ${booked + above}`;
  return `${name}: ${expected} by the first count, ${counted} by the second`;
}

function coverageFindings({ asked, begins, position, firstLogged, breaks, proved }: PartitionAudit): string[] {
  const findings: string[] = breaks.map(({ kind, from, to }) =>
    kind === 'gap'
      ? `no batch accounts for the offsets ${from} up to ${to}`
      : `two batches account for the offsets ${from} up to ${to}`,
  );
  if (proved === null) {
    return [...findings, 'nothing of the range has been read'];
  }
  if (asked.from !== null && begins !== null && asked.from < begins) {
    findings.push(`the offsets ${asked.from} up to ${begins} were never read: the chain begins after them`);
  }
  if (asked.to !== null && asked.to > position) {
    findings.push(`the offsets ${position} up to ${asked.to} have not been read yet`);
  }
  if (begins !== null && firstLogged !== null && firstLogged < begins) {
    findings.push(`the events log has deliveries from offset ${firstLogged} on, but the chain begins at ${begins}`);
  }
  return findings;
}

function missingFindings({ missingLedger, missingStaging }: PartitionAudit): string[] {
  const describe = ({ count, offsets }: Missing, what: string) =>
    count === 0 ? [] : [`${count} ${what}, the first at offset ${offsets.join(', ')}`];
  return [
    ...describe(missingLedger, 'processed deliveries are not what the ledger says won'),
    ...describe(missingStaging, 'events of the ledger have no staging row'),
  ];
}

function kafkaFindings({ position }: PartitionAudit, { start, end, recount }: LogFacts): string[] {
  const findings: string[] = [];
  if (position > end) {
    findings.push(`the position ${position} is beyond the end of the log, which is ${end}`);
  }
  if (position < start) {
    findings.push(`Kafka has deleted the offsets ${position} up to ${start}, which were not read yet`);
  }
  if (recount !== null && isComparable(recount) && recount.records !== recount.booked.records) {
    findings.push(
      `Kafka has ${recount.records} records at the offsets ${recount.from} up to ${recount.to}, where ${recount.booked.records} were read then (on a compacted topic some go in time)`,
    );
  }
  return findings;
}

/** The chain's count stands beside a recount only where it read every offset once. */
export function isComparable({ from, to, booked }: NonNullable<LogFacts['recount']>): boolean {
  return booked.offsets === to - from;
}

/** Keeps the largest shares and adds the others up. */
export function breakdownOf(all: Iterable<Share>, most: number, order: (a: Share, b: Share) => number): Breakdown {
  const sorted = [...all].sort(order);
  const rest = sorted.slice(most);
  return {
    shares: sorted.slice(0, most),
    others: { ...rest.reduce<StatusCounts>(addCounts, NO_STATUSES), shares: rest.length },
  };
}

export function totalOf(counts: StatusCounts): number {
  return LOG_STATUSES.reduce((sum, status) => sum + counts[status], 0);
}
