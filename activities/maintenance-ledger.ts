import type { TopicRetention } from './maintenance-ports.ts';

const DAY_MS = 86_400_000;

/** A replay, a retry or a lane that lags may still be at work on a record that Kafka has just deleted. */
const HORIZON_DAYS = 7;

/** See file-ports.ts: a file can be read again at any time. */
const FILE = 'file:';

/**
 * Why the ledger must not forget ids that were first seen so many days ago: a log they came from may still bring them
 * again. Empty when it may.
 * @param topics all that ids came from; those that Kafka does not have any more bring nothing
 */
export function reasonsToRemember(
  keepDays: number,
  topics: readonly string[],
  retentions: readonly TopicRetention[],
): string[] {
  const files = topics.filter((topic) => topic.startsWith(FILE)).length;
  return [
    ...(files > 0 ? [`${files} files were read, which can be read again at any time`] : []),
    ...retentions.flatMap(({ topic, retentionMs, compacted }) => {
      if (compacted) return [`topic ${topic} is compacted and keeps the last record of each key for ever`];
      if (retentionMs === null) return [`topic ${topic} keeps its records for ever`];
      const least = Math.ceil(retentionMs / DAY_MS) + HORIZON_DAYS;
      return keepDays < least ? [`topic ${topic} needs LEDGER_KEEP_DAYS of ${least} or more`] : [];
    }),
  ];
}

/** Those of the topics that Kafka can be asked about. */
export function inKafka(topics: readonly string[]): string[] {
  return topics.filter((topic) => !topic.startsWith(FILE));
}
