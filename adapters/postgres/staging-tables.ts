/** The three staging tables: what the columns of each are filled with. What they have in common is in staging-steps.ts. */
import { type FragmentSqlToken, sql } from 'slonik';
import type { BatchColumns } from './batch-columns.ts';
import type { Column } from './rows.ts';

export interface StagingTable {
  /** Also the name of the step that fills it. */
  name: 'leads' | 'contacts' | 'opportunities';
  table: 'crm_leads_staging' | 'crm_contacts_staging' | 'crm_opportunities_staging';
  /** As in crm_event_ledger. */
  entity: 1 | 2 | 3;
  /** Beside those that all tables have. */
  columns: readonly string[];
  /** How many rows the batch has for it. */
  rows(batch: BatchColumns): number;
  /** The columns of those rows, and `ord`, that of their delivery. */
  values(batch: BatchColumns): Record<string, Column>;
}

type Staged = 'leads' | 'contacts' | 'opportunities';
type ColumnType = Exclude<Column['type'], 'uuid'>;
/** The table's columns, each with its type and where a batch has its values. */
type Mapping<Name extends Staged> = Readonly<Record<string, readonly [ColumnType, keyof BatchColumns[Name]]>>;

function stagingTable<Name extends Staged>(
  { name, table, entity }: Pick<StagingTable, 'table' | 'entity'> & { name: Name },
  mapping: Mapping<Name>,
): StagingTable {
  return {
    name,
    table,
    entity,
    columns: Object.keys(mapping),
    rows: (batch) => batch[name].ord.length,
    values: (batch) => {
      const columns: Record<string, Column> = { ord: { type: 'int', values: batch[name].ord } };
      for (const [column, [type, key]] of Object.entries(mapping)) {
        columns[column] = { type, values: batch[name][key] } as Column;
      }
      return columns;
    },
  };
}

const PERSON = {
  first_name: ['text', 'firstName'],
  last_name: ['text', 'lastName'],
  email: ['text', 'email'],
  phone: ['text', 'phone'],
  company: ['text', 'company'],
  title: ['text', 'title'],
} as const;

const LIFECYCLE = {
  created_at: ['instant', 'createdAt'],
  updated_at: ['instant', 'updatedAt'],
  metadata: ['jsonb', 'metadata'],
} as const;

const LEADS = stagingTable(
  { name: 'leads', table: 'crm_leads_staging', entity: 1 },
  {
    lead_id: ['text', 'leadId'],
    ...PERSON,
    source: ['text', 'source'],
    status: ['text', 'status'],
    score: ['int', 'score'],
    assigned_to: ['text', 'assignedTo'],
    ...LIFECYCLE,
  },
);

const CONTACTS = stagingTable(
  { name: 'contacts', table: 'crm_contacts_staging', entity: 2 },
  { contact_id: ['text', 'contactId'], ...PERSON, lead_id: ['text', 'leadId'], ...LIFECYCLE },
);

const OPPORTUNITIES = stagingTable(
  { name: 'opportunities', table: 'crm_opportunities_staging', entity: 3 },
  {
    opportunity_id: ['text', 'opportunityId'],
    name: ['text', 'name'],
    lead_id: ['text', 'leadId'],
    contact_id: ['text', 'contactId'],
    amount: ['numeric', 'amount'],
    currency: ['text', 'currency'],
    stage: ['text', 'stage'],
    probability: ['int', 'probability'],
    expected_close_date: ['date', 'expectedCloseDate'],
    ...LIFECYCLE,
  },
);

const TABLES: readonly StagingTable[] = [LEADS, CONTACTS, OPPORTUNITIES];

/** The tables that a batch has rows for: planning a step for an empty one would cost a small batch dearly. */
export function tablesOf(batch: BatchColumns): StagingTable[] {
  return TABLES.filter(({ rows }) => rows(batch) > 0);
}

/**
 * Fills a table.
 * @param source its rows, with what `values` names
 * @param id of the row, over the steps that `from` joins
 * @param from joins a step `d` with the columns of a delivery
 */
export function fillStep(
  staging: StagingTable,
  source: FragmentSqlToken,
  {
    runId,
    id,
    from,
    onConflict,
  }: { runId: string; id: FragmentSqlToken; from: FragmentSqlToken; onConflict: FragmentSqlToken },
): FragmentSqlToken {
  const { name, table, columns } = staging;
  const names = sql.join(
    columns.map((column) => sql.identifier([column])),
    COMMA,
  );
  const values = sql.join(
    columns.map((column) => sql.identifier(['i', column])),
    COMMA,
  );
  return sql.fragment`
    ${sql.identifier([name])} AS (
      INSERT INTO ${sql.identifier(['analytics', table])} (
        id, event_id, organization_id, event_timestamp, event_type, ingestion_id, ${names}
      )
      SELECT ${id}, d.event_id, d.organization_id, d.event_timestamp, d.event_type, ${runId}::uuid, ${values}
      FROM ${source} i
      ${from}
      ${onConflict}
      RETURNING event_id
    )
  `;
}

const COMMA = sql.fragment`, `;
