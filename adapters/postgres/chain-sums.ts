import { sql } from 'slonik';
import { z } from 'zod';
import type { ChainSums } from '../../domain/books.ts';

/** The counts of chain rows `b`, added up; see crm_batches on their meaning. */
export const CHAIN_SUMS = sql.fragment`
  COALESCE(sum(b.records), 0)::bigint AS records, COALESCE(sum(b.stored), 0)::bigint AS stored,
  COALESCE(sum(b.skipped), 0)::bigint AS skipped, COALESCE(sum(b.conflicts), 0)::bigint AS conflicts,
  COALESCE(sum(b.changed), 0)::bigint AS changed,
  COALESCE(sum(b.filtered), 0)::bigint AS filtered, COALESCE(sum(b.failed), 0)::bigint AS failed,
  COALESCE(sum(b.dead), 0)::bigint AS dead, COALESCE(sum(b.tombstones), 0)::bigint AS tombstones,
  COALESCE(sum(b.parked), 0)::bigint AS parked, COALESCE(sum(b.absent), 0)::bigint AS absent,
  COALESCE(sum(b.batches) FILTER (WHERE b.kind = 'batch'), 0)::bigint AS batches
`;

const chainSums = {
  records: z.number(),
  stored: z.number(),
  skipped: z.number(),
  conflicts: z.number(),
  changed: z.number(),
  filtered: z.number(),
  failed: z.number(),
  dead: z.number(),
  tombstones: z.number(),
  parked: z.number(),
  absent: z.number(),
  batches: z.number(),
} satisfies Record<keyof ChainSums, z.ZodNumber>;

export const chainSumsRow = z.object(chainSums);

/** What a batch did with one range. */
export const sliceCountsRow = chainSumsRow.omit({ records: true, batches: true });

export const NO_COUNTS: z.infer<typeof sliceCountsRow> = {
  stored: 0,
  skipped: 0,
  conflicts: 0,
  changed: 0,
  filtered: 0,
  failed: 0,
  dead: 0,
  tombstones: 0,
  parked: 0,
  absent: 0,
};
