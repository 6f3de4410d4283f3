/** What a batch would do: the same look-ups as the writer's, and every column of the rows that are there compared. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { Batch, Delivery } from '../../activities/ports.ts';
import { addFindings, type DryRunFindings, NO_FINDINGS } from '../../domain/dry-run-findings.ts';
import { type BatchColumns, toColumns } from './batch-columns.ts';
import { bigints, instants, ints } from './column-fragments.ts';
import { stagedTimes } from './rewriting-steps.ts';
import { rowsOf } from './rows.ts';
import { COMPARED_DELIVERIES, SAME_CONTENT } from './staging-steps.ts';
import { type StagingTable, tablesOf } from './staging-tables.ts';

const stagedKinds = ['insert', 'restore', 'update', 'ignore', 'conflict'] as const;
const foundRow = z.object({ ord: z.number(), kind: z.enum(stagedKinds), columns: z.array(z.string()) });

/** An id that stands twice in what is read is one insert if both are in the same batch. */
export async function dryRunBatch(connection: CommonQueryMethods, batch: Batch): Promise<DryRunFindings> {
  const columns = toColumns(batch);
  const logged = batch.deliveries.filter(({ kind }) => kind !== 'tombstone' && kind !== 'parked');
  const stagedAt = await stagedTimes(connection, columns);
  let findings = NO_FINDINGS;
  for (const table of tablesOf(columns)) {
    for (const { ord, kind, columns: differing } of await compare(connection, batch, columns, table, stagedAt)) {
      const delivery = logged[ord - 1];
      if (delivery !== undefined) {
        const named = Object.fromEntries(differing.map((name) => [name, 1]));
        findings = addFindings(findings, { ...found(batch, delivery, kind), columns: named });
      }
    }
  }
  for (const delivery of logged) {
    if (delivery.kind === 'filtered' || delivery.kind === 'passed') {
      findings = addFindings(findings, found(batch, delivery, 'filtered'));
    } else if (delivery.kind === 'rejected') {
      const codes = { [delivery.rejection.code]: 1 };
      findings = addFindings(findings, { ...found(batch, delivery, 'fail'), codes });
    }
  }
  return findings;
}

function found(
  { slices }: Batch,
  { slice, record }: Delivery,
  kind: (typeof stagedKinds)[number] | 'filtered' | 'fail',
): DryRunFindings {
  const range = slices[slice]?.range;
  const samples =
    range === undefined ? [] : [{ topic: range.topic, partition: range.partition, offset: record.offset }];
  return { ...NO_FINDINGS, [kind]: { events: 1, samples } };
}

async function compare(
  connection: CommonQueryMethods,
  { slices }: Batch,
  batch: BatchColumns,
  staging: StagingTable,
  stagedAt: readonly number[],
): Promise<ReadonlyArray<z.infer<typeof foundRow>>> {
  const differing = staging.columns.map(
    (column) =>
      sql.fragment`CASE WHEN ${sql.identifier(['s', column])} IS DISTINCT FROM ${sql.identifier(['i', column])} THEN ${column} END`,
  );
  return connection.any(sql.type(foundRow)`
    WITH slice AS MATERIALIZED (
      SELECT * FROM unnest(
        ${ints(slices.map(({ range }) => range.sourceId))}, ${ints(slices.map(({ range }) => range.partition))},
        ${bigints(slices.map(({ from }) => from))}
      ) WITH ORDINALITY AS s(source_id, partition, from_offset, slice)
    ),
    delivery AS MATERIALIZED (
      SELECT ${COMPARED_DELIVERIES.columns}, s.source_id, s.partition,
        row_number() OVER (PARTITION BY d.event_id ORDER BY d.ord) AS turn
      FROM ${rowsOf(COMPARED_DELIVERIES.values(batch))} d
      JOIN slice s ON s.slice = d.slice
    ),
    judged AS (
      SELECT d.ord, d.turn,
        l.source_id IS NULL AS is_new,
        (l.source_id, l.partition, l."offset") = (d.source_id, d.partition, d."offset") AND l.erased_by IS NULL
          AND NOT EXISTS (
            SELECT FROM analytics.crm_failed_events f
            WHERE f.source_id = d.source_id AND f.partition = d.partition AND f."offset" = d."offset"
              AND f.correction IS NOT NULL
          ) AS won,
        NOT ${SAME_CONTENT} AS is_other,
        s.event_id IS NOT NULL AS there,
        array_remove(ARRAY[
          CASE WHEN s.event_timestamp IS DISTINCT FROM d.event_timestamp THEN 'event_timestamp' END,
          CASE WHEN s.event_type IS DISTINCT FROM d.event_type THEN 'event_type' END,
          CASE WHEN s.organization_id IS DISTINCT FROM d.organization_id THEN 'organization_id' END,
          ${sql.join(differing, sql.fragment`, `)}
        ]::text[], NULL) AS columns
      FROM ${rowsOf(staging.values(batch))} i
      JOIN delivery d ON d.ord = i.ord
      LEFT JOIN LATERAL (
        SELECT known.* FROM analytics.crm_event_ledger known WHERE known.event_id = d.event_id OFFSET 0
      ) l ON true
      LEFT JOIN LATERAL (
        SELECT staged.* FROM ${sql.identifier(['analytics', staging.table])} staged
        WHERE staged.event_id = d.event_id AND staged.event_timestamp = l.event_timestamp
          AND staged.event_timestamp = ANY (${instants(stagedAt)}) -- what the planner finds the partitions by
        OFFSET 0
      ) s ON true
    ),
    kinds AS (
      SELECT ord, columns,
        CASE
          WHEN is_new AND turn = 1 THEN 'insert'
          WHEN is_new THEN 'ignore'
          WHEN won AND NOT there THEN 'restore'
          WHEN won AND cardinality(columns) > 0 THEN 'update'
          WHEN NOT COALESCE(won, false) AND is_other THEN 'conflict'
          ELSE 'ignore'
        END AS kind
      FROM judged
    )
    SELECT ord, kind, CASE WHEN kind = 'update' THEN columns ELSE '{}' END AS columns FROM kinds ORDER BY ord
  `);
}
