/**
 * The steps that every writer shares: from deliveries to the ledger and the staging tables. They expect a step
 * `delivery` before them.
 *
 *   won        ids that are new: the ledger decides, first delivery of each id in id order (crossing ids of two writers
 *              then wait for each other instead of deadlocking)
 *   outcome    what became of each delivery; a loser is told apart by the ledger's winner
 *   leads …    staging rows of the winners, found by their coordinates (an id may stand twice in a batch)
 */
import { type FragmentSqlToken, sql } from 'slonik';
import type { BatchColumns } from './batch-columns.ts';
import { type Column, rowsOf } from './rows.ts';
import { fillStep, tablesOf } from './staging-tables.ts';

/** The deliveries as rows, and what the steps read of these as `d`, beside where each came from. */
export interface DeliveryRows {
  values(batch: BatchColumns): Record<string, Column>;
  columns: FragmentSqlToken;
}

/**
 * A delivery's `id` is that of its log row, and of its staging row where it is staged: they can be joined by it.
 */
function columnsOf({ deliveries: d }: BatchColumns): Record<string, Column> {
  return {
    ord: { type: 'int', values: d.ord },
    slice: { type: 'int', values: d.slice },
    offset: { type: 'bigint', values: d.offset },
    status: { type: 'text', values: d.status },
    event_id: { type: 'text', values: d.eventId },
    event_type: { type: 'text', values: d.eventType },
    organization_id: { type: 'text', values: d.organizationId },
    event_timestamp: { type: 'instant', values: d.eventTimestamp },
    entity: { type: 'int', values: d.entity },
    content_hash: { type: 'bigint', values: d.contentHash },
    schema_id: { type: 'int', values: d.schemaId },
    id: { type: 'uuid', values: d.ord },
    error: { type: 'text', values: d.error },
  };
}

const DELIVERY_COLUMNS = sql.fragment`
  d.ord, d.slice, d."offset", d.status, d.event_id COLLATE "C" AS event_id, d.event_type,
  d.organization_id COLLATE "C" AS organization_id, d.event_timestamp, d.entity, d.content_hash, d.schema_id, d.id,
  d.error
`;

/** For steps that look nothing up. */
export const PLAIN_DELIVERIES: DeliveryRows = {
  values: columnsOf,
  columns: DELIVERY_COLUMNS,
};

/** For steps that compare contents with the ledger's, which may be those of earlier releases. */
export const COMPARED_DELIVERIES: DeliveryRows = {
  values: (batch) => ({ ...columnsOf(batch), former_hash: { type: 'bigint', values: batch.formerHashes() } }),
  columns: sql.fragment`${DELIVERY_COLUMNS}, d.former_hash`,
};

/** Whether row `l` of the ledger is of the content of delivery `d`; null without such a row. */
export const SAME_CONTENT = sql.fragment`
  (l.organization_id = d.organization_id AND l.content_hash IN (d.content_hash, d.former_hash))
`;

/**
 * One row of the events log per delivery; none for one that is read again, or that has failed before.
 * @param which what of the step `outcome` is logged
 * @param whenLogged what to do where there is a row already
 */
export function loggedStep(runId: string, which: FragmentSqlToken, whenLogged: FragmentSqlToken): FragmentSqlToken {
  return sql.fragment`
    logged AS (
      INSERT INTO analytics.crm_events_log AS log (
        id, event_id, event_type, topic, partition, "offset", organization_id, event_timestamp, processing_status,
        error_message, ingestion_id, metadata, topic_incarnation, schema_id
      )
      SELECT id, event_id, event_type, topic, partition, "offset", organization_id, event_timestamp, status, error,
        ${runId}::uuid, CASE WHEN reason IS NOT NULL THEN jsonb_build_object('reason', reason) END, incarnation,
        NULLIF(schema_id, 0)
      FROM outcome
      WHERE reason IS DISTINCT FROM 'reread' AND failed_id IS NULL AND ${which}
      ${whenLogged}
      RETURNING topic, partition, "offset", topic_incarnation
    )
  `;
}

export const EVERY_DELIVERY = sql.fragment`true`;

export const WHAT_CHANGED = sql.fragment`status IN ('processed', 'failed', 'dead')`;

export const KEEP_AS_LOGGED = sql.fragment`
  ON CONFLICT (topic, partition, "offset", event_timestamp, topic_incarnation) DO NOTHING
`;

export interface StagingSteps {
  steps: FragmentSqlToken[];
  /** How many rows they staged. */
  staged: FragmentSqlToken;
}

export function stagingSteps(columns: BatchColumns, runId: string): StagingSteps {
  const tables = tablesOf(columns);
  const counts = tables.map(({ name }) => sql.fragment`(SELECT count(*) FROM ${sql.identifier([name])})`);
  const fill = {
    runId,
    id: sql.fragment`d.id`,
    from: sql.fragment`JOIN outcome d ON d.ord = i.ord AND d.status = 'processed'`,
    onConflict: sql.fragment``,
  };
  return {
    steps: [
      outcomeSteps(columns, runId),
      ...tables.map((table) => fillStep(table, rowsOf(table.values(columns)), fill)),
    ],
    staged: sql.fragment`${sql.join([sql.fragment`0`, ...counts], sql.fragment` + `)}`,
  };
}

function outcomeSteps({ deliveries, rejected }: BatchColumns, runId: string): FragmentSqlToken {
  // What is refused now may have been staged when it was read before, by other rules or at another time.
  const mayBeKnown =
    rejected.ord.length > 0 || deliveries.status.includes('late') || deliveries.status.includes('suppressed')
      ? sql.fragment`OR (d.status IN ('failed', 'dead', 'late', 'suppressed') AND d.event_id IS NOT NULL)`
      : sql.fragment``;
  return sql.fragment`
    won AS (
      INSERT INTO analytics.crm_event_ledger (
        event_id, organization_id, entity, source_id, partition, "offset", event_timestamp, run_id, content_hash
      )
      SELECT DISTINCT ON (event_id)
        event_id, organization_id, entity, source_id, partition, "offset", event_timestamp, ${runId}::uuid,
        content_hash
      FROM delivery
      WHERE status = 'stage'
      ORDER BY event_id, ord
      ON CONFLICT (event_id) DO NOTHING
      RETURNING event_id, organization_id, source_id, partition, "offset", content_hash
    ),
    outcome AS MATERIALIZED (
      SELECT d.ord, d.slice, d.topic, d.incarnation, d.source_id, d.partition, d."offset", d.event_id, d.event_type,
        d.organization_id, d.event_timestamp, d.id, d.error, d.failed_id, d.schema_id,
        CASE
          WHEN d.status = 'stage' AND (w.source_id, w.partition, w."offset") = (d.source_id, d.partition, d."offset")
            THEN 'processed'
          WHEN d.status = 'stage' OR (l.source_id, l.partition, l."offset") = (d.source_id, d.partition, d."offset")
            THEN 'skipped'
          WHEN d.status IN ('late', 'suppressed') THEN 'filtered'
          ELSE d.status
        END AS status,
        CASE
          WHEN (l.source_id, l.partition, l."offset") = (d.source_id, d.partition, d."offset") THEN 'reread'
          WHEN d.status IN ('late', 'suppressed') THEN d.status
          WHEN d.status <> 'stage' THEN NULL
          WHEN w.event_id IS NOT NULL THEN
            CASE
              WHEN (w.source_id, w.partition, w."offset") = (d.source_id, d.partition, d."offset") THEN NULL
              WHEN (w.organization_id, w.content_hash) = (d.organization_id, d.content_hash) THEN 'duplicate'
              ELSE 'conflict'
            END
          WHEN l.source_id IS NULL THEN 'unresolved'
          WHEN ${SAME_CONTENT} THEN 'duplicate'
          ELSE 'conflict'
        END AS reason
      FROM delivery d
      LEFT JOIN won w ON w.event_id = d.event_id AND d.status = 'stage'
      LEFT JOIN LATERAL (
        SELECT known.organization_id, known.source_id, known.partition, known."offset", known.content_hash
        FROM analytics.crm_event_ledger known
        WHERE ((d.status = 'stage' AND w.event_id IS NULL) ${mayBeKnown}) AND known.event_id = d.event_id
        OFFSET 0 -- one look-up by key for each loser, never a join with the whole ledger
      ) l ON true
    )
  `;
}
