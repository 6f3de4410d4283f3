import { hash } from 'node:crypto';
import type { Content } from './content-hash.ts';
import type { StagedEvent } from './staging.ts';

const BYTES_OF_NUMBER = 8;
const number = new DataView(new ArrayBuffer(BYTES_OF_NUMBER));

/**
 * The content hash as releases up to 0.4.0 wrote it to the ledger, where such numbers stay for years: 64 bits of the
 * SHA-256 of the same columns as JSON. It costs several times as much as contentHash, so it is taken only for what is
 * compared with the ledger.
 */
export function formerContentHash(content: Content): bigint {
  // One character for each byte: of all forms of a digest the one that costs least to make and to read.
  const digest = hash('sha256', JSON.stringify(columns(content)), 'binary');
  for (let at = 0; at < BYTES_OF_NUMBER; at++) number.setUint8(at, digest.charCodeAt(at));
  return number.getBigInt64(0);
}

/** That of the event as it came. */
export function formerHashOf(event: StagedEvent): bigint {
  return event.formerHash ?? formerContentHash(event);
}

/** No column is ever added here: no release writes such numbers any more. */
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
