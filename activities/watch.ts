import { setTimeout as delay } from 'node:timers/promises';
import type { PartitionId, WatchInput } from '../workflows/contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import { heartbeating } from './heartbeating.ts';
import type { LogReader } from './ports.ts';

export interface WatchDeps {
  reader: Pick<LogReader, 'partitions'>;
  /** How often to look, in milliseconds. */
  intervalMs: number;
}

/** A broker that has just started may not know of a topic yet: only what is missing so many times in a row is gone. */
const LOOKS_UNTIL_GONE = 3;

/**
 * Makes the activity that waits until other partitions exist than are known, and returns those that do. Topics that
 * don't exist yet are waited for. Cancelled or out of time, it returns what was known.
 */
export function createWatchPartitions({
  reader,
  intervalMs,
}: WatchDeps): (input: WatchInput) => Promise<PartitionId[]> {
  return withSafeFailures(({ topics, known, durationMs }) =>
    heartbeating(async (signal) => {
      const until = Date.now() + durationMs;
      let looksWithLess = 0;
      while (!signal.aborted && Date.now() < until) {
        const found = await reader.partitions(topics);
        const names = new Set(found.map(nameOf));
        const isLess = known.some((partition) => !names.has(nameOf(partition)));
        looksWithLess = isLess ? looksWithLess + 1 : 0;
        if (isLess ? looksWithLess === LOOKS_UNTIL_GONE : found.length > known.length) {
          return found.map(({ topic, partition }) => ({ topic, partition }));
        }
        await delay(intervalMs, undefined, { signal }).catch(() => undefined);
      }
      return known;
    }),
  );
}

function nameOf({ topic, partition }: PartitionId): string {
  return `${topic}[${partition}]`;
}
