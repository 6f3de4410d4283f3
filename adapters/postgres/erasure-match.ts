/** Which rows are about the subject of an erasure: fragments over a row `t`. */
import { type FragmentSqlToken, sql } from 'slonik';
import type { ErasureTable, RunningErasure } from '../../activities/erasure-ports.ts';
import { normalEmail } from '../../domain/suppression.ts';
import { texts } from './column-fragments.ts';

/** What a table calls the fields that tell whom a row is about. */
export interface RowFields {
  /** As in crm_event_ledger. */
  entity: FragmentSqlToken;
  recordId: FragmentSqlToken;
  email: FragmentSqlToken;
  /** Fields that point to records of other entities. */
  links: ReadonlyArray<{ column: 'lead_id' | 'contact_id'; entity: 1 | 2; value: FragmentSqlToken }>;
}

const LEAD_LINK = { column: 'lead_id', entity: 1 } as const;
const CONTACT_LINK = { column: 'contact_id', entity: 2 } as const;

export const ROW_FIELDS: Readonly<Record<ErasureTable['holds'], RowFields>> = {
  lead: { entity: sql.fragment`1`, recordId: sql.fragment`t.lead_id`, email: sql.fragment`t.email`, links: [] },
  contact: {
    entity: sql.fragment`2`,
    recordId: sql.fragment`t.contact_id`,
    email: sql.fragment`t.email`,
    links: [{ ...LEAD_LINK, value: sql.fragment`t.lead_id` }],
  },
  opportunity: {
    entity: sql.fragment`3`,
    recordId: sql.fragment`t.opportunity_id`,
    email: sql.fragment`NULL::text`,
    links: [
      { ...LEAD_LINK, value: sql.fragment`t.lead_id` },
      { ...CONTACT_LINK, value: sql.fragment`t.contact_id` },
    ],
  },
  overwritten: {
    entity: sql.fragment`t.entity`,
    recordId: sql.fragment`t.row ->> (ARRAY['lead_id', 'contact_id', 'opportunity_id'])[t.entity]`,
    email: sql.fragment`t.row ->> 'email'`,
    links: [
      { ...LEAD_LINK, value: sql.fragment`CASE WHEN t.entity > 1 THEN t.row ->> 'lead_id' END` },
      { ...CONTACT_LINK, value: sql.fragment`CASE WHEN t.entity > 2 THEN t.row ->> 'contact_id' END` },
    ],
  },
};

/**
 * That a row is of the organization, or of a record that was named or found. A row with the address whose record was not
 * found yet is left for the search, or what else that record says would never be found.
 */
export function isErased({ erasureId, subject }: RunningErasure, fields: RowFields): FragmentSqlToken {
  return subject.kind === 'organization'
    ? sql.fragment`t.organization_id = ${subject.organizationId}`
    : sql.fragment`
        EXISTS (
          SELECT 1 FROM analytics.crm_erasure_records r
          WHERE ${isRecord(erasureId, fields.entity, fields.recordId)}
        )
      `;
}

/** That a row is about the subject in any way: also by its address, or by a link. */
export function isAbout(erasure: RunningErasure, fields: RowFields): FragmentSqlToken {
  return sql.fragment`(${isErased(erasure, fields)} OR ${hasAddress(erasure, fields.email)} OR ${isLinked(erasure, fields)})`;
}

/** That `r` of crm_erasure_records is the record with this id. */
export function isRecord(erasureId: string, entity: FragmentSqlToken, id: FragmentSqlToken): FragmentSqlToken {
  return sql.fragment`
    r.erasure_id = ${erasureId}::uuid AND r.entity = ${entity} AND r.record_id = ${id}
      AND r.organization_id IN ('', t.organization_id)
  `;
}

/** That a row points to a record of the erasure. */
function isLinked({ erasureId }: RunningErasure, { links }: RowFields): FragmentSqlToken {
  const each = links.map(
    ({ entity, value }) => sql.fragment`
      EXISTS (SELECT 1 FROM analytics.crm_erasure_records r WHERE ${isRecord(erasureId, sql.fragment`${entity}`, value)})
    `,
  );
  return each.length === 0 ? sql.fragment`false` : sql.fragment`(${sql.join(each, sql.fragment` OR `)})`;
}

/** What `trim` of normalEmail takes off. */
const WHITE_SPACE =
  '\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff';

/** That PostgreSQL lowers and composes letters of any script as normalEmail does, whatever the locale of the database. */
export const FOLDS_UNICODE = sql.fragment`(
  getdatabaseencoding() = 'UTF8' AND EXISTS (
    SELECT 1 FROM pg_collation c WHERE c.oid = to_regcollation('pg_catalog."und-x-icu"')
  )
)`;

/** That a field is the address of the subject as normalEmail compares them; false for other subjects. */
export function hasAddress(
  { subject, foldsUnicode }: Pick<RunningErasure, 'subject' | 'foldsUnicode'>,
  field: FragmentSqlToken,
): FragmentSqlToken {
  if (subject.kind !== 'email') return sql.fragment`false`;
  const normal = normalEmail(subject.email);
  return foldsUnicode
    ? sql.fragment`lower(btrim(normalize(${field}, NFC), ${WHITE_SPACE}) COLLATE pg_catalog."und-x-icu") = ${normal}`
    : sql.fragment`lower(btrim(${field}, ${WHITE_SPACE})) = ANY (${texts([...new Set([normal, normal.normalize('NFD')])])})`;
}

/** That no legal hold keeps a row. */
export const NOT_HELD = sql.fragment`
  NOT EXISTS (SELECT 1 FROM analytics.crm_legal_holds h WHERE h.organization_id = t.organization_id)
`;
