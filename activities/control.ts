import { ApplicationFailure } from '@temporalio/activity';
import type { RunInput, SeekInput, SeekResult } from '../workflows/contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import type { LogReader, PartitionBounds, Store } from './ports.ts';

export interface ControlDeps {
  reader: Pick<LogReader, 'bounds'>;
  store: Pick<Store, 'runs' | 'openLane'>;
  /** This worker's name. */
  worker: string;
}

/** Makes the short activities of the control plane. */
export function createControl({ reader, store, worker }: ControlDeps) {
  return {
    /** Makes the run known in PostgreSQL; the same run twice is one. */
    startRun: withSafeFailures(({ runId, consumerGroup }: RunInput) =>
      store.runs.start({ runId, kind: 'live', scope: consumerGroup }),
    ),

    startParkedRun: withSafeFailures(({ runId, consumerGroup }: RunInput) =>
      store.runs.start({ runId, kind: 'parked', scope: consumerGroup }),
    ),

    finishRun: withSafeFailures(({ runId }: RunInput) => store.runs.finish(runId, 'stopped')),

    /** Moves the position of a partition that no lane reads, within what the broker has. */
    seekPosition: withSafeFailures(async ({ runId, consumerGroup, request }: SeekInput): Promise<SeekResult> => {
      const { topic, partition } = request;
      const bounds = await boundsOf(reader, request);
      const to = targetOf(request.to, bounds);
      const lane = await store.openLane();
      try {
        const [range] = await lane.positions.claim({
          scope: consumerGroup,
          runId,
          owner: `seek:${worker}`,
          ranges: [{ topic, partition, initial: to, rangeStart: 0, endOffset: null, topicId: bounds.topicId }],
        });
        if (range === undefined) {
          throw new Error(`claiming ${topic}[${partition}] returned no range`);
        }
        const ids = [range.topicId, bounds.topicId];
        if (!ids.includes(null) && range.topicId !== bounds.topicId) {
          // A position of the topic that is gone: only a lane can open one for the new topic, and by its own policy.
          throw ApplicationFailure.nonRetryable(
            `${topic} was deleted and made again: let a lane read it once, then seek`,
            'InvalidSeek',
          );
        }
        if (range.nextOffset !== to) {
          await lane.positions.jump(range, to, 'seek', runId);
        }
        return { topic, partition, from: range.nextOffset, to };
      } finally {
        await lane.writer.close();
      }
    }),
  };
}

async function boundsOf(
  reader: ControlDeps['reader'],
  { topic, partition }: SeekInput['request'],
): Promise<PartitionBounds> {
  const [bounds] = await reader.bounds([{ topic, partition }]);
  if (bounds === undefined) {
    throw ApplicationFailure.nonRetryable(`${topic}[${partition}] does not exist`, 'InvalidSeek');
  }
  return bounds;
}

function targetOf(to: SeekInput['request']['to'], { topic, partition, earliest, end }: PartitionBounds): number {
  if (to === 'earliest') {
    return earliest;
  }
  if (to === 'latest') {
    return end;
  }
  if (to < earliest || to > end) {
    throw ApplicationFailure.nonRetryable(
      `${topic}[${partition}] has the offsets ${earliest} to ${end}: ${to} is none of them`,
      'InvalidSeek',
    );
  }
  return to;
}
