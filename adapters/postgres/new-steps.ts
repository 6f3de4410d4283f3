/**
 * The steps for a batch whose events are all taken for new: nothing is looked up, joined or decided, and the keys of the
 * ledger and of the log refuse the batch if it was taken wrongly. They expect a step `delivery` before them.
 *
 *   won        ids of the ledger, in id order as in staging-steps.ts
 *   ledgered   one row, when all are in: the other steps wait for it, so that a batch that is refused has cost little,
 *              and two writers with crossing ids still wait for each other in one order
 *   leads …    staging rows
 *   logged     rows of the log
 */
import { sql } from 'slonik';
import type { FreshBatch } from './fresh-batch.ts';
import type { Writing } from './readings.ts';
import { fillStep } from './staging-tables.ts';

export function newSteps({ rows, staged: tables }: FreshBatch, runId: string): Writing {
  const fill = {
    runId,
    id: sql.fragment`d.id`,
    from: sql.fragment`CROSS JOIN ledgered JOIN delivery d ON d.ord = i.ord`,
    onConflict: sql.fragment``,
  };
  const staged = tables.map(({ table: { name } }) => sql.fragment`(SELECT count(*) FROM ${sql.identifier([name])})`);
  return {
    steps: [
      sql.fragment`
        won AS (
          INSERT INTO analytics.crm_event_ledger (
            event_id, organization_id, entity, source_id, partition, "offset", event_timestamp, run_id, content_hash
          )
          SELECT event_id, organization_id, entity, source_id, partition, "offset", event_timestamp, ${runId}::uuid,
            content_hash
          FROM delivery
          ORDER BY event_id
          RETURNING 1
        ),
        ledgered AS MATERIALIZED (SELECT count(*) AS ids FROM won)`,
      ...tables.map(({ table, source }) => fillStep(table, source, fill)),
      sql.fragment`
        logged AS (
          INSERT INTO analytics.crm_events_log (
            id, event_id, event_type, topic, partition, "offset", organization_id, event_timestamp, processing_status,
            ingestion_id, topic_incarnation, schema_id
          )
          SELECT d.id, d.event_id, d.event_type, d.topic, d.partition, d."offset", d.organization_id, d.event_timestamp,
            'processed', ${runId}::uuid, d.incarnation, NULLIF(d.schema_id, 0)
          FROM ledgered
          CROSS JOIN delivery d
          RETURNING 1
        )`,
    ],
    // By delivery, since each of them won an id, or the batch is refused: the ledger's rows know no slice.
    counted: sql.fragment`
      SELECT slice, NULL AS event_type, 'processed' AS status, NULL AS reason, false AS before, count(*) AS events
      FROM delivery
      GROUP BY slice`,
    balanced: sql.fragment`analytics.crm_assert_new(
      ${rows}, (SELECT ids FROM ledgered),
      ${sql.join([sql.fragment`0`, ...staged], PLUS)}, (SELECT count(*) FROM logged)
    )`,
    retries: sql.fragment`'[]'::jsonb`,
    changed: sql.fragment`0`,
  };
}

const PLUS = sql.fragment` + `;
