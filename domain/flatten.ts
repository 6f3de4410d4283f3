/** From a checked event to the columns of its staging table. */
import { toColumnAmount } from './amount.ts';
import { contentHash } from './content-hash.ts';
import type {
  CRMContact,
  CRMEventType,
  CRMLead,
  CRMOpportunity,
  DecimalText,
  EpochMillis,
  EventMetadata,
  Unchecked,
  WireEvent,
} from './events.ts';
import type { StagedContact, StagedEvent, StagedLead, StagedOpportunity } from './staging.ts';

/** The hash is taken of the finished columns, so it comes last. */
const NOT_YET = 0;

/** The columns of an event that has passed every check, hence the casts: what is required is there. */
export function flatten(event: WireEvent): StagedEvent {
  const staged = columnsOf(event);
  staged.contentHash = contentHash(staged);
  return staged;
}

function columnsOf(event: WireEvent): StagedEvent {
  switch (event.entity) {
    case 'lead':
      return leadColumns(event, event.data as CRMLead);
    case 'contact':
      return contactColumns(event, event.data as CRMContact);
    case 'opportunity':
      return opportunityColumns(event, event.data as CRMOpportunity);
  }
}

function leadColumns(event: WireEvent, lead: CRMLead): StagedLead {
  return {
    entity: 'lead',
    eventId: event.eventId as string,
    eventType: event.eventType as CRMEventType,
    organizationId: lead.organizationId,
    eventTimestamp: event.timestamp as EpochMillis,
    createdAt: lead.createdAt,
    updatedAt: lead.updatedAt,
    metadata: metadataJson(event.metadata),
    contentHash: NOT_YET,
    leadId: lead.id,
    firstName: lead.firstName,
    lastName: lead.lastName,
    email: lead.email,
    phone: lead.phone,
    company: lead.company,
    title: lead.title,
    source: lead.source,
    status: lead.status,
    score: lead.score,
    assignedTo: lead.assignedTo,
  };
}

function contactColumns(event: WireEvent, contact: CRMContact): StagedContact {
  return {
    entity: 'contact',
    eventId: event.eventId as string,
    eventType: event.eventType as CRMEventType,
    organizationId: contact.organizationId,
    eventTimestamp: event.timestamp as EpochMillis,
    createdAt: contact.createdAt,
    updatedAt: contact.updatedAt,
    metadata: metadataJson(event.metadata),
    contentHash: NOT_YET,
    contactId: contact.id,
    firstName: contact.firstName,
    lastName: contact.lastName,
    email: contact.email,
    phone: contact.phone,
    company: contact.company,
    title: contact.title,
    leadId: contact.leadId,
  };
}

function opportunityColumns(event: WireEvent, opportunity: CRMOpportunity): StagedOpportunity {
  return {
    entity: 'opportunity',
    eventId: event.eventId as string,
    eventType: event.eventType as CRMEventType,
    organizationId: opportunity.organizationId,
    eventTimestamp: event.timestamp as EpochMillis,
    createdAt: opportunity.createdAt,
    updatedAt: opportunity.updatedAt,
    metadata: metadataJson(event.metadata),
    contentHash: NOT_YET,
    opportunityId: opportunity.id,
    name: opportunity.name,
    leadId: opportunity.leadId,
    contactId: opportunity.contactId,
    amount: toColumnAmount(opportunity.amount) as DecimalText,
    currency: opportunity.currency,
    stage: opportunity.stage,
    probability: opportunity.probability,
    expectedCloseDate: opportunity.expectedCloseDate,
  };
}

/** What all events of a source have in common is spelt out once. */
let common = { source: null as string | null, version: null as string | null, json: '{' };

/** Absent values are left out, so that readers of the JSON need not tell null from missing. */
function metadataJson(metadata: Unchecked<EventMetadata> | null): string | null {
  if (metadata === null) return null;
  const { source, version, correlationId } = metadata;
  if (source !== common.source || version !== common.version) {
    const json = JSON.stringify({ source: source ?? undefined, version: version ?? undefined }).slice(0, -1);
    common = { source, version, json };
  }
  const { json } = common;
  if (correlationId === null) return `${json}}`;
  return `${json}${json === '{' ? '' : ','}"correlationId":${JSON.stringify(correlationId)}}`;
}
