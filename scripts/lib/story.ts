/**
 * One customer's way through the CRM: a lead is won over, becomes a contact and is sold something, while a second sale
 * is lost. Told by ten events in which each of the nine types occurs.
 */
import type {
  CRMContact,
  CRMEventType,
  CRMLead,
  CRMOpportunity,
  DecimalText,
  EpochMillis,
  EventMetadata,
} from '../../domain/events.ts';
import { COMPANIES, CURRENCIES, FIRST_NAMES, JOB_TITLES, LAST_NAMES, LEAD_SOURCES } from './names.ts';
import { type Random, uuidOf } from './random.ts';

export const EVENTS_PER_STORY = 10;

type Subject =
  | { entity: 'lead'; data: CRMLead }
  | { entity: 'contact'; data: CRMContact }
  | { entity: 'opportunity'; data: CRMOpportunity };

/** A sound event before it is encoded. */
export type SoundEvent = {
  eventId: string;
  eventType: CRMEventType;
  organizationId: string;
  timestamp: EpochMillis;
  metadata: EventMetadata | null;
} & Subject;

export interface StorySetting {
  /** Sets this story's ids apart from those of every other story. */
  id: string;
  organizationId: string;
  /** When it begins and ends. */
  from: EpochMillis;
  to: EpochMillis;
}

const DAY_MS = 86_400_000;

/** The story's events in order of their times; every record is created before it changes. */
export function tellStory(random: Random, setting: StorySetting): SoundEvent[] {
  const { organizationId } = setting;
  const clock = risingClock(random, setting);
  const metadata = random.oneIn(10)
    ? null
    : { source: 'crm-outbox', version: '1.0', correlationId: uuidOf(`${setting.id}/correlation`) };
  const events: SoundEvent[] = [];
  const tell = (eventType: CRMEventType, subject: Subject) => {
    const eventId = uuidOf(`${setting.id}/event/${events.length}`);
    events.push({ eventId, eventType, organizationId, timestamp: subject.data.updatedAt, metadata, ...subject });
  };
  const born = () => {
    const now = clock();
    return { createdAt: now, updatedAt: now, organizationId };
  };
  const id = (name: string) => uuidOf(`${setting.id}/${name}`);

  let lead = newLead(random, id('lead'), born());
  tell('lead.created', { entity: 'lead', data: lead });
  lead = { ...lead, status: 'qualified', score: random.between(40, 100), updatedAt: clock() };
  tell('lead.updated', { entity: 'lead', data: lead });
  lead = { ...lead, status: 'converted', updatedAt: clock() };
  tell('lead.converted', { entity: 'lead', data: lead });

  let contact = newContact(lead, id('contact'), born());
  tell('contact.created', { entity: 'contact', data: contact });
  contact = { ...contact, phone: phone(random), title: random.pick(JOB_TITLES), updatedAt: clock() };
  tell('contact.updated', { entity: 'contact', data: contact });

  let sale = newOpportunity(random, contact, id('sale'), born());
  tell('opportunity.created', { entity: 'opportunity', data: sale });
  sale = { ...sale, stage: 'proposal', probability: 60, amount: amount(random), updatedAt: clock() };
  tell('opportunity.updated', { entity: 'opportunity', data: sale });
  sale = { ...sale, stage: 'won', probability: 100, updatedAt: clock() };
  tell('opportunity.won', { entity: 'opportunity', data: sale });

  let lostSale = newOpportunity(random, contact, id('lost-sale'), born());
  tell('opportunity.created', { entity: 'opportunity', data: lostSale });
  lostSale = { ...lostSale, stage: 'lost', probability: 0, updatedAt: clock() };
  tell('opportunity.lost', { entity: 'opportunity', data: lostSale });
  return events;
}

/** Each call is a later moment of the story. */
function risingClock(random: Random, { from, to }: StorySetting): () => EpochMillis {
  const step = (to - from) / EVENTS_PER_STORY;
  let steps = 0;
  return () => {
    const moment = from + (steps + random.next()) * step;
    steps += 1;
    return Math.floor(moment);
  };
}

type Lifecycle = Pick<CRMLead, 'createdAt' | 'updatedAt' | 'organizationId'>;

function newLead(random: Random, id: string, lifecycle: Lifecycle): CRMLead {
  const first = random.pick(FIRST_NAMES);
  const last = random.pick(LAST_NAMES);
  return {
    id,
    firstName: first.text,
    lastName: last.text,
    email: `${first.latin}.${last.latin}.${random.between(1, 9_999)}@example.com`,
    phone: random.oneIn(4) ? null : phone(random),
    company: random.oneIn(8) ? null : random.pick(COMPANIES),
    title: random.pick(JOB_TITLES),
    source: random.pick(LEAD_SOURCES),
    status: 'new',
    score: random.oneIn(3) ? null : random.between(0, 60),
    assignedTo: random.oneIn(5) ? null : `sales-${random.between(1, 20)}`,
    ...lifecycle,
  };
}

function newContact(lead: CRMLead, id: string, lifecycle: Lifecycle): CRMContact {
  const { firstName, lastName, email, company, title } = lead;
  return { id, firstName, lastName, email, phone: lead.phone, company, title, leadId: lead.id, ...lifecycle };
}

function newOpportunity(random: Random, contact: CRMContact, id: string, lifecycle: Lifecycle): CRMOpportunity {
  return {
    id,
    name: `${contact.company ?? contact.lastName} – ${random.between(2, 500)} licences`,
    leadId: contact.leadId,
    contactId: contact.id,
    amount: amount(random),
    currency: random.pick(CURRENCIES),
    stage: 'qualification',
    probability: random.between(10, 40),
    expectedCloseDate: Math.floor(lifecycle.createdAt / DAY_MS) + random.between(7, 120),
    ...lifecycle,
  };
}

/** Some are credit notes, whose amounts are negative. */
function amount(random: Random): DecimalText {
  const sign = random.oneIn(40) ? '-' : '';
  return `${sign}${random.between(100, 999_999)}.${String(random.between(0, 99)).padStart(2, '0')}`;
}

function phone(random: Random): string {
  return `+${random.between(1, 99)} ${random.between(100, 999)} ${random.between(1_000_000, 9_999_999)}`;
}
