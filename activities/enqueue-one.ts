/** One record of the log, ingested because somebody asked for it by its coordinates. */
import type { Settled, SettledOutcome, Sources } from './failed-ports.ts';
import { isBoundTo } from './job-binding.ts';
import { asked, locate } from './log-coordinates.ts';
import { LogIdentityError, type LogReader, type LogRecord, type PartitionBounds } from './ports.ts';
import { nextVerdict, type RetryDeps, retryFailed } from './retry-failed.ts';
import type { Coordinates, EnqueueOutcome, JobBinding } from './retry-ports.ts';
import { byCurrentList } from './suppression.ts';

export interface EnqueueDeps extends RetryDeps {
  reader: Pick<LogReader, 'partitions' | 'bounds' | 'readOne'>;
  sources: Sources;
  topics: readonly string[];
  /** What a record becomes, null for a tombstone. @throws RegistryUnavailableError */
  deliverRecord(record: LogRecord, topic: string): Promise<SettledOutcome | null>;
}

/**
 * What somebody who is bound to organizations hears of everything that is not theirs, whether or not there is anything:
 * nobody's tombstones and gaps, messages that tell no organization, and those of others.
 */
const NOT_THEIRS: EnqueueOutcome = { outcome: 'nothing-there', detail: 'There is no message for you at this offset.' };

/**
 * Ingests the record at some coordinates; one that failed before is retried, whenever its retry would be due.
 * @param binding whose messages may be ingested
 * @throws WriteError, RegistryUnavailableError, LogUnavailableError, LogIdentityError: nothing has changed, call again
 */
export async function enqueueOne(
  deps: EnqueueDeps,
  at: Coordinates,
  binding: JobBinding,
  signal: AbortSignal,
): Promise<EnqueueOutcome> {
  const known = await deps.failed.at(at);
  if (known !== null) {
    if (!isBoundTo(binding, known.organizationId)) return NOT_THEIRS;
    return known.settled ? { outcome: 'skipped', reason: 'settled' } : retryKnown(deps, known.failedId, signal);
  }
  const found = await locate(deps.reader, deps.topics, at);
  if (found.problem !== null) {
    return { outcome: 'nothing-there', detail: found.detail };
  }
  const record = await asked(() => deps.reader.readOne(at));
  if (record === null) {
    if (binding !== null) return NOT_THEIRS;
    return {
      outcome: 'nothing-there',
      detail: 'The offset holds no message: compacted away, of an aborted transaction, or a control record.',
    };
  }
  return byCurrentList(deps.suppression, async (suppression) => {
    const outcome = await deps.deliverRecord(record, at.topic);
    if (!isBoundTo(binding, outcome?.event.organizationId)) return NOT_THEIRS;
    return outcome === null
      ? { outcome: 'tombstone' }
      : settleOne(deps, at, { outcome, suppression }, found.bounds, signal);
  });
}

async function settleOne(
  deps: EnqueueDeps,
  { topic, partition }: Coordinates,
  { outcome, suppression }: { outcome: SettledOutcome; suppression: number },
  { topicId }: PartitionBounds,
  signal: AbortSignal,
): Promise<EnqueueOutcome> {
  const { sourceId, incarnation, topicId: knownAs } = await deps.sources.newest(topic, topicId);
  if (topicId !== null && knownAs !== null && topicId !== knownAs) {
    // Its offsets start over; only a lane may open the new incarnation, by its own policy.
    throw new LogIdentityError(topic);
  }
  const { outcomes, retries } = await deps.settle(
    {
      runId: await deps.runId(),
      cause: 'enqueue',
      suppression,
      redriveId: null,
      deliveries: [
        {
          failed: null,
          source: { topic, partition, sourceId, incarnation },
          outcome,
          verdict: nextVerdict(deps, outcome, 0),
        },
      ],
    },
    signal,
  );
  deps.scheduler.schedule(retries);
  const [settled] = outcomes;
  // Somebody else settled it between our look and our write.
  return settled ? outcomeOf(settled, outcome) : { outcome: 'skipped', reason: 'settled' };
}

async function retryKnown(deps: EnqueueDeps, failedId: number, signal: AbortSignal): Promise<EnqueueOutcome> {
  const retried = await retryFailed(deps, failedId, null, signal);
  if (retried !== null) {
    return outcomeOf(retried.settled, retried.outcome);
  }
  const [event] = await deps.failed.take([failedId]);
  switch (event?.status) {
    case 'dead':
      return {
        outcome: 'dead',
        code: null,
        detail: 'It is a dead letter already: mend what is wrong, then redrive it.',
      };
    case 'failed':
      return { outcome: 'failed', code: null, detail: 'Another retry has it at the moment.' };
    default:
      return { outcome: 'skipped', reason: 'settled' };
  }
}

function outcomeOf({ status, reason }: Settled, outcome: SettledOutcome): EnqueueOutcome {
  switch (status) {
    case 'processed':
    case 'filtered':
      return { outcome: status };
    case 'skipped':
      return { outcome: status, reason };
    default:
      return outcome.kind === 'rejected'
        ? { outcome: status, code: outcome.rejection.code, detail: outcome.rejection.detail }
        : { outcome: status, code: null, detail: 'PostgreSQL refused the row; its failed event says why.' };
  }
}
