/** People's requests to redrive and to replay name organizations and records in their filters, and values in rules. */
import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
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
}

interface Redaction {
  table: 'crm_redrives' | 'crm_replays';
  column: 'filter' | 'fix';
  field: string;
  /** Over a row `t`. */
  names: FragmentSqlToken;
}

function redactionsOf({ erasureId, subject }: RunningErasure): Redaction[] {
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
      WHERE r.erasure_id = ${erasureId}::uuid AND r.record_id = ${id} AND ${entity}
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
    { table: 'crm_redrives', column: 'fix', field: 'value', names: linked },
    ...(subject.kind === 'email'
      ? [{ table: 'crm_redrives', column: 'fix', field: 'value', names: hasAddress(subject.email, value) } as const]
      : []),
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
      WHERE ${names}
      RETURNING 1
    )
    ${counting(erasureId, table, 'redacted', sql.fragment`redacted`)}
  `);
}
