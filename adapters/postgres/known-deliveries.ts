/**
 * Deliveries of a replay whose ids the ledger has already. Where nearly all are known it costs half to ask for the ids
 * first, and to write only what is left; where none is, it would be one question too many.
 */
import { type DatabasePoolConnection, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Batch, Delivery } from '../../activities/ports.ts';
import type { StagedEvent } from '../../domain/staging.ts';
import { bigints, ints, texts } from './column-fragments.ts';

/** By slice. */
export interface KnownCounts {
  skipped: number[];
  conflicts: number[];
}

const foundRow = z.object({ known: z.array(z.number()), conflicts: z.array(z.number()) });

/** @returns what is left of the batch, and how many deliveries were taken out */
export async function takeOutKnown(
  connection: DatabasePoolConnection,
  batch: Batch,
): Promise<{ rest: Batch; known: KnownCounts }> {
  const { known, conflicts } = await lookUp(connection, batch);
  const isKnown = new Set(known);
  const counts: KnownCounts = { skipped: batch.slices.map(() => 0), conflicts: batch.slices.map(() => 0) };
  const add = (to: number[], index: number) => {
    const slice = batch.deliveries[index]?.slice ?? 0;
    to[slice] = (to[slice] ?? 0) + 1;
  };
  for (const index of known) add(counts.skipped, index);
  for (const index of conflicts) add(counts.conflicts, index);
  return { rest: { ...batch, deliveries: batch.deliveries.filter((_, index) => !isKnown.has(index)) }, known: counts };
}

/** The counts as a step `known`, with their sums for slice `s`. */
export function knownStep({ skipped, conflicts }: KnownCounts): FragmentSqlToken {
  return sql.fragment`
    known AS MATERIALIZED (
      SELECT * FROM unnest(${bigints(skipped)}, ${bigints(conflicts)}) WITH ORDINALITY AS k(skipped, conflicts, slice)
    )
  `;
}

type StagedDelivery = Extract<Delivery, { event: StagedEvent }>;

/** Indexes into the deliveries. A conflict is known as well. */
function lookUp(connection: DatabasePoolConnection, { deliveries, slices }: Batch): Promise<z.infer<typeof foundRow>> {
  const indexes: number[] = [];
  const staged: StagedDelivery[] = [];
  for (const [index, delivery] of deliveries.entries()) {
    if (delivery.kind === 'stage') {
      indexes.push(index);
      staged.push(delivery);
    }
  }
  const range = (slice: number) => slices[slice]?.range;
  return connection.one(sql.type(foundRow)`
    SELECT COALESCE(array_agg(d.index), '{}') AS known,
      COALESCE(array_agg(d.index) FILTER (
        WHERE (l.source_id, l.partition, l."offset") <> (d.source_id, d.partition, d."offset")
          AND (l.organization_id, l.content_hash) <> (d.organization_id, d.content_hash)
      ), '{}') AS conflicts
    FROM unnest(
      ${ints(indexes)}, ${texts(staged.map(({ event }) => event.eventId))},
      ${texts(staged.map(({ event }) => event.organizationId))}, ${bigints(staged.map(({ event }) => BigInt(event.contentHash)))},
      ${ints(staged.map(({ slice }) => range(slice)?.sourceId ?? null))},
      ${ints(staged.map(({ slice }) => range(slice)?.partition ?? null))},
      ${bigints(staged.map(({ record }) => record.offset))}
    ) AS d(index, event_id, organization_id, content_hash, source_id, partition, "offset")
    CROSS JOIN LATERAL (
      SELECT known.organization_id, known.source_id, known.partition, known."offset", known.content_hash
      FROM analytics.crm_event_ledger known
      WHERE known.event_id = d.event_id COLLATE "C"
      OFFSET 0 -- look-ups by key, never a join with the whole ledger
    ) l
  `);
}
