/** Requests to redrive or discard many failed events, as PostgreSQL keeps them. */
import type { FailedFilter } from '../domain/failed-filter.ts';
import type { FixRule } from '../domain/fix-rule.ts';
import type { RedriveAction, RedriveCounts } from '../workflows/contracts.ts';
import type { Settled } from './failed-ports.ts';

/** What a person wants done to the failed events that fit a filter. */
export interface RedriveRequest {
  action: RedriveAction;
  filter: FailedFilter;
  /** Applied to each event before it is validated; only to redrive. */
  fix: FixRule | null;
  /** Why the events are given up; only to discard. */
  reason: string | null;
  /** Also redrives events that were redriven in vain too often. */
  force: boolean;
}

/** `awaiting_approval`: another person than the requester must agree. `failed`: ended for a reason that no retry mends. */
export type RedriveStatus =
  | 'awaiting_approval'
  | 'running'
  | 'paused'
  | 'finished'
  | 'cancelled'
  | 'rejected'
  | 'failed';

export interface Redrive extends RedriveRequest {
  redriveId: string;
  status: RedriveStatus;
  /** As it was asked for. */
  ratePerSecond: number;
  /** The newest failed event that it can mean. */
  lastFailedId: number;
  /** Events that matched when it was requested. */
  total: number;
  counts: RedriveCounts;
  requestedBy: string;
  /** ISO 8601, as all times here. */
  requestedAt: string;
  decidedBy: string | null;
  decidedAt: string | null;
  finishedAt: string | null;
}

/** Events that a filter matches at a time. */
export interface Matched {
  total: number;
  /** The newest of them; 0 without any. */
  lastFailedId: number;
}

/** `decided`: somebody was first, or it needs no decision. `own`: the requester can't decide. */
export type Decision = 'done' | 'unknown' | 'decided' | 'own';

/** How a redrive moves on by itself or as it is told. */
export type RedriveMove = Extract<RedriveStatus, 'running' | 'paused' | 'finished' | 'cancelled' | 'failed'>;

/** A piece of what a redrive means, in the order of the ids. */
export interface RedrivePage {
  failedIds: number[];
  /** Not to be tried: redriven in vain as often as is allowed, and nothing about them is new. */
  leftOut: number;
  /** The next page begins after this id. */
  last: number;
}

/** Which events are redriven; what it takes of a redrive, so that a plan can ask for the same. */
export type RedriveScope = Pick<Redrive, 'redriveId' | 'action' | 'filter' | 'fix' | 'force' | 'lastFailedId'>;

export interface RedriveWindow {
  /** Events after this id. */
  after: number;
  /** Most events. */
  limit: number;
  /** Redrives in a row that may fail before an event is left out. */
  mostRedrives: number;
}

/** Every method @throws WriteError when PostgreSQL can't be reached. */
export interface Redrives {
  /** @param upTo the newest event to be counted, null for all */
  match(filter: FailedFilter, upTo: number | null): Promise<Matched>;
  /** Keeps a request. @param status `awaiting_approval` or `running` */
  create(
    request: RedriveRequest & Matched & { redriveId: string; ratePerSecond: number; requestedBy: string },
    status: RedriveStatus,
  ): Promise<Redrive>;
  get(redriveId: string): Promise<Redrive | null>;
  /** The newest first. */
  list(limit: number): Promise<Redrive[]>;
  decide(redriveId: string, as: 'running' | 'rejected', by: string): Promise<Decision>;
  /** Moves one that runs or is paused; one that has ended stays as it is. */
  move(redriveId: string, to: RedriveMove): Promise<void>;
  /** The next events in order, without those that it tried already; null when there are none. */
  page(scope: RedriveScope, window: RedriveWindow): Promise<RedrivePage | null>;
  /** Gives up those of the events that nobody has settled meanwhile, in one transaction. @returns how many */
  discard(redrive: Redrive, failedIds: readonly number[]): Promise<number>;
  /** What became of an event in a redrive; null when it did not try it. */
  outcome(redriveId: string, failedId: number): Promise<Settled | null>;
  /** Those of the event ids that are staged already. */
  known(eventIds: readonly string[]): Promise<ReadonlySet<string>>;
}
