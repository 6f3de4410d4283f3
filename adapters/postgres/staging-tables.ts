/** The three staging tables: what the columns of each are filled with. What they have in common is in staging-steps.ts. */
import { type FragmentSqlToken, sql } from 'slonik';
import type { BatchColumns } from './batch-columns.ts';
import { bigints, ints, texts } from './column-fragments.ts';

export interface StagingTable {
  /** Also the name of the step that fills it. */
  name: 'leads' | 'contacts' | 'opportunities';
  table: 'crm_leads_staging' | 'crm_contacts_staging' | 'crm_opportunities_staging';
  /** As in crm_event_ledger. */
  entity: 1 | 2 | 3;
  columns: ReadonlyArray<readonly [name: string, value: FragmentSqlToken]>;
  /** How many rows the batch has for it. */
  rows(batch: BatchColumns): number;
  /** Those rows as `i`; `i.ord` is that of their delivery. */
  source(batch: BatchColumns): FragmentSqlToken;
}

const PERSON = [
  ['first_name', sql.fragment`i.first_name`],
  ['last_name', sql.fragment`i.last_name`],
  ['email', sql.fragment`i.email`],
  ['phone', sql.fragment`i.phone`],
  ['company', sql.fragment`i.company`],
  ['title', sql.fragment`i.title`],
] as const;

const LIFECYCLE = [
  ['created_at', sql.fragment`to_timestamp(i.created_ms::double precision / 1000)`],
  ['updated_at', sql.fragment`to_timestamp(i.updated_ms::double precision / 1000)`],
  ['metadata', sql.fragment`i.metadata::jsonb`],
] as const;

const LEADS: StagingTable = {
  name: 'leads',
  table: 'crm_leads_staging',
  entity: 1,
  columns: [
    ['lead_id', sql.fragment`i.lead_id`],
    ...PERSON,
    ['source', sql.fragment`i.source`],
    ['status', sql.fragment`i.status`],
    ['score', sql.fragment`i.score`],
    ['assigned_to', sql.fragment`i.assigned_to`],
    ...LIFECYCLE,
  ],
  rows: ({ leads }) => leads.ord.length,
  source: ({ leads }) => sql.fragment`
    unnest(
      ${bigints(leads.ord)}, ${texts(leads.leadId)}, ${texts(leads.firstName)},
      ${texts(leads.lastName)}, ${texts(leads.email)}, ${texts(leads.phone)}, ${texts(leads.company)},
      ${texts(leads.title)}, ${texts(leads.source)}, ${texts(leads.status)}, ${ints(leads.score)},
      ${texts(leads.assignedTo)}, ${bigints(leads.createdAt)}, ${bigints(leads.updatedAt)}, ${texts(leads.metadata)}
    ) AS i(
      ord, lead_id, first_name, last_name, email, phone, company, title, source, status, score, assigned_to,
      created_ms, updated_ms, metadata
    )
  `,
};

const CONTACTS: StagingTable = {
  name: 'contacts',
  table: 'crm_contacts_staging',
  entity: 2,
  columns: [['contact_id', sql.fragment`i.contact_id`], ...PERSON, ['lead_id', sql.fragment`i.lead_id`], ...LIFECYCLE],
  rows: ({ contacts }) => contacts.ord.length,
  source: ({ contacts }) => sql.fragment`
    unnest(
      ${bigints(contacts.ord)}, ${texts(contacts.contactId)}, ${texts(contacts.firstName)},
      ${texts(contacts.lastName)}, ${texts(contacts.email)}, ${texts(contacts.phone)}, ${texts(contacts.company)},
      ${texts(contacts.title)}, ${texts(contacts.leadId)}, ${bigints(contacts.createdAt)},
      ${bigints(contacts.updatedAt)}, ${texts(contacts.metadata)}
    ) AS i(
      ord, contact_id, first_name, last_name, email, phone, company, title, lead_id, created_ms, updated_ms, metadata
    )
  `,
};

const OPPORTUNITIES: StagingTable = {
  name: 'opportunities',
  table: 'crm_opportunities_staging',
  entity: 3,
  columns: [
    ['opportunity_id', sql.fragment`i.opportunity_id`],
    ['name', sql.fragment`i.name`],
    ['lead_id', sql.fragment`i.lead_id`],
    ['contact_id', sql.fragment`i.contact_id`],
    ['amount', sql.fragment`i.amount::numeric`],
    ['currency', sql.fragment`i.currency`],
    ['stage', sql.fragment`i.stage`],
    ['probability', sql.fragment`i.probability`],
    ['expected_close_date', sql.fragment`DATE '1970-01-01' + i.close_day`],
    ...LIFECYCLE,
  ],
  rows: ({ opportunities }) => opportunities.ord.length,
  source: ({ opportunities }) => sql.fragment`
    unnest(
      ${bigints(opportunities.ord)}, ${texts(opportunities.opportunityId)},
      ${texts(opportunities.name)}, ${texts(opportunities.leadId)}, ${texts(opportunities.contactId)},
      ${texts(opportunities.amount)}, ${texts(opportunities.currency)}, ${texts(opportunities.stage)},
      ${ints(opportunities.probability)}, ${ints(opportunities.expectedCloseDate)}, ${bigints(opportunities.createdAt)},
      ${bigints(opportunities.updatedAt)}, ${texts(opportunities.metadata)}
    ) AS i(
      ord, opportunity_id, name, lead_id, contact_id, amount, currency, stage, probability, close_day, created_ms,
      updated_ms, metadata
    )
  `,
};

const TABLES: readonly StagingTable[] = [LEADS, CONTACTS, OPPORTUNITIES];

/** The tables that a batch has rows for: planning a step for an empty one would cost a small batch dearly. */
export function tablesOf(batch: BatchColumns): StagingTable[] {
  return TABLES.filter(({ rows }) => rows(batch) > 0);
}

/**
 * Fills a table.
 * @param id of the row, over the steps that `from` joins
 * @param from joins a step `d` with the columns of a delivery
 */
export function fillStep(
  staging: StagingTable,
  batch: BatchColumns,
  {
    runId,
    id,
    from,
    onConflict,
  }: { runId: string; id: FragmentSqlToken; from: FragmentSqlToken; onConflict: FragmentSqlToken },
): FragmentSqlToken {
  const { name, table, columns } = staging;
  const names = sql.join(
    columns.map(([column]) => sql.identifier([column])),
    COMMA,
  );
  const values = sql.join(
    columns.map(([, value]) => value),
    COMMA,
  );
  return sql.fragment`
    ${sql.identifier([name])} AS (
      INSERT INTO ${sql.identifier(['analytics', table])} (
        id, event_id, organization_id, event_timestamp, event_type, ingestion_id, ${names}
      )
      SELECT ${id}, d.event_id, d.organization_id, d.event_timestamp, d.event_type, ${runId}::uuid, ${values}
      FROM ${staging.source(batch)}
      ${from}
      ${onConflict}
      RETURNING event_id
    )
  `;
}

const COMMA = sql.fragment`, `;
