import type { CRMContact, CRMLead, CRMOpportunity, WireEvent } from '../../../domain/events.ts';
import { quarantineBefore } from '../../../domain/late-data.ts';
import type { ValidationContext } from '../../../domain/validate.ts';

export const DAY_MS = 86_400_000;

/** When the sound events reached Kafka. */
export const RECORDED = Date.UTC(2026, 5, 15, 12);

/** Older events are late. */
export const LATE_BEFORE = RECORDED - 730 * DAY_MS;

export const CONTEXT: ValidationContext = {
  now: RECORDED + 365 * DAY_MS,
  expectedEntity: null,
  late: quarantineBefore(LATE_BEFORE),
};

const ENVELOPE = {
  eventId: 'event-1',
  organizationId: 'org-1',
  timestamp: RECORDED - 1_000,
  metadata: { source: 'crm', version: '2', correlationId: null },
};

const PERSON = {
  firstName: 'Zoë',
  lastName: 'Nguyễn',
  email: 'zoe@example.com',
  phone: null,
  company: 'Løvås & Søn',
  title: null,
};

const LIFECYCLE = { createdAt: RECORDED - DAY_MS, updatedAt: RECORDED - 2_000, organizationId: 'org-1' };

export const LEAD: CRMLead = {
  id: 'lead-1',
  ...PERSON,
  source: 'web',
  status: 'new',
  score: 70,
  assignedTo: null,
  ...LIFECYCLE,
};

export const CONTACT: CRMContact = { id: 'contact-1', ...PERSON, leadId: 'lead-1', ...LIFECYCLE };

export const OPPORTUNITY: CRMOpportunity = {
  id: 'opportunity-1',
  name: 'Årlig leveranse',
  leadId: null,
  contactId: 'contact-1',
  amount: '1250.00',
  currency: 'EUR',
  stage: 'proposal',
  probability: 40,
  expectedCloseDate: Math.floor(RECORDED / DAY_MS) + 30,
  ...LIFECYCLE,
};

/** What a test changes; anything goes, as in a message. */
export type Changes = Readonly<Record<string, unknown>>;

export function lead(data: Changes = {}, envelope: Changes = {}): WireEvent {
  return { ...ENVELOPE, eventType: 'lead.created', entity: 'lead', data: { ...LEAD, ...data }, ...envelope };
}

export function contact(data: Changes = {}, envelope: Changes = {}): WireEvent {
  return { ...ENVELOPE, eventType: 'contact.created', entity: 'contact', data: { ...CONTACT, ...data }, ...envelope };
}

export function opportunity(data: Changes = {}, envelope: Changes = {}): WireEvent {
  return {
    ...ENVELOPE,
    eventType: 'opportunity.won',
    entity: 'opportunity',
    data: { ...OPPORTUNITY, ...data },
    ...envelope,
  };
}
