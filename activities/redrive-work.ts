/** What redrives do with a page of failed events. */
import type { BackoffPolicy } from '../domain/backoff.ts';
import { eventToJson } from '../domain/event-json.ts';
import { applyFix } from '../domain/fix-rule.ts';
import { NO_REDRIVE_COUNTS, type RedriveCounts } from '../workflows/contracts.ts';
import { decodeFailed } from './deliver-failed.ts';
import type {
  FailedEvent,
  FailedEvents,
  RetryScheduler,
  Settled,
  SettledDelivery,
  Settlement,
  SettleResult,
} from './failed-ports.ts';
import { deliverDecoded, type IngestRules } from './ingest.ts';
import { persevere } from './patience.ts';
import { type EventDecoder, WriteError } from './ports.ts';
import type { Redrive, Redrives } from './redrive-ports.ts';
import type { PageWork } from './redrive-slice.ts';
import { nextVerdict } from './retry-failed.ts';
import { byCurrentList } from './suppression.ts';

export interface RedriveWorkDeps {
  store: { failed: Pick<FailedEvents, 'take'>; redrives: Pick<Redrives, 'discard'> };
  decoder: EventDecoder;
  rules: IngestRules;
  /** Waits out PostgreSQL's trouble. @throws the signal's reason when it aborts meanwhile */
  settle(settlement: Settlement, signal: AbortSignal, waiting: (reason: string) => void): Promise<SettleResult>;
  scheduler: RetryScheduler;
  backoff: BackoffPolicy;
  /** Told what became of events. */
  onOutcomes(counts: RedriveCounts): void;
}

/** Has the events delivered as they are now, corrected or mended by the redrive's rule, and settles them. */
export function createRedriveWork(deps: RedriveWorkDeps): PageWork<PreparedPage> {
  const { settle, scheduler, onOutcomes } = deps;
  const { suppression } = deps.rules;
  return {
    async prepare(redrive, { failedIds }) {
      await deps.rules.late.refresh();
      return preparePage(deps, redrive, failedIds);
    },

    async write(redrive, prepared, signal, waiting) {
      const { redriveId } = redrive;
      let page = prepared;
      const { outcomes, retries } = await byCurrentList(suppression, async (version) => {
        if (page.suppression !== version) {
          page = await preparePage(deps, redrive, page.failedIds);
        }
        const { deliveries } = page;
        return deliveries.length === 0
          ? NOTHING_SETTLED
          : settle(
              { runId: redriveId, cause: 'redrive', suppression: page.suppression, redriveId, deliveries },
              signal,
              waiting,
            );
      });
      scheduler.schedule(retries);
      const counts = countsOf(outcomes);
      onOutcomes(counts);
      return counts;
    },
  };
}

interface PreparedPage {
  failedIds: readonly number[];
  deliveries: SettledDelivery[];
  /** Version of the suppression list that they were judged by. */
  suppression: number;
}

const NOTHING_SETTLED: SettleResult = { outcomes: [], retries: [] };

async function preparePage(
  deps: RedriveWorkDeps,
  redrive: Redrive,
  failedIds: readonly number[],
): Promise<PreparedPage> {
  const suppression = deps.rules.suppression.version;
  const deliveries: SettledDelivery[] = [];
  for (const event of await deps.store.failed.take(failedIds)) {
    deliveries.push(await deliverAgain(deps, redrive, event));
  }
  return { failedIds, deliveries, suppression };
}

async function deliverAgain(
  { decoder, rules, backoff }: RedriveWorkDeps,
  { fix, requestedBy }: Redrive,
  failed: FailedEvent,
): Promise<SettledDelivery> {
  const { record, source, attempts } = failed;
  let decoded = await decodeFailed(failed, decoder);
  let mended: SettledDelivery['mended'];
  // Whom the event is about does not change by mending it.
  if (fix !== null && decoded.ok && !rules.suppression.hides(decoded.event)) {
    const event = applyFix(decoded.event, fix);
    decoded = { ...decoded, event };
    mended = { event: eventToJson(event), by: requestedBy };
  }
  const outcome = deliverDecoded(record, source.topic, decoded, rules, Date.now());
  const verdict = nextVerdict({ backoff, now: Date.now, random: Math.random }, outcome, attempts + 1);
  return { failed, source, outcome, verdict, mended };
}

function countsOf(outcomes: ReadonlyArray<Settled | null>): RedriveCounts {
  const counts = { ...NO_REDRIVE_COUNTS };
  for (const outcome of outcomes) {
    if (outcome !== null) {
      counts[outcome.status] += 1;
    }
  }
  return counts;
}

/** Gives the events up. */
export function createDiscardWork({ store, onOutcomes }: RedriveWorkDeps): PageWork<readonly number[]> {
  return {
    prepare: async (_redrive, { failedIds }) => failedIds,
    async write(redrive, failedIds, signal, waiting) {
      const troubleOf = (error: unknown) => (error instanceof WriteError ? error.message : null);
      const discarded = await persevere(() => store.redrives.discard(redrive, failedIds), troubleOf, waiting, signal);
      const counts = { ...NO_REDRIVE_COUNTS, discarded };
      onOutcomes(counts);
      return counts;
    },
  };
}
