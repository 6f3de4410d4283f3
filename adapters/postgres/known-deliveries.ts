/**
 * Deliveries of which nothing would be written: a replay's whose ids the ledger has already, and live ones that are read
 * again (another delivery of a known id is logged). Where that is nearly all of them it costs half to ask the ledger
 * first, and to send only what is left; where it is none, it would be one question too many.
 */
import { type DatabasePoolConnection, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Batch, BatchResult, Delivery } from '../../activities/ports.ts';
import type { CRMEventType } from '../../domain/events.ts';
import { formerHashOf } from '../../domain/former-content-hash.ts';
import type { StagedEvent } from '../../domain/staging.ts';
import { bigints } from './column-fragments.ts';
import { countByType } from './event-counts.ts';
import { rowsOf } from './rows.ts';
import { SAME_CONTENT } from './staging-steps.ts';

export interface KnownCounts {
  /** By slice. */
  skipped: number[];
  /** By slice. */
  conflicts: number[];
  events: BatchResult['events'];
}

const foundRow = z.object({ known: z.array(z.number()), conflicts: z.array(z.number()) });

/** @returns what is left of the batch, and how many deliveries were taken out */
export async function takeOutKnown(
  connection: DatabasePoolConnection,
  batch: Batch,
): Promise<{ rest: Batch; known: KnownCounts }> {
  const { known, conflicts } = await lookUp(connection, batch);
  const isKnown = new Set(known);
  const isConflict = new Set(conflicts);
  const duplicates = known.filter((index) => !isConflict.has(index));
  return {
    rest: { ...batch, deliveries: batch.deliveries.filter((_, index) => !isKnown.has(index)) },
    known: {
      skipped: countBySlice(batch, known),
      conflicts: countBySlice(batch, conflicts),
      events: [
        ...countByType(typesOf(batch, duplicates), 'skipped'),
        ...countByType(typesOf(batch, conflicts), 'conflict'),
      ],
    },
  };
}

function countBySlice({ slices, deliveries }: Batch, indexes: readonly number[]): number[] {
  const counts = new Array<number>(slices.length).fill(0);
  for (const index of indexes) {
    const slice = deliveries[index]?.slice ?? 0;
    counts[slice] = (counts[slice] ?? 0) + 1;
  }
  return counts;
}

function typesOf({ deliveries }: Batch, indexes: readonly number[]): CRMEventType[] {
  return indexes.flatMap((index) => {
    const delivery = deliveries[index];
    return delivery?.kind === 'stage' ? [delivery.event.eventType] : [];
  });
}

/** The counts as a step `known`, with their sums for slice `s`. */
export function knownStep({ skipped, conflicts }: Omit<KnownCounts, 'events'>): FragmentSqlToken {
  return sql.fragment`
    known AS MATERIALIZED (
      SELECT * FROM unnest(${bigints(skipped)}, ${bigints(conflicts)}) WITH ORDINALITY AS k(skipped, conflicts, slice)
    )
  `;
}

type StagedDelivery = Extract<Delivery, { event: StagedEvent }>;

/** Indexes into the deliveries. A conflict is known as well. */
function lookUp(
  connection: DatabasePoolConnection,
  { mode, deliveries, slices }: Batch,
): Promise<z.infer<typeof foundRow>> {
  const indexes: number[] = [];
  const staged: StagedDelivery[] = [];
  for (const [index, delivery] of deliveries.entries()) {
    if (delivery.kind === 'stage') {
      indexes.push(index);
      staged.push(delivery);
    }
  }
  // A live delivery is known by its place alone.
  const isLive = mode === 'ingest';
  const range = (slice: number) => slices[slice]?.range;
  return connection.one(sql.type(foundRow)`
    SELECT COALESCE(array_agg(d.index), '{}') AS known,
      COALESCE(array_agg(d.index) FILTER (
        WHERE (l.source_id, l.partition, l."offset") <> (d.source_id, d.partition, d."offset")
          AND NOT ${SAME_CONTENT}
      ), '{}') AS conflicts
    FROM ${rowsOf({
      index: { type: 'int', values: indexes },
      event_id: { type: 'text', values: staged.map(({ event }) => event.eventId) },
      organization_id: { type: 'text', values: staged.map(({ event }) => event.organizationId) },
      content_hash: { type: 'bigint', values: staged.map(({ event }) => event.contentHash) },
      former_hash: { type: 'bigint', values: staged.map(({ event }) => (isLive ? null : formerHashOf(event))) },
      source_id: { type: 'int', values: staged.map(({ slice }) => range(slice)?.sourceId ?? null) },
      partition: { type: 'int', values: staged.map(({ slice }) => range(slice)?.partition ?? null) },
      offset: { type: 'bigint', values: staged.map(({ record }) => record.offset) },
    })} d
    CROSS JOIN LATERAL (
      SELECT known.organization_id, known.source_id, known.partition, known."offset", known.content_hash
      FROM analytics.crm_event_ledger known
      WHERE known.event_id = d.event_id COLLATE "C"
      OFFSET 0 -- look-ups by key, never a join with the whole ledger
    ) l
    WHERE ${!isLive} OR (l.source_id, l.partition, l."offset") = (d.source_id, d.partition, d."offset")
  `);
}
