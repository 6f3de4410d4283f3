/**
 * The catalogue of personal data in the words of the staging tables. Masked views, the documentation and tests are made
 * of it, so that none of them can forget a field.
 */
import { ENTITIES, type Entity } from './events.ts';
import { type Privacy, RECORD_CATALOGUE } from './pii.ts';

export type StagingTableName = 'crm_leads_staging' | 'crm_contacts_staging' | 'crm_opportunities_staging';

/** In the schema `analytics`. */
export const STAGING_TABLE: Readonly<Record<Entity, StagingTableName>> = {
  lead: 'crm_leads_staging',
  contact: 'crm_contacts_staging',
  opportunity: 'crm_opportunities_staging',
};

/** Of the event around the record, and our own. Metadata holds the sender's name, version and correlation id. */
const OF_EVERY_ROW = {
  id: 'open',
  event_id: 'open',
  event_timestamp: 'open',
  event_type: 'open',
  processed_at: 'open',
  metadata: 'open',
  ingestion_id: 'open',
} as const satisfies Record<string, Privacy>;

/**
 * How each column of each staging table is shown to those who may not see personal data. An `open` text that holds an
 * `@` is hidden all the same (see maskOpen): some sources make their ids of addresses.
 */
export const PRIVACY_OF_COLUMNS: Readonly<Record<StagingTableName, Readonly<Record<string, Privacy>>>> = {
  crm_leads_staging: columnsOf('lead'),
  crm_contacts_staging: columnsOf('contact'),
  crm_opportunities_staging: columnsOf('opportunity'),
};

function columnsOf(entity: Entity): Readonly<Record<string, Privacy>> {
  const fields = Object.entries<Privacy>(RECORD_CATALOGUE[entity]);
  return {
    ...OF_EVERY_ROW,
    ...Object.fromEntries(fields.map(([field, privacy]) => [columnOf(entity, field), privacy])),
  };
}

/** The column of a field: `firstName` → `first_name`; a record's own `id` is `lead_id` in the table of leads. */
export function columnOf(entity: Entity, field: string): string {
  return field === 'id' ? `${entity}_id` : field.replaceAll(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`);
}

interface StoredField {
  privacy: Exclude<Privacy, 'open'>;
  /** `table.column` */
  columns: string[];
}

/** Where each personal field of a record is stored: table and column, by the names of fields. */
export function storedPersonalData(): ReadonlyMap<string, StoredField> {
  const found = new Map<string, StoredField>();
  for (const entity of ENTITIES) {
    for (const [field, privacy] of Object.entries<Privacy>(RECORD_CATALOGUE[entity])) {
      if (privacy === 'open') continue;
      const entry = found.get(field) ?? { privacy, columns: [] };
      entry.columns.push(`${STAGING_TABLE[entity]}.${columnOf(entity, field)}`);
      found.set(field, entry);
    }
  }
  return found;
}

/** The names of all personal fields of records. */
export const PERSONAL_FIELDS: readonly string[] = [...storedPersonalData().keys()];
