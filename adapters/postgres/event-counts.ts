import type { BatchResult } from '../../activities/ports.ts';

type EventCount = BatchResult['events'][number];

/** One count for each event type, all of one outcome. */
export function countByType(types: Iterable<EventCount['eventType']>, outcome: EventCount['outcome']): EventCount[] {
  const counts = new Map<EventCount['eventType'], number>();
  for (const type of types) {
    counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return [...counts].map(([eventType, count]) => ({ eventType, outcome, count }));
}
