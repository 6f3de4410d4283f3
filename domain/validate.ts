/**
 * From a decoded event to the columns of its staging table, or to the reason why not. This is the hot path: one call
 * per event, nothing thrown, and no object but the result.
 */
import { toColumnAmount } from './amount.ts';
import { AMOUNT, INTEGER, MAX_CHARACTERS, YEARS } from './column-limits.ts';
import {
  type CRMContact,
  type CRMEventType,
  type CRMLead,
  type CRMOpportunity,
  type DecimalText,
  type Entity,
  type EpochMillis,
  type EventMetadata,
  entityOf,
  type Unchecked,
  type WireEvent,
} from './events.ts';
import type { FailureCode, Rejection } from './failures.ts';
import { flatten } from './flatten.ts';
import { type LateWindows, latePolicyOf } from './late-data.ts';
import type { StagedEvent } from './staging.ts';
import { codePoints, isLongerThan, isStorable, unitAt } from './text.ts';

/** What is the same for all events of a topic in one batch. */
export interface ValidationContext {
  /** Our own clock, for a producer whose clock is years ahead sets record times and event times alike. */
  now: EpochMillis;
  /** What the topic carries, null for any entity. */
  expectedEntity: Entity | null;
  /** Which events are past the retention of their table. */
  late: LateWindows;
}

const DAY_MS = 86_400_000;
const FIRST_EVENT_TIME = Date.UTC(2000, 0, 1);
const FIRST_TIME = Date.UTC(YEARS.first, 0, 1);
const END_OF_TIME = Date.UTC(YEARS.last + 1, 0, 1);
const FIRST_DAY = FIRST_TIME / DAY_MS;
const END_OF_DAYS = END_OF_TIME / DAY_MS;

/** Tells the two possible answers of `validate` apart. */
export function isRejection(result: StagedEvent | Rejection): result is Rejection {
  return 'code' in result;
}

/**
 * Checks an event against everything that its staging table demands, and flattens it. The first problem found is the
 * one reported; a time past retention comes last, since it is the only one that can heal. By the policy `rebuild` it is
 * no problem; by `drop` it is one as well, and `latePolicyOf` tells the two apart.
 * @param recordTimestamp the Kafka record's timestamp, the clock that event times are measured against. A record without
 *   one (-1, a format older than Kafka 0.10) measures nothing, and only our own clock does
 */
export function validate(
  event: WireEvent,
  recordTimestamp: EpochMillis,
  context: ValidationContext,
): StagedEvent | Rejection {
  const problem = checkEnvelope(event, recordTimestamp, context) ?? checkData(event);
  if (problem !== null) return problem;
  const late = latePolicyOf(event, context.late);
  if (late !== null && late !== 'rebuild') {
    return reject('outside_retention', 'timestamp', 'before the window for late events');
  }
  return flatten(event);
}

/** What a rejected event still says of itself, as far as the columns of the events log take it. */
export type Identity = Partial<Pick<StagedEvent, 'eventId' | 'eventType' | 'organizationId' | 'eventTimestamp'>>;

/**
 * The parts of an event that are sound by themselves, for the record of its failure. An event time that is refused is
 * left out: it must not choose a partition.
 */
export function identify(event: WireEvent, recordTimestamp: EpochMillis, context: ValidationContext): Identity {
  const { eventId, eventType, organizationId, timestamp } = event;
  const identity: Identity = {};
  if (eventId !== null && required('eventId', eventId, MAX_CHARACTERS.eventId) === null) identity.eventId = eventId;
  if (eventType !== null && entityOf(eventType) !== undefined) identity.eventType = eventType as CRMEventType;
  if (organizationId !== null && required('organizationId', organizationId, MAX_CHARACTERS.organizationId) === null) {
    identity.organizationId = organizationId;
  }
  const late = latePolicyOf(event, context.late);
  const isKept = late === null || late === 'rebuild';
  if (timestamp !== null && isKept && checkEventTime(timestamp, recordTimestamp, context) === null) {
    identity.eventTimestamp = timestamp;
  }
  return identity;
}

function checkEnvelope(event: WireEvent, recordTimestamp: EpochMillis, context: ValidationContext): Rejection | null {
  return (
    required('eventId', event.eventId, MAX_CHARACTERS.eventId) ??
    required('organizationId', event.organizationId, MAX_CHARACTERS.organizationId) ??
    required('eventType', event.eventType, MAX_CHARACTERS.eventType) ??
    checkEntity(event, context) ??
    checkEventTime(event.timestamp, recordTimestamp, context) ??
    checkOrganization(event) ??
    checkMetadata(event.metadata)
  );
}

function checkEntity(event: WireEvent, context: ValidationContext): Rejection | null {
  const entity = entityOf(event.eventType as string);
  if (entity === undefined) return reject('unknown_event_type', 'eventType', 'none of those that we know');
  if (entity !== event.entity) {
    return reject('entity_mismatch', 'eventType', `of a ${entity}, but data is a ${event.entity}`);
  }
  if (context.expectedEntity !== null && entity !== context.expectedEntity) {
    return reject('entity_mismatch', 'eventType', `of a ${entity}, but the topic carries a ${context.expectedEntity}`);
  }
  return null;
}

function checkEventTime(
  timestamp: EpochMillis | null,
  recordTimestamp: EpochMillis,
  context: ValidationContext,
): Rejection | null {
  if (timestamp === null) return missing('timestamp');
  if (timestamp < FIRST_EVENT_TIME) return reject('implausible_timestamp', 'timestamp', 'before 2000-01-01');
  if (timestamp > context.now + DAY_MS) {
    return reject('implausible_timestamp', 'timestamp', 'more than 24 hours in the future');
  }
  if (recordTimestamp >= 0 && timestamp > recordTimestamp + DAY_MS) {
    return reject('implausible_timestamp', 'timestamp', 'more than 24 hours ahead of the record in Kafka');
  }
  return null;
}

function checkOrganization(event: WireEvent): Rejection | null {
  const { organizationId } = event.data;
  if (organizationId === null || organizationId === '') return missing('data.organizationId');
  return organizationId === event.organizationId
    ? null
    : reject('organization_mismatch', 'data.organizationId', 'another than organizationId');
}

function checkMetadata(metadata: Unchecked<EventMetadata> | null): Rejection | null {
  if (metadata === null) return null;
  return (
    optional('metadata.source', metadata.source, MAX_CHARACTERS.metadata) ??
    optional('metadata.version', metadata.version, MAX_CHARACTERS.metadata) ??
    optional('metadata.correlationId', metadata.correlationId, MAX_CHARACTERS.metadata)
  );
}

function checkData(event: WireEvent): Rejection | null {
  switch (event.entity) {
    case 'lead':
      return checkLead(event.data);
    case 'contact':
      return checkContact(event.data);
    case 'opportunity':
      return checkOpportunity(event.data);
  }
}

function checkLead(lead: Unchecked<CRMLead>): Rejection | null {
  return (
    required('data.id', lead.id, MAX_CHARACTERS.entityId) ??
    checkPerson(lead) ??
    required('data.source', lead.source, MAX_CHARACTERS.source) ??
    required('data.status', lead.status, MAX_CHARACTERS.status) ??
    (lead.score === null ? null : inRange('data.score', lead.score, INTEGER.min, INTEGER.max)) ??
    optional('data.assignedTo', lead.assignedTo, MAX_CHARACTERS.assignedTo) ??
    checkLifecycle(lead)
  );
}

function checkContact(contact: Unchecked<CRMContact>): Rejection | null {
  return (
    required('data.id', contact.id, MAX_CHARACTERS.entityId) ??
    checkPerson(contact) ??
    optional('data.leadId', contact.leadId, MAX_CHARACTERS.entityId) ??
    checkLifecycle(contact)
  );
}

function checkOpportunity(opportunity: Unchecked<CRMOpportunity>): Rejection | null {
  return (
    required('data.id', opportunity.id, MAX_CHARACTERS.entityId) ??
    required('data.name', opportunity.name, MAX_CHARACTERS.opportunityName) ??
    optional('data.leadId', opportunity.leadId, MAX_CHARACTERS.entityId) ??
    optional('data.contactId', opportunity.contactId, MAX_CHARACTERS.entityId) ??
    checkAmount(opportunity.amount) ??
    checkCurrency(opportunity.currency) ??
    required('data.stage', opportunity.stage, MAX_CHARACTERS.stage) ??
    inRange('data.probability', opportunity.probability, 0, 100) ??
    checkDay('data.expectedCloseDate', opportunity.expectedCloseDate) ??
    checkLifecycle(opportunity)
  );
}

function checkPerson(person: Unchecked<CRMLead> | Unchecked<CRMContact>): Rejection | null {
  return (
    required('data.firstName', person.firstName, MAX_CHARACTERS.firstName) ??
    required('data.lastName', person.lastName, MAX_CHARACTERS.lastName) ??
    required('data.email', person.email, MAX_CHARACTERS.email) ??
    optional('data.phone', person.phone, MAX_CHARACTERS.phone) ??
    optional('data.company', person.company, MAX_CHARACTERS.company) ??
    optional('data.title', person.title, MAX_CHARACTERS.title)
  );
}

function checkLifecycle(data: { createdAt: EpochMillis | null; updatedAt: EpochMillis | null }): Rejection | null {
  return checkTime('data.createdAt', data.createdAt) ?? checkTime('data.updatedAt', data.updatedAt);
}

function required(field: string, text: string | null, limit: number): Rejection | null {
  return text === null || text === '' ? missing(field) : checkText(field, text, limit);
}

function optional(field: string, text: string | null, limit: number): Rejection | null {
  return text === null ? null : checkText(field, text, limit);
}

function checkText(field: string, text: string, limit: number): Rejection | null {
  if (isLongerThan(text, limit)) {
    return reject('too_long', field, `${codePoints(text)} characters, at most ${limit}`);
  }
  return isStorable(text) ? null : reject('invalid_text', field, 'holds a NUL character or half a surrogate pair');
}

function checkAmount(amount: DecimalText | null): Rejection | null {
  if (amount === null) return missing('data.amount');
  return toColumnAmount(amount) === null
    ? reject(
        'out_of_range',
        'data.amount',
        `at most ${AMOUNT.digitsBeforePoint} digits before and ${AMOUNT.digitsAfterPoint} after the point`,
      )
    : null;
}

function checkCurrency(currency: string | null): Rejection | null {
  const problem = required('data.currency', currency, 3);
  if (problem !== null) return problem;
  const code = currency as string;
  return code.length === 3 && isLetter(code, 0) && isLetter(code, 1) && isLetter(code, 2)
    ? null
    : reject('out_of_range', 'data.currency', 'must be three letters of ISO 4217');
}

function isLetter(text: string, index: number): boolean {
  const lower = unitAt(text, index) | 0x20;
  return lower >= 97 && lower <= 122;
}

function inRange(field: string, value: number | null, min: number, max: number): Rejection | null {
  if (value === null) return missing(field);
  return Number.isInteger(value) && value >= min && value <= max
    ? null
    : reject('out_of_range', field, `must be a whole number from ${min} to ${max}`);
}

function checkTime(field: string, time: EpochMillis | null): Rejection | null {
  if (time === null) return missing(field);
  return time >= FIRST_TIME && time < END_OF_TIME ? null : outsideYears(field);
}

function checkDay(field: string, day: number | null): Rejection | null {
  if (day === null) return missing(field);
  return day >= FIRST_DAY && day < END_OF_DAYS ? null : outsideYears(field);
}

function outsideYears(field: string): Rejection {
  return reject('out_of_range', field, `must be in the years ${YEARS.first} to ${YEARS.last}`);
}

function missing(field: string): Rejection {
  return reject('missing_field', field, 'required, but empty');
}

function reject(code: FailureCode, field: string, problem: string): Rejection {
  return { code, detail: `${field}: ${problem}`, field };
}
