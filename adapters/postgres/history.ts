/**
 * Histories of entities. Everything is looked up by key: rows by entity id and time, of the partitions up to the moment
 * that is asked for; the ledger by event id, failed events by the coordinates of the delivery, and then the log by these
 * and by times. The log is asked by itself, since only times that are known beforehand keep its other partitions closed.
 */
import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { EntityHistories, EntityRef, EntityVersion, HistoryPlace } from '../../activities/history-ports.ts';
import type { Entity } from '../../domain/events.ts';
import { guarded } from './errors.ts';
import { loggedSchemas } from './history-log.ts';
import { isoTime } from './row-types.ts';

const text = (column: string) => sql.fragment`s.${sql.identifier([column])}`;
const time = (column: string) =>
  sql.fragment`to_char(s.${sql.identifier([column])} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const PERSON = {
  firstName: text('first_name'),
  lastName: text('last_name'),
  email: text('email'),
  phone: text('phone'),
  company: text('company'),
  title: text('title'),
};
const LIFECYCLE = { createdAt: time('created_at'), updatedAt: time('updated_at') };

interface Staged {
  table: string;
  /** The column of the entity's id. */
  id: string;
  data: Record<string, FragmentSqlToken>;
}

const STAGED: Record<Entity, Staged> = {
  lead: {
    table: 'crm_leads_staging',
    id: 'lead_id',
    data: {
      ...PERSON,
      source: text('source'),
      status: text('status'),
      score: text('score'),
      assignedTo: text('assigned_to'),
      ...LIFECYCLE,
    },
  },
  contact: {
    table: 'crm_contacts_staging',
    id: 'contact_id',
    data: { ...PERSON, leadId: text('lead_id'), ...LIFECYCLE },
  },
  opportunity: {
    table: 'crm_opportunities_staging',
    id: 'opportunity_id',
    data: {
      name: text('name'),
      leadId: text('lead_id'),
      contactId: text('contact_id'),
      amount: sql.fragment`s.amount::text`,
      currency: text('currency'),
      stage: text('stage'),
      probability: text('probability'),
      expectedCloseDate: sql.fragment`to_char(s.expected_close_date, 'YYYY-MM-DD')`,
      ...LIFECYCLE,
    },
  },
};

const run = z.object({
  ingestionId: z.string(),
  kind: z.enum(['live', 'retry', 'redrive', 'parked', 'replay', 'backfill']).nullable(),
});

const versionRow = z.object({
  at: z.number(),
  rowId: z.string(),
  eventId: z.string(),
  eventType: z.string(),
  processedAt: isoTime,
  data: z.record(z.string(), z.union([z.string(), z.number()]).nullable()),
  origin: z
    .object({ topic: z.string(), incarnation: z.number(), partition: z.number(), offset: z.number() })
    .nullable(),
  schemaId: z.number().nullable(),
  /** When its delivery was logged, in epoch milliseconds. */
  loggedAt: z.number(),
  corrected: z.boolean(),
  run,
  overwritten: z.array(z.object({ run, replacedBy: run, replacedAt: z.string() })),
});

export function createEntityHistories(connection: CommonQueryMethods): EntityHistories {
  return {
    owners: (entity, id, organizationId) => guarded(() => owners(connection, STAGED[entity], id, organizationId)),
    versions: (ref, page) => guarded(() => versions(connection, ref, page)),
  };
}

async function versions(
  connection: CommonQueryMethods,
  ...[ref, page]: Parameters<EntityHistories['versions']>
): Promise<EntityVersion[]> {
  const rows = await connection.any(versionsQuery(ref, page));
  const deliveries = rows.flatMap(({ rowId, schemaId, origin, loggedAt }) =>
    schemaId === null && origin !== null ? [{ rowId, ...origin, loggedAt }] : [],
  );
  const schemas = await loggedSchemas(connection, deliveries);
  const logged = new Map(deliveries.map(({ rowId }, index) => [rowId, schemas[index] ?? null]));
  return rows.map(({ loggedAt: _, ...row }) => ({
    ...row,
    schemaId: row.schemaId ?? logged.get(row.rowId) ?? null,
    eventTimestamp: new Date(row.at).toISOString(),
  }));
}

async function owners(
  connection: CommonQueryMethods,
  { table, id: column }: Staged,
  id: string,
  organizationId: string | null,
): Promise<string[]> {
  const found = await connection.anyFirst(sql.type(z.object({ organizationId: z.string() }))`
    SELECT DISTINCT s.organization_id AS "organizationId"
    FROM ${sql.identifier(['analytics', table])} s
    WHERE s.${sql.identifier([column])} = ${id} AND ${ofOrganization(organizationId)}
    LIMIT 2
  `);
  return [...found];
}

/** An expression, so that the index by organization is not taken for a way to find one entity. */
function ofOrganization(organizationId: string | null): FragmentSqlToken {
  return organizationId === null ? sql.fragment`true` : sql.fragment`s.organization_id || '' = ${organizationId}`;
}

/** @see EntityHistories.versions */
export function versionsQuery(
  { entity, id, organizationId }: EntityRef,
  { until, before, limit }: { until: number; before: HistoryPlace | null; limit: number },
) {
  const { table, id: column, data } = STAGED[entity];
  const fields = Object.entries(data).map(([name, value]) => sql.fragment`${name}::text, ${value}`);
  return sql.type(versionRow)`
    WITH version AS MATERIALIZED (
      SELECT s.id, s.event_id, s.event_type, s.event_timestamp, s.processed_at, s.ingestion_id,
        jsonb_build_object(${sql.join(fields, sql.fragment`, `)}) AS data
      FROM ${sql.identifier(['analytics', table])} s
      WHERE s.${sql.identifier([column])} = ${id} AND ${ofOrganization(organizationId)}
        AND s.event_timestamp <= ${new Date(until).toISOString()}::timestamptz ${isBefore(before)}
      ORDER BY s.event_timestamp DESC, s.id DESC
      LIMIT ${limit}
    )
    SELECT v.event_timestamp AS at, v.id AS "rowId", v.event_id AS "eventId", v.event_type AS "eventType",
      v.processed_at AS "processedAt", v.data, f.schema_id AS "schemaId",
      COALESCE(f.logged_at, o.staged_at, v.event_timestamp) AS "loggedAt",
      COALESCE(f.corrected, false) AS corrected, ${runOf(sql.fragment`v.ingestion_id`)} AS run,
      CASE WHEN k.source_id IS NOT NULL THEN jsonb_build_object(
        'topic', k.topic, 'incarnation', k.incarnation, 'partition', k.partition, 'offset', k."offset"
      ) END AS origin,
      o.overwritten
    FROM version v
    LEFT JOIN LATERAL (
      SELECT g.source_id, s.topic, s.incarnation, g.partition, g."offset"
      FROM analytics.crm_event_ledger g
      JOIN analytics.crm_sources s ON s.source_id = g.source_id
      WHERE g.event_id = v.event_id
      OFFSET 0
    ) k ON true
    LEFT JOIN LATERAL (
      SELECT e.event_timestamp AS logged_at, e.schema_id, e.correction IS NOT NULL AS corrected
      FROM analytics.crm_failed_events e
      WHERE e.source_id = k.source_id AND e.partition = k.partition AND e."offset" = k."offset"
      OFFSET 0
    ) f ON true
    CROSS JOIN LATERAL (
      SELECT (array_agg((w.row ->> 'event_timestamp')::timestamptz ORDER BY w.overwritten_id))[1] AS staged_at,
        COALESCE(jsonb_agg(jsonb_build_object(
          'run', ${runOf(sql.fragment`(w.row ->> 'ingestion_id')::uuid`)}, 'replacedBy', ${runOf(sql.fragment`w.replaced_by`)},
          'replacedAt', to_char(w.replaced_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        ) ORDER BY w.overwritten_id DESC), '[]') AS overwritten
      FROM analytics.crm_overwritten_rows w
      WHERE w.event_id = v.event_id
    ) o
    ORDER BY v.event_timestamp DESC, v.id DESC
  `;
}

function isBefore(place: HistoryPlace | null): FragmentSqlToken {
  return place === null
    ? sql.fragment``
    : sql.fragment`
        AND s.event_timestamp <= ${new Date(place.at).toISOString()}::timestamptz
        AND (s.event_timestamp, s.id) < (${new Date(place.at).toISOString()}::timestamptz, ${place.rowId}::uuid)
      `;
}

function runOf(ingestionId: FragmentSqlToken): FragmentSqlToken {
  return sql.fragment`jsonb_build_object(
    'ingestionId', ${ingestionId},
    'kind', (SELECT r.kind FROM analytics.crm_runs r WHERE r.run_id = ${ingestionId})
  )`;
}
