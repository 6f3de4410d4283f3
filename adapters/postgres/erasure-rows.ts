/**
 * Erasing in every table that holds rows of leads, contacts or opportunities: partitions, DEFAULT partitions, what is
 * being drained or was archived, and rows that were overwritten. A table is gone through by windows of blocks, once:
 * writers who know the suppression list put nothing about the subject into blocks that lie behind.
 */
import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { BlockWindow, ErasureTable, RunningErasure } from '../../activities/erasure-ports.ts';
import type { ErasurePlace, ErasureRecord } from '../../domain/erasure.ts';
import { ENTITIES } from '../../domain/events.ts';
import { hasAddress, isAbout, isErased, isRecord, NOT_HELD, ROW_FIELDS } from './erasure-match.ts';

/** Tables are told by their columns: whatever else they are called, their rows may be about somebody. */
export async function erasureTables(connection: CommonQueryMethods, oid: number): Promise<ErasureTable[]> {
  const tables = await connection.any(sql.type(
    z.object({
      oid: z.number(),
      schema: z.string(),
      name: z.string(),
      holds: z.enum([...ENTITIES, 'overwritten']),
      blocks: z.number(),
    }),
  )`
    SELECT t.oid, t.schema, t.name, t.holds, pg_relation_size(t.oid::oid) / current_setting('block_size')::int AS blocks
    FROM (
      SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
        CASE
          WHEN a.columns @> ARRAY['opportunity_id', 'event_id'] THEN 'opportunity'
          WHEN a.columns @> ARRAY['contact_id', 'email', 'event_id'] THEN 'contact'
          WHEN a.columns @> ARRAY['lead_id', 'email', 'event_id'] THEN 'lead'
          WHEN c.relname = 'crm_overwritten_rows' THEN 'overwritten'
        END AS holds
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      CROSS JOIN LATERAL (
        SELECT array_agg(a.attname::text) AS columns FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
      ) a
      WHERE c.relkind = 'r' AND n.nspname IN ('analytics', 'analytics_archive') AND c.oid::bigint >= ${oid}
    ) t
    WHERE t.holds IS NOT NULL
    ORDER BY t.oid
  `);
  return [...tables];
}

/** @see ErasureStore.findRecords */
export async function findRecords(
  connection: CommonQueryMethods,
  erasure: RunningErasure,
  table: ErasureTable,
  window: BlockWindow,
): Promise<ErasureRecord[]> {
  if (erasure.subject.kind !== 'email') return [];
  const { entity, recordId, email } = ROW_FIELDS[table.holds];
  const found = await connection.any(sql.type(
    z.object({ entity: z.enum(ENTITIES), id: z.string(), organizationId: z.string() }),
  )`
    SELECT DISTINCT (ARRAY['lead', 'contact', 'opportunity'])[${entity}] AS entity, ${recordId} AS id,
      t.organization_id AS "organizationId"
    FROM ONLY ${nameOf(table)} t
    WHERE ${isIn(window)} AND ${hasAddress(erasure, email)} AND ${NOT_HELD}
  `);
  return [...found];
}

/** @see ErasureStore.eraseRows */
export async function eraseRows(
  connection: CommonQueryMethods,
  erasure: RunningErasure,
  table: ErasureTable,
  window: BlockWindow,
): Promise<void> {
  for (const statement of linkStatements(erasure, table, window)) {
    await connection.query(statement);
  }
  const keepsRows = erasure.action === 'pseudonymize' && (table.holds === 'lead' || table.holds === 'contact');
  await connection.query(keepsRows ? pseudonymizing(erasure, table, window) : deleting(erasure, table, window));
}

/** @see ErasureStore.countRows */
export function countRows(
  connection: CommonQueryMethods,
  erasure: RunningErasure,
  table: ErasureTable,
  window: BlockWindow,
): Promise<{ left: number; held: number }> {
  const fields = ROW_FIELDS[table.holds];
  return connection.one(sql.type(z.object({ left: z.number(), held: z.number() }))`
    SELECT count(*) FILTER (WHERE f.is_free) AS "left", count(*) FILTER (WHERE NOT f.is_free) AS held
    FROM (
      SELECT ${NOT_HELD} AS is_free
      FROM ONLY ${nameOf(table)} t
      WHERE ${isIn(window)} AND ${isAbout(erasure, fields)}
    ) f
  `);
}

/** What the ledger knows of rows that were archived is settled: they count as retired. */
function deleting(erasure: RunningErasure, table: ErasureTable, window: BlockWindow) {
  const { erasureId } = erasure;
  const isStaged = table.schema === 'analytics' && table.holds !== 'overwritten';
  return sql.unsafe`
    WITH gone AS (
      DELETE FROM ONLY ${nameOf(table)} t
      WHERE ${isIn(window)} AND ${isErased(erasure, ROW_FIELDS[table.holds])} AND ${NOT_HELD}
      RETURNING t.event_id
    ),
    ledger AS (
      UPDATE analytics.crm_event_ledger l
      SET erased_by = ${erasureId}::uuid
      WHERE ${isStaged} AND l.event_id = ANY (ARRAY(SELECT event_id FROM gone)) -- by key, never a join with the whole
    )
    ${counting(erasureId, table.name, 'deleted', sql.fragment`gone`)}
  `;
}

/** Ids of people become tokens, what is personal goes; a link that was not cut before may tell who it is. */
function pseudonymizing(erasure: RunningErasure, table: ErasureTable, window: BlockWindow) {
  const { entity, recordId } = ROW_FIELDS[table.holds];
  const own =
    table.holds === 'lead'
      ? sql.fragment`lead_id = r.token, assigned_to = NULL`
      : sql.fragment`contact_id = r.token, lead_id = CASE WHEN t.lead_id LIKE 'erased-%' THEN t.lead_id END`;
  return sql.unsafe`
    WITH changed AS (
      UPDATE ONLY ${nameOf(table)} t
      SET ${own}, first_name = NULL, last_name = NULL, email = NULL, phone = NULL, company = NULL, title = NULL,
          metadata = NULL
      FROM analytics.crm_erasure_records r
      WHERE ${isIn(window)} AND ${isRecord(erasure.erasureId, entity, recordId)} AND ${NOT_HELD}
      RETURNING t.event_id
    )
    ${counting(erasure.erasureId, table.name, 'pseudonymized', sql.fragment`changed`)}
  `;
}

/** One statement for each link: tokens in the place of the ids of erased records, in rows that are about others. */
function linkStatements(erasure: RunningErasure, table: ErasureTable, window: BlockWindow) {
  if (erasure.subject.kind === 'organization') return [];
  const { erasureId } = erasure;
  return ROW_FIELDS[table.holds].links.map(({ column, entity, value }) => {
    const cut =
      table.holds === 'overwritten'
        ? sql.fragment`row = jsonb_set(t.row, ARRAY[${column}], to_jsonb(r.token))`
        : sql.fragment`${sql.identifier([column])} = r.token`;
    return sql.unsafe`
      WITH changed AS (
        UPDATE ONLY ${nameOf(table)} t
        SET ${cut}
        FROM analytics.crm_erasure_records r
        WHERE ${isIn(window)} AND ${isRecord(erasureId, sql.fragment`${entity}`, value)} AND ${NOT_HELD}
        RETURNING t.event_id
      )
      ${counting(erasureId, table.name, 'unlinked', sql.fragment`changed`)}
    `;
  });
}

/** Ends a statement: what its step `step` did is counted with it. */
export function counting(
  erasureId: string,
  place: string,
  what: ErasurePlace['what'],
  step: FragmentSqlToken,
): FragmentSqlToken {
  return sql.fragment`
    INSERT INTO analytics.crm_erasure_counts AS c (erasure_id, place, what, rows)
    SELECT ${erasureId}::uuid, ${place}, ${what}, count(*) FROM ${step} HAVING count(*) > 0
    ON CONFLICT (erasure_id, place, what) DO UPDATE SET rows = c.rows + EXCLUDED.rows
  `;
}

function nameOf({ schema, name }: ErasureTable): FragmentSqlToken {
  return sql.fragment`${sql.identifier([schema, name])}`;
}

function isIn({ from, to }: BlockWindow): FragmentSqlToken {
  return sql.fragment`t.ctid >= ${`(${from},0)`}::tid AND t.ctid < ${`(${to},0)`}::tid`;
}
