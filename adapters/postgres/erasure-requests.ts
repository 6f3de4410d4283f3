/** People's requests to redrive and to replay name organizations and records in their filters, and values in rules. */
import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { RunningErasure } from '../../activities/erasure-ports.ts';
import { hasAddress } from './erasure-match.ts';
import { counting } from './erasure-rows.ts';

/** Stands for what a request named. */
const ERASED = sql.fragment`'"erased"'::jsonb`;

/** @see ErasureStore.redactRequests */
export async function redactRequests(connection: CommonQueryMethods, erasure: RunningErasure): Promise<void> {
  for (const redaction of redactionsOf(erasure)) {
    await redact(connection, erasure.erasureId, redaction);
  }
  await redactConstants(connection, erasure);
}

/**
 * How many requests that have not ended name the subject. They go on with what they were given: another value would
 * change what they select and write, and what they would write of somebody erased is suppressed.
 */
export function requestsInUse(connection: CommonQueryMethods, erasure: RunningErasure): Promise<number> {
  const named = redactionsOf(erasure).map(
    ({ table, names }) => sql.fragment`
      SELECT t.${table === 'crm_redrives' ? sql.identifier(['redrive_id']) : sql.identifier(['replay_id'])}
      FROM ${sql.identifier(['analytics', table])} t
      WHERE NOT ${ENDED} AND ${names}
    `,
  );
  return connection.oneFirst(sql.type(z.object({ requests: z.number() }))`
    SELECT count(*) AS requests FROM (
      SELECT t.replay_id FROM analytics.crm_replays t WHERE NOT ${ENDED} AND ${namedByConstants(erasure)}
      UNION
      ${sql.join(named, sql.fragment` UNION `)}
    ) named
  `);
}

/** Of a redrive or a replay `t`. */
const ENDED = sql.fragment`(t.status NOT IN ('awaiting_approval', 'planning', 'running', 'paused'))`;

/**
 * That a request `t` may mean the record `r` by its id: one that is limited to another organization means its own record
 * of that id, and is none of this erasure's business.
 */
const MAY_MEAN = sql.fragment`
  r.organization_id IN ('', COALESCE(t.filter ->> 'organizationId', r.organization_id))
`;

/** That a replay `t` has the subject among the constants of its mapping of files. */
function namedByConstants(erasure: RunningErasure): FragmentSqlToken {
  const { erasureId, subject } = erasure;
  const value = sql.fragment`c.value`;
  const names =
    subject.kind === 'organization'
      ? sql.fragment`c.value = ${subject.organizationId}`
      : sql.fragment`(
          EXISTS (
            SELECT 1 FROM analytics.crm_erasure_records r
            WHERE r.erasure_id = ${erasureId}::uuid AND r.record_id = c.value AND ${MAY_MEAN}
          )
          OR ${hasAddress(erasure, value)}
        )`;
  return sql.fragment`
    CASE WHEN jsonb_typeof(t.selection #> '{reading,csv,constants}') = 'object' THEN EXISTS (
      SELECT 1 FROM jsonb_each_text(t.selection #> '{reading,csv,constants}') c WHERE ${names}
    ) ELSE false END
  `;
}

async function redactConstants(connection: CommonQueryMethods, erasure: RunningErasure): Promise<void> {
  const { erasureId } = erasure;
  await connection.query(sql.unsafe`
    WITH named AS MATERIALIZED (
      SELECT t.replay_id FROM analytics.crm_replays t WHERE ${ENDED} AND ${namedByConstants(erasure)}
    ),
    parts AS (
      UPDATE analytics.crm_replay_parts p
      SET file = jsonb_set(p.file, '{reading,csv,constants}', ${ERASED})
      FROM named n
      WHERE p.replay_id = n.replay_id AND p.file IS NOT NULL
    ),
    redacted AS (
      UPDATE analytics.crm_replays t
      SET selection = jsonb_set(t.selection, '{reading,csv,constants}', ${ERASED})
      FROM named n
      WHERE t.replay_id = n.replay_id
      RETURNING 1
    )
    ${counting(erasureId, 'crm_replays', 'redacted', sql.fragment`redacted`)}
  `);
}

interface Redaction {
  table: 'crm_redrives' | 'crm_replays';
  column: 'filter' | 'fix';
  field: string;
  /** Over a row `t`. */
  names: FragmentSqlToken;
}

function redactionsOf(erasure: RunningErasure): Redaction[] {
  const { erasureId, subject } = erasure;
  if (subject.kind === 'organization') {
    const names = sql.fragment`t.filter ->> 'organizationId' = ${subject.organizationId}`;
    return (['crm_redrives', 'crm_replays'] as const).map((table) => ({
      table,
      column: 'filter',
      field: 'organizationId',
      names,
    }));
  }
  const isRecord = (id: FragmentSqlToken, entity: FragmentSqlToken) => sql.fragment`
    EXISTS (
      SELECT 1 FROM analytics.crm_erasure_records r
      WHERE r.erasure_id = ${erasureId}::uuid AND r.record_id = ${id} AND ${entity} AND ${MAY_MEAN}
    )
  `;
  const value = sql.fragment`t.fix ->> 'value'`;
  const linked = isRecord(
    value,
    sql.fragment`(r.entity, t.fix ->> 'field') IN ((1::smallint, 'data.leadId'), (2::smallint, 'data.contactId'))`,
  );
  return [
    {
      table: 'crm_replays',
      column: 'filter',
      field: 'entityId',
      names: isRecord(sql.fragment`t.filter ->> 'entityId'`, sql.fragment`true`),
    },
    {
      table: 'crm_redrives',
      column: 'fix',
      field: 'value',
      names: sql.fragment`(${linked} OR ${hasAddress(erasure, value)})`,
    },
  ];
}

async function redact(
  connection: CommonQueryMethods,
  erasureId: string,
  { table, column, field, names }: Redaction,
): Promise<void> {
  const changed = sql.identifier([column]);
  await connection.query(sql.unsafe`
    WITH redacted AS (
      UPDATE ${sql.identifier(['analytics', table])} t
      SET ${changed} = jsonb_set(t.${changed}, ARRAY[${field}], ${ERASED})
      WHERE ${ENDED} AND ${names}
      RETURNING 1
    )
    ${counting(erasureId, table, 'redacted', sql.fragment`redacted`)}
  `);
}
