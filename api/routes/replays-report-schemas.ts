/** The report of a replay or backfill: counts, times and coordinates, never what an event holds. */
import { z } from '@hono/zod-openapi';
import type { FINDING_KINDS } from '../../domain/dry-run-findings.ts';

const count = z.number().int();

export const CountsSchema = z
  .object({
    stored: count,
    skipped: count.openapi({ description: 'Their ids were known.' }),
    conflicts: count.openapi({ description: 'Of those skipped: the same id with other content.' }),
    changed: count.openapi({ description: 'Of those skipped: rows that were restored or written again.' }),
    filtered: count,
    failed: count.openapi({ description: 'Wait for a retry.' }),
    dead: count.openapi({ description: 'Are dead letters.' }),
    tombstones: count,
    parked: count.openapi({ description: 'Were left in Kafka: their schema is unknown, or their stream has tripped.' }),
    absent: count.openapi({ description: 'Offsets without a record, or whose event does not fit the filter.' }),
  })
  .openapi('ReplayCounts');

const at = { topic: z.string(), partition: z.number().int(), offset: count };

const FindingSchema = z
  .object({ events: count, samples: z.array(z.object(at)).openapi({ description: 'Where the first of them are.' }) })
  .openapi('DryRunFinding');

const FINDINGS = {
  insert: 'Ids that are not known. An id that comes twice in the selection may be counted twice.',
  restore: 'Their ids are known and their rows are gone.',
  update: 'Their rows differ from what would be written.',
  ignore: 'Nothing is to be done: the row is the same, or came from another delivery.',
  conflict: 'Their ids are known with other content, from another delivery.',
  filtered: 'Are of types that are not staged, or passed over.',
  fail: 'Can not be read, or break a rule.',
} as const satisfies Record<(typeof FINDING_KINDS)[number], string>;

const findingOf = (kind: keyof typeof FINDINGS) => FindingSchema.openapi({ description: FINDINGS[kind] });

const FindingsSchema = z
  .object({
    insert: findingOf('insert'),
    restore: findingOf('restore'),
    update: findingOf('update'),
    ignore: findingOf('ignore'),
    conflict: findingOf('conflict'),
    filtered: findingOf('filtered'),
    fail: findingOf('fail'),
    columns: z.record(z.string(), count).openapi({ description: 'Rows that differ, by column.' }),
    codes: z.record(z.string(), count).openapi({ description: 'Events that fail, by code.' }),
  })
  .openapi('DryRunFindings');

const PartitionSchema = z
  .object({
    topic: z.string(),
    partition: z.number().int(),
    from: count,
    to: count.openapi({ description: 'After the last offset.' }),
    next: count.openapi({ description: 'The next offset to read, as if its ranges had been read in order.' }),
    lost: count.openapi({ description: 'Offsets that were asked for and were deleted before it began.' }),
    jumpedOver: count.openapi({ description: "Offsets that Kafka's retention deleted while it ran." }),
    counts: CountsSchema,
    firstTimestamp: z.iso.datetime().nullable().openapi({ description: 'Of the first record that was read.' }),
    lastTimestamp: z.iso.datetime().nullable(),
  })
  .openapi('ReplayedPartition');

export const ReportSchema = z
  .object({
    partitions: z.array(PartitionSchema),
    totals: CountsSchema,
    lost: count,
    failures: z
      .array(z.object({ ...at, failedId: count, code: z.string() }))
      .openapi({ description: 'The first events that failed in it.' }),
    seconds: z.number(),
    offsetsPerSecond: z.number(),
    findings: FindingsSchema.nullable().openapi({ description: 'Of a dry run.' }),
  })
  .openapi('ReplayReport');
