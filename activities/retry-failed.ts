/** One failed event, tried again by itself. Plain functions: the retry worker calls them outside of Temporal. */
import { type BackoffPolicy, verdictFor } from '../domain/backoff.ts';
import type {
  FailedEvent,
  FailedEvents,
  RetryScheduler,
  Settled,
  SettledOutcome,
  Settlement,
  SettleResult,
  Verdict,
} from './failed-ports.ts';
import type { SuppressionList } from './ports.ts';
import { byCurrentList } from './suppression.ts';

export interface RetryDeps {
  failed: FailedEvents;
  /** What a failed event becomes now. @throws RegistryUnavailableError */
  deliver(event: FailedEvent): Promise<SettledOutcome>;
  /** Waits out PostgreSQL's trouble. @throws the signal's reason when it aborts meanwhile */
  settle(settlement: Settlement, signal: AbortSignal): Promise<SettleResult>;
  /** The ingestion_id of what retries write; registered with its first use. @throws WriteError */
  runId(): Promise<string>;
  scheduler: RetryScheduler;
  suppression: SuppressionList;
  backoff: BackoffPolicy;
  /** Epoch milliseconds. */
  now(): number;
  /** From 0 up to, but not including, 1. */
  random(): number;
}

/** How a retry ended; `rejection` is why the event fails still, where it did not even come to be written. */
export interface Retried {
  settled: Settled;
  outcome: SettledOutcome;
}

/**
 * Tries a failed event again, exactly as a lane would have it, and has the next retry scheduled where it fails still.
 * @param attempts which retry it is: one that was made already is stale; null for the next one
 * @returns null when there was nothing to do: it is settled, dead, stale, or somebody else has it
 * @throws WriteError, RegistryUnavailableError: the event is as it was, call again
 */
export function retryFailed(
  deps: RetryDeps,
  failedId: number,
  attempts: number | null,
  signal: AbortSignal,
): Promise<Retried | null> {
  return byCurrentList(deps.suppression, (suppression) => retry(deps, { failedId, attempts, suppression }, signal));
}

async function retry(
  deps: RetryDeps,
  { failedId, attempts, suppression }: { failedId: number; attempts: number | null; suppression: number },
  signal: AbortSignal,
): Promise<Retried | null> {
  const [event] = await deps.failed.take([failedId]);
  if (event?.status !== 'failed' || (attempts !== null && attempts !== event.attempts)) {
    return null;
  }
  const outcome = await deps.deliver(event);
  const { outcomes, retries } = await deps.settle(
    {
      runId: await deps.runId(),
      cause: 'retry',
      suppression,
      redriveId: null,
      deliveries: [
        { failed: event, source: event.source, outcome, verdict: nextVerdict(deps, outcome, event.attempts + 1) },
      ],
    },
    signal,
  );
  deps.scheduler.schedule(retries);
  const [settled] = outcomes;
  return settled ? { settled, outcome } : null;
}

/**
 * What becomes of a delivery if it fails. A sound one can still be refused by PostgreSQL; as far as that may heal by
 * itself, it has the retries of a contended row.
 * @param attempts retries that it has had, with the one under way
 */
export function nextVerdict(
  { backoff, now, random }: Pick<RetryDeps, 'backoff' | 'now' | 'random'>,
  outcome: SettledOutcome,
  attempts: number,
): Verdict {
  const code = outcome.kind === 'rejected' ? outcome.rejection.code : 'row_contended';
  return verdictFor(code, attempts, now(), random, backoff);
}
