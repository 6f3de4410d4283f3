import { hash } from 'node:crypto';
import type { StagedContact, StagedLead, StagedOpportunity } from './staging.ts';

type Unhashed<T> = Omit<T, 'contentHash' | 'eventId' | 'metadata'>;

/** What an event says, apart from which delivery of it says so. */
export type Content = Unhashed<StagedLead> | Unhashed<StagedContact> | Unhashed<StagedOpportunity>;

/**
 * 64 bits of a hash of an event's type, organization, time and data columns, as a signed decimal number for a
 * PostgreSQL bigint. Equal content gives equal numbers, whatever the metadata. The numbers are kept for as long as
 * the ledger is: a later version may add a column only as one that leaves the number alone while it is null.
 */
export function contentHash(content: Content): string {
  const digest = hash('sha256', canonicalText(content), 'hex');
  return BigInt.asIntN(64, BigInt(`0x${digest.slice(0, 16)}`)).toString();
}

/**
 * Names and values in a fixed order, each value with its length before it, so that no two contents give the same text.
 * Null columns are left out.
 */
function canonicalText(content: Content): string {
  return `${part('type', content.eventType)}${part('org', content.organizationId)}${part(
    'time',
    content.eventTimestamp,
  )}${part('created', content.createdAt)}${part('updated', content.updatedAt)}${entityText(content)}`;
}

function entityText(content: Content): string {
  switch (content.entity) {
    case 'lead':
      return `${part('id', content.leadId)}${personText(content)}${part('source', content.source)}${part(
        'status',
        content.status,
      )}${part('score', content.score)}${part('assigned', content.assignedTo)}`;
    case 'contact':
      return `${part('id', content.contactId)}${personText(content)}${part('lead', content.leadId)}`;
    case 'opportunity':
      return `${part('id', content.opportunityId)}${part('name', content.name)}${part('lead', content.leadId)}${part(
        'contact',
        content.contactId,
      )}${part('amount', content.amount)}${part('currency', content.currency)}${part('stage', content.stage)}${part(
        'probability',
        content.probability,
      )}${part('close', content.expectedCloseDate)}`;
  }
}

function personText(person: Unhashed<StagedLead> | Unhashed<StagedContact>): string {
  return `${part('first', person.firstName)}${part('last', person.lastName)}${part('email', person.email)}${part(
    'phone',
    person.phone,
  )}${part('company', person.company)}${part('title', person.title)}`;
}

function part(name: string, value: string | number | null): string {
  if (value === null) return '';
  const text = typeof value === 'string' ? value : `${value}`;
  return `${name}${text.length}:${text}`;
}
