/** What can hold a lane up: reading from Kafka, writing to PostgreSQL, the work in between (registry, claims), or its pace. */
export type TroubleSource = 'read' | 'work' | 'write' | 'pace';

/** What a lane waits for at the moment, in safe words. */
export interface TroubleBoard {
  set(source: TroubleSource, reason: string | null): void;
  current(): string | null;
}

/** @param onChange called when what is shown changes */
export function createTroubleBoard(onChange: (reason: string | null) => void): TroubleBoard {
  const reasons: Record<TroubleSource, string | null> = { read: null, work: null, write: null, pace: null };
  let shown: string | null = null;
  return {
    set: (source, reason) => {
      reasons[source] = reason;
      // The write first: whatever is behind it can't move before it does.
      const next = reasons.write ?? reasons.work ?? reasons.read ?? reasons.pace;
      if (next !== shown) {
        shown = next;
        onChange(next);
      }
    },
    current: () => shown,
  };
}
