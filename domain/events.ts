/**
 * The vocabulary of CRM events. The names, fields and event types are the product's contract with the source systems.
 */

export const EVENT_TYPES = [
  'lead.created',
  'lead.updated',
  'lead.converted',
  'contact.created',
  'contact.updated',
  'opportunity.created',
  'opportunity.updated',
  'opportunity.won',
  'opportunity.lost',
] as const;

/** What happened; the part before the dot names the entity that `data` describes. */
export type CRMEventType = (typeof EVENT_TYPES)[number];

export const ENTITIES = ['lead', 'contact', 'opportunity'] as const;

/** A kind of CRM record; each has its own topic and its own staging table. */
export type Entity = (typeof ENTITIES)[number];

const ENTITY_OF: ReadonlyMap<string, Entity> = new Map(
  EVENT_TYPES.map((type) => [type, type.slice(0, type.indexOf('.')) as Entity]),
);

/** The entity an event type belongs to, or undefined for a type that is not ours. */
export function entityOf(eventType: string): Entity | undefined {
  return ENTITY_OF.get(eventType);
}

/** Milliseconds since 1970-01-01T00:00:00Z, the form in which Avro's `timestamp-millis` arrives. */
export type EpochMillis = number;

/** Days since 1970-01-01, the form in which Avro's `date` arrives. */
export type EpochDays = number;

/** An exact decimal number as text, such as `1250.00`; amounts never pass through a float. */
export type DecimalText = string;

/** A person or company that may become a customer. */
export interface CRMLead {
  /** The lead's id in the source system. */
  id: string;
  firstName: string;
  lastName: string;
  email: string;
  phone: string | null;
  company: string | null;
  /** Job title. */
  title: string | null;
  /** Where the lead came from, such as `web` or `partner`. */
  source: string;
  status: string;
  /** The source system's own rating, a whole number without a unit. */
  score: number | null;
  /** Id of the salesperson. */
  assignedTo: string | null;
  createdAt: EpochMillis;
  updatedAt: EpochMillis;
  organizationId: string;
}

/** A known person at a customer. */
export interface CRMContact {
  /** The contact's id in the source system. */
  id: string;
  firstName: string;
  lastName: string;
  email: string;
  phone: string | null;
  company: string | null;
  /** Job title. */
  title: string | null;
  /** The lead this contact grew out of. */
  leadId: string | null;
  createdAt: EpochMillis;
  updatedAt: EpochMillis;
  organizationId: string;
}

/** A possible sale. */
export interface CRMOpportunity {
  /** The opportunity's id in the source system. */
  id: string;
  name: string;
  leadId: string | null;
  contactId: string | null;
  /** In units of `currency` (not cents), exact, at most 13 digits before and 2 after the point. */
  amount: DecimalText;
  /** ISO 4217 code, three letters. */
  currency: string;
  stage: string;
  /** Chance of winning in percent, 0 to 100. */
  probability: number;
  expectedCloseDate: EpochDays;
  createdAt: EpochMillis;
  updatedAt: EpochMillis;
  organizationId: string;
}

/** Who sent the event. */
export interface EventMetadata {
  /** The sending system. */
  source: string;
  /** The sending system's version of the event. */
  version: string;
  /** Ties together the events of one business action. */
  correlationId: string | null;
}

/** A record as it was decoded: a source may leave out what its schema lets it leave out, required here or not. */
export type Unchecked<T> = { [K in keyof T]: T[K] | null };

interface WireEnvelope {
  /** Unique id given by the source; the idempotency key. */
  eventId: string | null;
  eventType: string | null;
  organizationId: string | null;
  /** When it happened in the source system. */
  timestamp: EpochMillis | null;
  metadata: Unchecked<EventMetadata> | null;
}

/**
 * An event as it travels in Kafka, after Avro decoding and before validation: `eventType` is any text, `data` any of
 * the entities (`entity` tells which the schema says), and anything may be null. The `id` of the user's CRMEvent is not
 * here: it is ours, made by the writer.
 */
export type WireEvent = WireEnvelope &
  (
    | { entity: 'lead'; data: Unchecked<CRMLead> }
    | { entity: 'contact'; data: Unchecked<CRMContact> }
    | { entity: 'opportunity'; data: Unchecked<CRMOpportunity> }
  );
