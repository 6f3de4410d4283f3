/** The three staging tables: what the columns of each are filled with. What they have in common is in staging-steps.ts. */
import { type FragmentSqlToken, sql } from 'slonik';
import type { BatchColumns } from './batch-columns.ts';
import { dates, instants, ints, jsonbs, rowsOf, texts } from './column-fragments.ts';

export interface StagingTable {
  /** Also the name of the step that fills it. */
  name: 'leads' | 'contacts' | 'opportunities';
  table: 'crm_leads_staging' | 'crm_contacts_staging' | 'crm_opportunities_staging';
  /** As in crm_event_ledger. */
  entity: 1 | 2 | 3;
  columns: ReadonlyArray<readonly [name: string, value: FragmentSqlToken]>;
  /** How many rows the batch has for it. */
  rows(batch: BatchColumns): number;
  /** Those rows; their `ord` is that of their delivery. */
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
  ['created_at', sql.fragment`i.created_at`],
  ['updated_at', sql.fragment`i.updated_at`],
  ['metadata', sql.fragment`i.metadata`],
] as const;

const lifecycle = ({ createdAt, updatedAt, metadata }: BatchColumns['leads' | 'contacts' | 'opportunities']) => ({
  created_at: instants(createdAt),
  updated_at: instants(updatedAt),
  metadata: jsonbs(metadata),
});

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
  source: ({ leads }) =>
    rowsOf({
      ord: ints(leads.ord),
      lead_id: texts(leads.leadId),
      first_name: texts(leads.firstName),
      last_name: texts(leads.lastName),
      email: texts(leads.email),
      phone: texts(leads.phone),
      company: texts(leads.company),
      title: texts(leads.title),
      source: texts(leads.source),
      status: texts(leads.status),
      score: ints(leads.score),
      assigned_to: texts(leads.assignedTo),
      ...lifecycle(leads),
    }),
};

const CONTACTS: StagingTable = {
  name: 'contacts',
  table: 'crm_contacts_staging',
  entity: 2,
  columns: [['contact_id', sql.fragment`i.contact_id`], ...PERSON, ['lead_id', sql.fragment`i.lead_id`], ...LIFECYCLE],
  rows: ({ contacts }) => contacts.ord.length,
  source: ({ contacts }) =>
    rowsOf({
      ord: ints(contacts.ord),
      contact_id: texts(contacts.contactId),
      first_name: texts(contacts.firstName),
      last_name: texts(contacts.lastName),
      email: texts(contacts.email),
      phone: texts(contacts.phone),
      company: texts(contacts.company),
      title: texts(contacts.title),
      lead_id: texts(contacts.leadId),
      ...lifecycle(contacts),
    }),
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
    ['expected_close_date', sql.fragment`i.expected_close_date`],
    ...LIFECYCLE,
  ],
  rows: ({ opportunities }) => opportunities.ord.length,
  source: ({ opportunities }) =>
    rowsOf({
      ord: ints(opportunities.ord),
      opportunity_id: texts(opportunities.opportunityId),
      name: texts(opportunities.name),
      lead_id: texts(opportunities.leadId),
      contact_id: texts(opportunities.contactId),
      amount: texts(opportunities.amount),
      currency: texts(opportunities.currency),
      stage: texts(opportunities.stage),
      probability: ints(opportunities.probability),
      expected_close_date: dates(opportunities.expectedCloseDate),
      ...lifecycle(opportunities),
    }),
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
      FROM ${staging.source(batch)} i
      ${from}
      ${onConflict}
      RETURNING event_id
    )
  `;
}

const COMMA = sql.fragment`, `;
