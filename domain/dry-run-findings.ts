/** What a dry run found: how many events it would have done what with, and where the first of them are. */
import { addCounts } from './counts.ts';

export const FINDING_KINDS = ['insert', 'restore', 'update', 'ignore', 'conflict', 'filtered', 'fail'] as const;

export interface Finding {
  events: number;
  /** The first of them, by their coordinates alone. */
  samples: Array<{ topic: string; partition: number; offset: number }>;
}

export type DryRunFindings = Record<(typeof FINDING_KINDS)[number], Finding> & {
  /** Rows that differ, by column. */
  columns: Record<string, number>;
  /** Events that fail, by code. */
  codes: Record<string, number>;
};

/** Coordinates that are kept of each kind. */
export const MOST_SAMPLES = 10;

export const NO_FINDINGS: DryRunFindings = {
  insert: { events: 0, samples: [] },
  restore: { events: 0, samples: [] },
  update: { events: 0, samples: [] },
  ignore: { events: 0, samples: [] },
  conflict: { events: 0, samples: [] },
  filtered: { events: 0, samples: [] },
  fail: { events: 0, samples: [] },
  columns: {},
  codes: {},
};

export function addFindings(a: DryRunFindings, b: DryRunFindings): DryRunFindings {
  const kinds = FINDING_KINDS.map((kind) => [
    kind,
    {
      events: a[kind].events + b[kind].events,
      samples: [...a[kind].samples, ...b[kind].samples].slice(0, MOST_SAMPLES),
    },
  ]);
  return {
    ...(Object.fromEntries(kinds) as Record<(typeof FINDING_KINDS)[number], Finding>),
    columns: addNamed(a.columns, b.columns),
    codes: addNamed(a.codes, b.codes),
  };
}

function addNamed(a: Record<string, number>, b: Record<string, number>): Record<string, number> {
  return addCounts({ ...Object.fromEntries(Object.keys(b).map((name) => [name, 0])), ...a }, b);
}
