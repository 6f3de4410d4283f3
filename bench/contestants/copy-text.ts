// Staged events in the text format of COPY (PostgreSQL documentation, "COPY, File Formats, Text Format").
import { randomUUID } from 'node:crypto';
import type { Entity } from '../../domain/events.ts';
import type { StagedEvent } from '../../domain/staging.ts';

type Value = string | number | null;

const DAY_MS = 86_400_000;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

const timestamp = (milliseconds: number) => new Date(milliseconds).toISOString();
const day = (days: number) => timestamp(days * DAY_MS).slice(0, 10);

/** Columns that every staging table has, beginning with the keys. */
function commonColumns(event: StagedEvent, ingestionId: string): Record<string, Value> {
  return {
    id: randomUUID(),
    event_id: event.eventId,
    organization_id: event.organizationId,
    event_timestamp: timestamp(event.eventTimestamp),
    event_type: event.eventType,
    created_at: timestamp(event.createdAt),
    updated_at: timestamp(event.updatedAt),
    metadata: event.metadata,
    ingestion_id: ingestionId,
  };
}

function ownColumns(event: StagedEvent): Record<string, Value> {
  switch (event.entity) {
    case 'lead':
      return {
        lead_id: event.leadId,
        ...person(event),
        source: event.source,
        status: event.status,
        score: event.score,
        assigned_to: event.assignedTo,
      };
    case 'contact':
      return { contact_id: event.contactId, ...person(event), lead_id: event.leadId };
    case 'opportunity':
      return {
        opportunity_id: event.opportunityId,
        name: event.name,
        lead_id: event.leadId,
        contact_id: event.contactId,
        amount: event.amount,
        currency: event.currency,
        stage: event.stage,
        probability: event.probability,
        expected_close_date: day(event.expectedCloseDate),
      };
  }
}

function person(event: Extract<StagedEvent, { firstName: string }>): Record<string, Value> {
  return {
    first_name: event.firstName,
    last_name: event.lastName,
    email: event.email,
    phone: event.phone,
    company: event.company,
    title: event.title,
  };
}

export interface CopyInput {
  entity: Entity;
  columns: string[];
  /** Ready to be sent. */
  text: Buffer;
}

/** One COPY for each staging table that the events have rows for. */
export function copyInputs(events: readonly StagedEvent[], ingestionId: string): CopyInput[] {
  return [...Map.groupBy(events, ({ entity }) => entity)].map(([entity, own]) => {
    const rows = own.map((event) => ({ ...commonColumns(event, ingestionId), ...ownColumns(event) }));
    const lines = rows.map((row) => `${Object.values(row).map(copyValue).join('\t')}\n`);
    return { entity, columns: Object.keys(rows[0] ?? {}), text: Buffer.from(lines.join('')) };
  });
}

/** A value as COPY reads it, with what would end it escaped. */
export function copyValue(value: Value): string {
  if (value === null) return '\\N';
  return String(value).replace(/[\\\t\n\r]/g, (character) => ESCAPES[character] ?? character);
}
