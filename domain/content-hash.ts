import { hash } from 'node:crypto';
import type { StagedContact, StagedLead, StagedOpportunity } from './staging.ts';

type Unhashed<T> = Omit<T, 'contentHash' | 'eventId' | 'metadata'>;

/** What an event says, apart from which delivery of it says so. */
export type Content = Unhashed<StagedLead> | Unhashed<StagedContact> | Unhashed<StagedOpportunity>;

const BYTES_OF_NUMBER = 8;
const number = new DataView(new ArrayBuffer(BYTES_OF_NUMBER));

/**
 * 64 bits of a hash of an event's type, organization, time and data columns, as a signed decimal number for a
 * PostgreSQL bigint. Equal content gives equal numbers, whatever the metadata.
 */
export function contentHash(content: Content): string {
  // One character for each byte: of all forms of a digest the one that costs least to make and to read.
  const digest = hash('sha256', JSON.stringify(columns(content)), 'binary');
  for (let at = 0; at < BYTES_OF_NUMBER; at++) number.setUint8(at, digest.charCodeAt(at));
  return number.getBigInt64(0).toString();
}

/**
 * The hashed columns in an order that never changes: the numbers live as long as the ledger. A column that is added
 * later goes to the end, and only while it is not null, so that the events from before keep their numbers.
 */
function columns(content: Content): ReadonlyArray<string | number | null> {
  switch (content.entity) {
    case 'lead':
      return [
        content.eventType,
        content.organizationId,
        content.eventTimestamp,
        content.createdAt,
        content.updatedAt,
        content.leadId,
        content.firstName,
        content.lastName,
        content.email,
        content.phone,
        content.company,
        content.title,
        content.source,
        content.status,
        content.score,
        content.assignedTo,
      ];
    case 'contact':
      return [
        content.eventType,
        content.organizationId,
        content.eventTimestamp,
        content.createdAt,
        content.updatedAt,
        content.contactId,
        content.firstName,
        content.lastName,
        content.email,
        content.phone,
        content.company,
        content.title,
        content.leadId,
      ];
    case 'opportunity':
      return [
        content.eventType,
        content.organizationId,
        content.eventTimestamp,
        content.createdAt,
        content.updatedAt,
        content.opportunityId,
        content.name,
        content.leadId,
        content.contactId,
        content.amount,
        content.currency,
        content.stage,
        content.probability,
        content.expectedCloseDate,
      ];
  }
}
