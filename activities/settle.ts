/** Gets a settlement into PostgreSQL, with the same patience as a lane's batch. */
import { type Rejection, statusOf } from '../domain/failures.ts';
import {
  FailedMeanwhileError,
  type SettledDelivery,
  type Settlement,
  type SettleResult,
  type Settler,
  type Verdict,
} from './failed-ports.ts';
import { refused } from './ingest.ts';
import { writePersistently } from './persistent-write.ts';
import { type LaneObserver, WriteError } from './ports.ts';

export interface SettleDeps {
  settler: Settler;
  observer: Pick<LaneObserver, 'batchRetried' | 'batchSplit'>;
  /** Told why it waits. */
  onTrouble(reason: string): void;
}

const DEAD: Verdict = { status: 'dead', nextAttemptAt: null };

/**
 * Settles deliveries; a row that PostgreSQL refuses fails by itself, the others are written. After a commit in doubt
 * it is sent again: what was settled then is not claimed a second time, and its outcome is null.
 * @throws StaleSuppressionError when the deliveries must be prepared again; a part of them may have been settled
 * @throws FailedMeanwhileError for a record by itself that has failed for somebody else meanwhile
 * @throws the signal's reason when it aborts while waiting; what was not committed stays as it was
 */
export function settlePersistently(
  deps: SettleDeps,
  settlement: Settlement,
  signal: AbortSignal,
): Promise<SettleResult> {
  const { settler, observer, onTrouble } = deps;
  return writePersistently(
    {
      attempt: (rows: Settlement) => settle(settler, rows),
      drop: () => {}, // Its connections come from a pool, which drops broken ones.
      split,
      charge,
      merge: (_whole, first: SettleResult, second: SettleResult) => ({
        outcomes: [...first.outcomes, ...second.outcomes],
        retries: [...first.retries, ...second.retries],
      }),
      observer,
      onTrouble,
    },
    settlement,
    signal,
  );
}

async function settle(settler: Settler, settlement: Settlement): Promise<SettleResult> {
  try {
    return await settler.settle(settlement);
  } catch (error) {
    const isKnown = error instanceof WriteError && error.constraint?.startsWith('crm_failed_events');
    if (isKnown && settlement.deliveries.every(({ failed }) => failed === null)) {
      throw new FailedMeanwhileError(); // Sending the same again could never succeed.
    }
    throw error;
  }
}

function split(settlement: Settlement): [Settlement, Settlement] | null {
  const { deliveries } = settlement;
  if (deliveries.length < 2) {
    return null;
  }
  const middle = Math.ceil(deliveries.length / 2);
  return [
    { ...settlement, deliveries: deliveries.slice(0, middle) },
    { ...settlement, deliveries: deliveries.slice(middle) },
  ];
}

/** What no retry mends is a dead letter, whatever the verdict over other failures is. */
function charge(settlement: Settlement, rejection: Rejection): Settlement | null {
  const [delivery] = settlement.deliveries;
  if (delivery?.outcome.kind !== 'stage' && delivery?.outcome.kind !== 'filtered') {
    return null;
  }
  const charged: SettledDelivery = {
    ...delivery,
    outcome: { slice: 0, ...refused(delivery.outcome, rejection) },
    verdict: statusOf(rejection.code) === 'dead' ? DEAD : delivery.verdict,
  };
  return { ...settlement, deliveries: [charged] };
}
