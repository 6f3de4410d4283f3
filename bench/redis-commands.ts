// Which commands a Redis was sent, as it counts them itself.
import { Redis } from 'ioredis';

export interface RedisCommands {
  /** Calls so far by command, those of ours left out. */
  counts(): Promise<Map<string, number>>;
  close(): void;
}

export function openRedisCommands(url: string): RedisCommands {
  const redis = new Redis(url);
  return {
    async counts() {
      const text = await redis.info('commandstats');
      const counts = new Map<string, number>();
      for (const [, command, calls] of text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
        if (command !== undefined && command !== 'info') counts.set(command, Number(calls));
      }
      return counts;
    },
    close: () => redis.disconnect(),
  };
}

/** What came between two counts. */
export function callsBetween(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): Map<string, number> {
  const calls = [...after].map(([command, count]) => [command, count - (before.get(command) ?? 0)] as const);
  return new Map(calls.filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a));
}
