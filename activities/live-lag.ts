import { asked } from './log-coordinates.ts';
import type { LogReader, Store } from './ports.ts';
import type { LiveLag } from './replay-ports.ts';

/** A position that did not move for so long is not being read: nobody needs to wait for it. In milliseconds. */
const AT_WORK_MS = 10_000;

/** How far the live reading of a consumer group is behind. */
export function createLiveLag(
  { positions, reader }: { positions: Store['positions']; reader: Pick<LogReader, 'bounds'> },
  consumerGroup: string,
): LiveLag {
  return {
    async events() {
      const since = Date.now() - AT_WORK_MS;
      const moving = (await positions.list(consumerGroup)).filter(({ updatedAt }) => Date.parse(updatedAt) >= since);
      const bounds = await asked(() => reader.bounds(moving));
      return bounds.reduce((lag, { topic, partition, end }) => {
        const at = moving.find((position) => position.topic === topic && position.partition === partition);
        return lag + Math.max(0, end - (at?.nextOffset ?? end));
      }, 0);
    },
  };
}
