/**
 * The arithmetic of the books. The chain says what was read, step by step; moves say what changed status afterwards; the
 * tables say what is there now. Each is made apart from the others, so that where they agree nothing is lost or doubled.
 */

import { mergeSpans } from './spans.ts';

/** One row of the chain: a piece of a partition that was read (`batch`), or a jump over offsets that was booked. */
export interface ChainStep {
  kind: 'batch' | 'retention' | 'seek';
  epoch: number;
  from: number;
  /** Exclusive; before `from` after a seek backwards. */
  next: number;
}

/** Offsets from `from` up to but without `to`. */
export interface OffsetSpan {
  from: number;
  to: number;
}

/** Where two steps of a chain don't join: offsets that no step has, or that two steps have. */
export interface ChainBreak extends OffsetSpan {
  kind: 'gap' | 'overlap';
}

/** A jump that somebody or something made on purpose: an operator's seek, or Kafka's retention ahead of us. */
export interface ChainJump extends OffsetSpan {
  kind: 'retention' | 'seek';
}

/** What the end of one step and the beginning of the next make; null where they join. */
export function breakBetween(end: number, begin: number): ChainBreak | null {
  if (begin === end) {
    return null;
  }
  return begin > end ? { kind: 'gap', from: end, to: begin } : { kind: 'overlap', from: begin, to: end };
}

/** Follows the steps of one position. */
export interface ChainWalk {
  /** @param step the next one in the order of epoch and `from` */
  take(step: ChainStep): void;
  /** @param position where the position stands, which is where the last step must end */
  finish(position: number): { breaks: ChainBreak[]; jumps: ChainJump[] };
}

/** @param start where the first step must begin; null where that is not known */
export function walkChain(start: number | null = null): ChainWalk {
  const breaks: ChainBreak[] = [];
  const jumps: ChainJump[] = [];
  let end = start;
  const join = (begin: number) => {
    const found = end === null ? null : breakBetween(end, begin);
    if (found !== null) {
      breaks.push(found);
    }
  };
  return {
    take({ kind, from, next }) {
      join(from);
      if (kind !== 'batch') {
        jumps.push({ kind, from, to: next });
      }
      end = next;
    },
    finish(position) {
      join(position);
      return { breaks, jumps };
    },
  };
}

/** What of a range lies in none of the spans, in order. */
export function uncovered(spans: readonly OffsetSpan[], range: OffsetSpan): OffsetSpan[] {
  const holes: OffsetSpan[] = [];
  let at = range.from;
  for (const { from, to } of mergeSpans(spans)) {
    if (at >= range.to) {
      break;
    }
    if (from > at) {
      holes.push({ from: at, to: Math.min(from, range.to) });
    }
    at = Math.max(at, to);
  }
  return at < range.to ? [...holes, { from: at, to: range.to }] : holes;
}

/** What became of records, added up over steps of a chain. */
export interface ChainSums {
  records: number;
  stored: number;
  skipped: number;
  /** Of `skipped`: the same event id with other content or of another organization. */
  conflicts: number;
  /** Of `skipped`: rows that a replay restored or wrote again. */
  changed: number;
  filtered: number;
  failed: number;
  dead: number;
  tombstones: number;
  parked: number;
  /** Offsets without a record for us, and those of records that a replay's filter left out. */
  absent: number;
  /** Transactions that the steps stand for. */
  batches: number;
}

export const NO_SUMS: ChainSums = {
  records: 0,
  stored: 0,
  skipped: 0,
  conflicts: 0,
  changed: 0,
  filtered: 0,
  failed: 0,
  dead: 0,
  tombstones: 0,
  parked: 0,
  absent: 0,
  batches: 0,
};

/** Events whose status changed after the chain had counted them, or (`unread`) that were ingested outside of it. */
export interface Moved {
  from: 'unread' | 'failed' | 'dead' | 'discarded';
  to: 'processed' | 'skipped' | 'filtered' | 'failed' | 'dead' | 'discarded';
  events: number;
}

/** By how much moves changed the number of events of a status. */
export function netMoves(moves: readonly Moved[], status: Moved['to']): number {
  return moves.reduce(
    (net, { from, to, events }) => net + (to === status ? events : 0) - (from === status ? events : 0),
    0,
  );
}

/** A claim that two numbers, counted apart from each other, are the same. */
export interface Identity {
  name: 'failed' | 'dead' | 'discarded' | 'parked' | 'stored';
  /** What is counted on both sides, for a person. */
  meaning: string;
  /** By the chain and the moves. */
  booked: number;
  /** By the rows of a table. */
  counted: number;
}

/** What the tables hold now. */
export interface TableCounts {
  /** Rows of crm_failed_events by status. */
  failed: number;
  dead: number;
  discarded: number;
  /** Records in all ranges of crm_parked_ranges, replayed and discarded ones among them. */
  parked: number;
}

/** The identities that can be asked at any time; that of the ledger takes an audit. */
export function identitiesOf(sums: ChainSums, moves: readonly Moved[], tables: TableCounts): Identity[] {
  return [
    {
      name: 'failed',
      meaning: 'Failed in the chain, with the moves into and out of it = failed events that wait for a retry.',
      booked: sums.failed + netMoves(moves, 'failed'),
      counted: tables.failed,
    },
    {
      name: 'dead',
      meaning: 'Dead in the chain, with the moves into and out of it = dead letters.',
      booked: sums.dead + netMoves(moves, 'dead'),
      counted: tables.dead,
    },
    {
      name: 'discarded',
      meaning: 'Moves into and out of discarded = failed events that a person gave up.',
      booked: netMoves(moves, 'discarded'),
      counted: tables.discarded,
    },
    {
      name: 'parked',
      meaning: 'Parked in the chain = records of all parked ranges, settled ones among them.',
      booked: sums.parked,
      counted: tables.parked,
    },
  ];
}

/** That what was stored is what the ledger knows: every event id once. */
export function ledgerIdentity(sums: ChainSums, moves: readonly Moved[], ledgerRows: number): Identity {
  return {
    name: 'stored',
    meaning: 'Stored in the chain, with the moves to processed = event ids in the ledger, and those pruned from it.',
    booked: sums.stored + netMoves(moves, 'processed'),
    counted: ledgerRows,
  };
}

/** A break with the chain it is in. */
export interface LocatedBreak extends ChainBreak {
  topic: string;
  incarnation: number;
  partition: number;
  /** The consumer group of live reading, the run id of a range that was read apart. */
  scope: string;
}

export interface Verdict {
  balanced: boolean;
  /** A sentence for each thing that is wrong; none when balanced. */
  reasons: string[];
}

export function verdictOf(breaks: readonly LocatedBreak[], identities: readonly Identity[]): Verdict {
  const reasons = [
    ...breaks.map(describeBreak),
    ...identities.filter(({ booked, counted }) => booked !== counted).map(describeImbalance),
  ];
  return { balanced: reasons.length === 0, reasons };
}

export function describeBreak({ kind, topic, incarnation, partition, scope, from, to }: LocatedBreak): string {
  const where = `${topic}[${partition}]${incarnation > 1 ? ` (incarnation ${incarnation})` : ''}`;
  const what = kind === 'gap' ? 'no batch accounts for' : 'two batches account for';
  return `${where}: ${what} the offsets ${from} up to ${to} (chain of ${scope})`;
}

export function describeImbalance({ name, booked, counted }: Identity): string {
  return `${name}: the books say ${booked}, the tables hold ${counted}`;
}

/** How far the identities are off, all together; 0 is good. */
export function imbalanceOf(identities: readonly Identity[]): number {
  return identities.reduce((sum, { booked, counted }) => sum + Math.abs(booked - counted), 0);
}
