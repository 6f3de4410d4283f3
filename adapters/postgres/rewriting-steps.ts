/**
 * The steps of the modes that write rows of known ids again: `restore` those that are gone, `overwrite` those that are
 * there. Only the delivery that won the id counts, so that a duplicate never replaces the original, and none whose event
 * a person corrected: the correction would be undone. They take the place of stagingSteps and expect `delivery`.
 *
 *   outcome      every delivery is skipped or filtered; `again` marks those whose row may be written
 *   old_leads …  overwrite: rows that differ, taken out
 *   kept_rows    … and kept in crm_overwritten_rows
 *   leads …      rows written again
 *   reledgered   overwrite: where the ledger finds them now
 *   changed      how many, by slice
 */
import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { BatchColumns } from './batch-columns.ts';
import { instants, texts } from './column-fragments.ts';
import { rowsOf } from './rows.ts';
import { SAME_CONTENT } from './staging-steps.ts';
import { fillStep, type StagingTable, tablesOf } from './staging-tables.ts';

export type Rewriting = { mode: 'restore' } | { mode: 'overwrite'; stagedAt: readonly number[] };

/** The times that the ledger knows the events by: what the planner finds their partitions by. */
export async function stagedTimes(connection: CommonQueryMethods, batch: BatchColumns): Promise<number[]> {
  const times = await connection.anyFirst(sql.type(z.object({ at: z.number() }))`
    SELECT DISTINCT event_timestamp AS at
    FROM analytics.crm_event_ledger
    WHERE event_id = ANY (${texts(eventIds(batch))})
  `);
  return [...times];
}

/** The corrected deliveries of the batch: a step between the fence and the deliveries. */
export const CORRECTED_STEP = sql.fragment`
  corrected AS MATERIALIZED (
    SELECT s.slice, f."offset"
    FROM fenced
    CROSS JOIN slice s
    JOIN analytics.crm_failed_events f ON f.source_id = s.source_id AND f.partition = s.partition
      AND f."offset" >= s.from_offset AND f."offset" < s.next_offset
    WHERE f.correction IS NOT NULL
  )
`;

export function rewritingSteps(batch: BatchColumns, runId: string, rewriting: Rewriting): FragmentSqlToken[] {
  const tables = tablesOf(batch);
  if (tables.length === 0) {
    return [outcomeStep(rewriting), sql.fragment`changed AS (SELECT 0 AS slice, 0 AS rows WHERE false)`];
  }
  const steps =
    rewriting.mode === 'restore'
      ? tables.map((table) => restoreStep(table, batch, runId))
      : overwriteSteps(tables, batch, runId, rewriting.stagedAt);
  return [outcomeStep(rewriting), ...steps, changedStep(tables)];
}

function outcomeStep({ mode }: Rewriting): FragmentSqlToken {
  // Another content would be another row in another partition: that is what overwriting is for.
  const same = mode === 'restore' ? sql.fragment`AND ${SAME_CONTENT}` : sql.fragment``;
  return sql.fragment`
    outcome AS MATERIALIZED (
      SELECT d.ord, d.slice, d.topic, d.incarnation, d.source_id, d.partition, d."offset", d.event_id, d.event_type,
        d.organization_id, d.event_timestamp, d.id, d.failed_id, d.content_hash,
        CASE WHEN d.status IN ('filtered', 'late', 'suppressed') THEN 'filtered' ELSE 'skipped' END AS status,
        CASE
          WHEN d.status <> 'stage' OR l.source_id IS NULL THEN NULL
          WHEN (l.source_id, l.partition, l."offset") = (d.source_id, d.partition, d."offset") THEN 'reread'
          WHEN ${SAME_CONTENT} THEN 'duplicate'
          ELSE 'conflict'
        END AS reason,
        COALESCE(
          d.status = 'stage' AND NOT d.corrected AND l.erased_by IS NULL
            AND (l.source_id, l.partition, l."offset") = (d.source_id, d.partition, d."offset") ${same},
          false
        ) AS again,
        l.event_timestamp AS staged_at
      FROM delivery d
      LEFT JOIN LATERAL (
        SELECT known.organization_id, known.source_id, known.partition, known."offset", known.content_hash,
          known.event_timestamp, known.erased_by
        FROM analytics.crm_event_ledger known
        WHERE d.status = 'stage' AND known.event_id = d.event_id
        OFFSET 0 -- look-ups by key, never a join with the whole ledger
      ) l ON true
    )
  `;
}

/** A row has the id of its log row, by which they are joined. The times are what the planner finds the partitions by. */
const loggedId = ({ deliveries }: BatchColumns) => sql.fragment`
  LEFT JOIN LATERAL (
    SELECT log.id
    FROM analytics.crm_events_log log
    WHERE log.topic = d.topic AND log.partition = d.partition AND log."offset" = d."offset"
      AND log.event_timestamp = d.event_timestamp AND log.topic_incarnation = d.incarnation
      AND log.event_timestamp = ANY (${instants([...new Set(deliveries.eventTimestamp)])})
    OFFSET 0
  ) log ON true
`;

function restoreStep(table: StagingTable, batch: BatchColumns, runId: string): FragmentSqlToken {
  return fillStep(table, rowsOf(table.values(batch)), {
    runId,
    id: sql.fragment`COALESCE(log.id, d.id)`,
    from: sql.fragment`JOIN outcome d ON d.ord = i.ord AND d.again ${loggedId(batch)}`,
    onConflict: sql.fragment`ON CONFLICT (event_id, event_timestamp) DO NOTHING`,
  });
}

function overwriteSteps(
  tables: readonly StagingTable[],
  batch: BatchColumns,
  runId: string,
  stagedAt: readonly number[],
): FragmentSqlToken[] {
  const ids = texts(eventIds(batch));
  const old = tables.map(
    ({ name, entity }) => sql.fragment`
      SELECT ${entity}::smallint AS entity, ord, event_id, organization_id, row FROM ${oldName(name)}
    `,
  );
  return [
    ...tables.map((table) => takeOutStep(table, batch, ids, stagedAt)),
    sql.fragment`
      old_rows AS MATERIALIZED (${sql.join(old, sql.fragment` UNION ALL `)}),
      kept_rows AS (
        INSERT INTO analytics.crm_overwritten_rows (entity, event_id, organization_id, row, replaced_by)
        SELECT entity, event_id, organization_id, row, ${runId}::uuid FROM old_rows
      ),
      reledgered AS (
        UPDATE analytics.crm_event_ledger l
        SET event_timestamp = d.event_timestamp, content_hash = d.content_hash
        FROM old_rows o
        JOIN outcome d ON d.ord = o.ord
        WHERE l.event_id = ANY (${ids}) AND l.event_id = d.event_id
          AND (l.event_timestamp, l.content_hash) IS DISTINCT FROM (d.event_timestamp, d.content_hash)
      )
    `,
    ...tables.map((table) =>
      fillStep(table, rowsOf(table.values(batch)), {
        runId,
        id: sql.fragment`o.id`,
        // The join makes it wait for the old row to be gone.
        from: sql.fragment`JOIN ${oldName(table.name)} o ON o.ord = i.ord JOIN outcome d ON d.ord = i.ord`,
        onConflict: sql.fragment``,
      }),
    ),
  ];
}

const oldName = (name: StagingTable['name']) => sql.identifier([`old_${name}`]);

function takeOutStep(
  staging: StagingTable,
  batch: BatchColumns,
  ids: FragmentSqlToken,
  stagedAt: readonly number[],
): FragmentSqlToken {
  const { name, table, columns } = staging;
  const stored = columns.map((column) => sql.identifier(['s', column]));
  const mapped = columns.map((column) => sql.identifier(['i', column]));
  return sql.fragment`
    ${oldName(name)} AS (
      DELETE FROM ${sql.identifier(['analytics', table])} s
      USING outcome d, ${rowsOf(staging.values(batch))} i
      WHERE d.again AND i.ord = d.ord AND s.event_id = d.event_id AND s.event_timestamp = d.staged_at
        AND s.event_id = ANY (${ids}) AND s.event_timestamp = ANY (${instants(stagedAt)})
        AND (s.event_timestamp, s.organization_id, s.event_type, ${sql.join(stored, COMMA)}) IS DISTINCT FROM
          (d.event_timestamp, d.organization_id, d.event_type, ${sql.join(mapped, COMMA)})
      RETURNING d.ord, s.id, s.event_id, s.organization_id, to_jsonb(s) AS row
    )
  `;
}

function changedStep(tables: readonly StagingTable[]): FragmentSqlToken {
  const written = tables.map(({ name }) => sql.fragment`SELECT event_id FROM ${sql.identifier([name])}`);
  return sql.fragment`
    changed AS MATERIALIZED (
      SELECT d.slice, count(*) AS rows
      FROM (${sql.join(written, sql.fragment` UNION ALL `)}) w
      JOIN outcome d ON d.event_id = w.event_id AND d.again
      GROUP BY d.slice
    )
  `;
}

function eventIds({ deliveries }: BatchColumns): string[] {
  return deliveries.eventId.filter((id) => id !== null);
}

const COMMA = sql.fragment`, `;
