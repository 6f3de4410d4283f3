import type { BatchResult } from '../../activities/ports.ts';

type EventCount = BatchResult['events'][number];

/** One count for each event type, all of one outcome. */
export function createEventCounts(outcome: EventCount['outcome']) {
  const counts = new Map<EventCount['eventType'], number>();
  return {
    add(types: Iterable<EventCount['eventType']>): void {
      for (const type of types) {
        counts.set(type, (counts.get(type) ?? 0) + 1);
      }
    },
    all: (): EventCount[] => [...counts].map(([eventType, count]) => ({ eventType, outcome, count })),
  };
}

export function countByType(types: Iterable<EventCount['eventType']>, outcome: EventCount['outcome']): EventCount[] {
  const counts = createEventCounts(outcome);
  counts.add(types);
  return counts.all();
}
