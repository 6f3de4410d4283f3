/**
 * The Avro schemas of the four topics: what source systems write and what is registered for them. A schema is found by
 * the role that its topic plays, since the topics' names are configuration.
 */
import type { Entity } from './events.ts';

/** What a topic carries: `events` any entity, the others their own. */
export const TOPIC_ROLES = ['events', 'leads', 'contacts', 'opportunities'] as const;
export type TopicRole = (typeof TOPIC_ROLES)[number];

const ENTITY_BY_ROLE: Record<TopicRole, Entity | null> = {
  events: null,
  leads: 'lead',
  contacts: 'contact',
  opportunities: 'opportunity',
};

/** The only entity that a topic of this role carries, null when it carries all. */
export function expectedEntityOf(role: TopicRole): Entity | null {
  return ENTITY_BY_ROLE[role];
}

/** The registry's subject for a topic's values, by the TopicNameStrategy of the Confluent serializers. */
export function subjectOf(topic: string): string {
  return `${topic}-value`;
}

export interface AvroPrimitive {
  readonly type: 'string' | 'int' | 'long' | 'bytes' | 'boolean' | 'float' | 'double' | 'null';
  readonly logicalType?: string;
  readonly precision?: number;
  readonly scale?: number;
}

export type AvroSchema = AvroPrimitive['type'] | AvroPrimitive | AvroRecord | readonly AvroSchema[];

export interface AvroField {
  readonly name: string;
  readonly doc: string;
  readonly type: AvroSchema;
  readonly default?: null;
}

export interface AvroRecord {
  readonly type: 'record';
  readonly name: string;
  readonly namespace: string;
  readonly doc: string;
  readonly fields: readonly AvroField[];
}

/** Namespace of every record here. */
export const NAMESPACE = 'crm.events';

const TIMESTAMP = { type: 'long', logicalType: 'timestamp-millis' } as const;
const DATE = { type: 'int', logicalType: 'date' } as const;
const AMOUNT = { type: 'bytes', logicalType: 'decimal', precision: 15, scale: 2 } as const;

function field(name: string, type: AvroSchema, doc: string): AvroField {
  return { name, doc, type };
}

function optional(name: string, type: AvroSchema, doc: string): AvroField {
  return { name, doc, type: ['null', type], default: null };
}

function record(name: string, doc: string, fields: readonly AvroField[]): AvroRecord {
  return { type: 'record', name, namespace: NAMESPACE, doc, fields };
}

const PERSON: readonly AvroField[] = [
  field('firstName', 'string', 'Given name, at most 255 characters.'),
  field('lastName', 'string', 'Family name, at most 255 characters.'),
  field('email', 'string', 'E-mail address, at most 255 characters.'),
  optional('phone', 'string', 'Telephone number as the source writes it, at most 100 characters.'),
  optional('company', 'string', 'Name of the company, at most 255 characters.'),
  optional('title', 'string', 'Job title, at most 255 characters.'),
];

const LIFECYCLE: readonly AvroField[] = [
  field('createdAt', TIMESTAMP, 'When the source system created the record, in milliseconds since 1970 UTC.'),
  field('updatedAt', TIMESTAMP, 'When the source system last changed the record, in milliseconds since 1970 UTC.'),
  field('organizationId', 'string', 'The organization that owns the record: the same as the event’s.'),
];

const LEAD = record('CRMLead', 'A person or company that may become a customer, as it is after the event.', [
  field('id', 'string', 'The lead’s id in the source system, at most 255 characters.'),
  ...PERSON,
  field('source', 'string', 'Where the lead came from, such as web or partner, at most 100 characters.'),
  field('status', 'string', 'The lead’s state in the source system, at most 50 characters.'),
  optional('score', 'int', 'The source system’s own rating, a whole number without a unit.'),
  optional('assignedTo', 'string', 'Id of the salesperson, at most 255 characters.'),
  ...LIFECYCLE,
]);

const CONTACT = record('CRMContact', 'A known person at a customer, as it is after the event.', [
  field('id', 'string', 'The contact’s id in the source system, at most 255 characters.'),
  ...PERSON,
  optional('leadId', 'string', 'Id of the lead that this contact grew out of.'),
  ...LIFECYCLE,
]);

const OPPORTUNITY = record('CRMOpportunity', 'A possible sale, as it is after the event.', [
  field('id', 'string', 'The opportunity’s id in the source system, at most 255 characters.'),
  field('name', 'string', 'What people call the opportunity, at most 500 characters.'),
  optional('leadId', 'string', 'Id of the lead that this opportunity grew out of.'),
  optional('contactId', 'string', 'Id of the contact to sell to.'),
  field('amount', AMOUNT, 'Value in units of the currency, exact; negative for a credit.'),
  field('currency', 'string', 'ISO 4217 code, three capital letters such as EUR.'),
  field('stage', 'string', 'Step of the sales process, at most 100 characters.'),
  field('probability', 'int', 'Chance of winning in percent, 0 to 100.'),
  field('expectedCloseDate', DATE, 'Day on which the decision is expected, in days since 1970-01-01.'),
  ...LIFECYCLE,
]);

/** The record inside the envelopes that says who sent the event. */
export const METADATA_RECORD = record('EventMetadata', 'Who sent the event.', [
  field('source', 'string', 'The sending system.'),
  field('version', 'string', 'The sending system’s version of the event.'),
  optional('correlationId', 'string', 'Ties together the events of one business action.'),
]);

function envelope(name: string, doc: string, data: AvroSchema): AvroRecord {
  return record(name, doc, [
    field('eventId', 'string', 'Unique id given by the source, the idempotency key, at most 255 characters.'),
    field('eventType', 'string', 'What happened, such as lead.created. Text, since Avro’s enums allow no dots.'),
    field('organizationId', 'string', 'The organization that the event belongs to, at most 100 characters.'),
    field('timestamp', TIMESTAMP, 'When it happened in the source system, in milliseconds since 1970 UTC.'),
    field('data', data, 'The record as it is after the event.'),
    optional('metadata', METADATA_RECORD, 'Who sent the event.'),
  ]);
}

/** The schema of a topic's values, by the topic's role. */
export const SCHEMAS: Readonly<Record<TopicRole, AvroRecord>> = {
  events: envelope('CRMEvent', 'Anything that happened to a lead, a contact or an opportunity.', [
    LEAD,
    CONTACT,
    OPPORTUNITY,
  ]),
  leads: envelope('CRMLeadEvent', 'Something that happened to a lead.', LEAD),
  contacts: envelope('CRMContactEvent', 'Something that happened to a contact.', CONTACT),
  opportunities: envelope('CRMOpportunityEvent', 'Something that happened to an opportunity.', OPPORTUNITY),
};

/** The record that describes an entity inside the envelopes. */
export const ENTITY_RECORDS: Readonly<Record<Entity, AvroRecord>> = {
  lead: LEAD,
  contact: CONTACT,
  opportunity: OPPORTUNITY,
};
