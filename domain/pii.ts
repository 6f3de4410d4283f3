/**
 * Which fields of an event are personal data: a catalogue next to the event types, so that a field that is added there
 * does not compile until it has its place here. Whatever is not in the catalogue counts as personal.
 */
import type { CRMContact, CRMLead, CRMOpportunity, Entity, EventMetadata, WireEvent } from './events.ts';

/**
 * How a field is shown to those who may not see personal data. `open`: as it is, for ids, types, times, codes and
 * figures. The others are personal and are masked in a way that keeps their shape.
 */
export type Privacy = 'open' | 'email' | 'phone' | 'text';

/** A record's fields by name. */
export interface Catalogue {
  readonly [field: string]: Privacy | Catalogue;
}

const PERSON = {
  firstName: 'text',
  lastName: 'text',
  email: 'email',
  phone: 'phone',
  // Of a sole trader it is a person's name; with the title it points at one person.
  company: 'text',
  title: 'text',
} as const;

const LIFECYCLE = { createdAt: 'open', updatedAt: 'open', organizationId: 'open' } as const;

const LEAD = {
  id: 'open',
  ...PERSON,
  source: 'open',
  status: 'open',
  score: 'open',
  // Many source systems name the salesperson by an e-mail address or a login.
  assignedTo: 'text',
  ...LIFECYCLE,
} as const satisfies Record<keyof CRMLead, Privacy>;

const CONTACT = { id: 'open', ...PERSON, leadId: 'open', ...LIFECYCLE } as const satisfies Record<
  keyof CRMContact,
  Privacy
>;

const OPPORTUNITY = {
  id: 'open',
  // People write whatever they like into it, customers' names above all.
  name: 'text',
  leadId: 'open',
  contactId: 'open',
  amount: 'open',
  currency: 'open',
  stage: 'open',
  probability: 'open',
  expectedCloseDate: 'open',
  ...LIFECYCLE,
} as const satisfies Record<keyof CRMOpportunity, Privacy>;

const METADATA = { source: 'open', version: 'open', correlationId: 'open' } as const satisfies Record<
  keyof EventMetadata,
  Privacy
>;

/** The fields of each entity's record. */
export const RECORD_CATALOGUE = { lead: LEAD, contact: CONTACT, opportunity: OPPORTUNITY } as const satisfies Record<
  Entity,
  Readonly<Record<string, Privacy>>
>;

/** An event of any entity; a name means the same in each of them. */
export const EVENT_CATALOGUE = {
  eventId: 'open',
  eventType: 'open',
  organizationId: 'open',
  timestamp: 'open',
  data: { ...LEAD, ...CONTACT, ...OPPORTUNITY },
  metadata: METADATA,
} as const satisfies Record<Exclude<keyof WireEvent, 'entity'>, Privacy | Catalogue>;
