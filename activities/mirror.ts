import { setTimeout as delay } from 'node:timers/promises';
import type { MirrorInput } from '../workflows/contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import { heartbeating } from './heartbeating.ts';
import type { PositionMirror, Store } from './ports.ts';

export interface MirrorDeps {
  store: { positions: Pick<Store['positions'], 'list'> };
  /** Opens the mirror of a Kafka consumer group; it tells of its own failures. */
  openMirror(consumerGroup: string): PositionMirror;
  /** How often to publish, in milliseconds. */
  intervalMs: number;
}

/** What publishing the final positions and leaving the group may take after a cancellation, in milliseconds. */
const LAST_WORDS_MS = 3_000;

/**
 * Makes the activity that publishes positions to the Kafka consumer group until it is cancelled or out of time, and
 * once more at its end. The positions that count are in PostgreSQL, so no failure here matters to ingestion.
 */
export function createMirrorPositions({
  store,
  openMirror,
  intervalMs,
}: MirrorDeps): (input: MirrorInput) => Promise<void> {
  return withSafeFailures(({ consumerGroup, durationMs }) =>
    heartbeating(async (signal) => {
      const mirror = openMirror(consumerGroup);
      const publish = async () => {
        const positions = await store.positions.list(consumerGroup);
        await mirror.publish(
          positions.map(({ topic, partition, nextOffset: offset }) => ({ topic, partition, offset })),
        );
      };
      const until = Date.now() + durationMs;
      const publishing = (async () => {
        while (!signal.aborted && Date.now() < until) {
          await publish().catch(() => undefined);
          await delay(intervalMs, undefined, { signal }).catch(() => undefined);
        }
        await publish().catch(() => undefined);
        await mirror.close();
      })();
      // A broker that doesn't answer must not hold up a stop: the rest then ends on its own.
      await Promise.race([publishing, lastWords(signal)]);
    }),
  );
}

async function lastWords(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }
  await delay(LAST_WORDS_MS, undefined, { ref: false });
}
