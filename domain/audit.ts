/** What an audit concludes from its numbers: which of them must agree, how closely, and what to say where they don't. */

import { type Check, checksOf } from './audit-checks.ts';
import {
  type ChainBreak,
  type ChainJump,
  type ChainSums,
  describeImbalance,
  type Identity,
  type OffsetSpan,
} from './books.ts';
import { addCounts } from './counts.ts';
import { NO_STATUSES, type StatusCounts } from './status-counts.ts';

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
  /** Lowest offset of all chains; null before the first batch. */
  begins: number | null;
  /** Where reading stands. */
  position: number;
  /** Lowest offset in the events log. */
  firstLogged: number | null;
  /** Offsets that were asked for by their beginning and that nobody has read as a whole. */
  neverRead: OffsetSpan[];
  breaks: ChainBreak[];
  jumps: ChainJump[];
  /** Over all chains that read in the range, but for those of replays. */
  chain: ChainSums & { offsets: number };
  /** Over the chains of replays, which log only what they changed. */
  replays: ChainSums & { offsets: number };
  /** With archived partitions. */
  log: StatusCounts;
  /**
   * Rows of the log that retention has deleted: in the range for certain, and counted with others beyond its ends. What
   * was settled after its row was taken counts as that, and once less as what the row says.
   */
  retired: { within: StatusCounts; maybe: StatusCounts };
  /** Ids of the source that the ledger was made to forget. */
  pruned: number;
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

export interface PartitionFindings extends PartitionAudit {
  /** null for a file. */
  kafka: LogFacts | null;
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
export function judge(audit: PartitionAudit, kafka: LogFacts | null): PartitionFindings {
  const checks = audit.proved === null ? [] : checksOf(audit, audit.proved);
  const findings = [
    ...coverageFindings(audit),
    ...checks.filter(({ holds }) => !holds).map(describeCheck),
    ...missingFindings(audit),
    ...(kafka === null ? [] : kafkaFindings(audit, kafka)),
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

function describeCheck({ name, booked, counted, below, above }: Check): string {
  const expected = below + above === 0 ? `${booked}` : `${booked - below} to ${booked + above}`;
  return `${name}: ${expected} by the first count, ${counted} by the second`;
}

function coverageFindings(audit: PartitionAudit): string[] {
  const { asked, begins, position, firstLogged, neverRead, breaks, proved } = audit;
  const findings: string[] = breaks.map(({ kind, from, to }) =>
    kind === 'gap'
      ? `no batch accounts for the offsets ${from} up to ${to}`
      : `two batches account for the offsets ${from} up to ${to}`,
  );
  if (proved === null) {
    return [...findings, 'nothing of the range has been read'];
  }
  findings.push(...neverRead.map(({ from, to }) => `the offsets ${from} up to ${to} were never read`));
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
