/**
 * A validated event, flattened to the columns of its staging table. Everything after validation works on this form, and
 * nothing parses again.
 */
import type { CRMEventType, DecimalText, EpochDays, EpochMillis } from './events.ts';

interface StagedBase {
  eventId: string;
  eventType: CRMEventType;
  organizationId: string;
  eventTimestamp: EpochMillis;
  createdAt: EpochMillis;
  updatedAt: EpochMillis;
  /** The event's metadata as JSON text, null without. */
  metadata: string | null;
  /**
   * A hash of type, organization, time and data (not of metadata, which a re-send may change): tells a real duplicate
   * from another event under the same id.
   */
  contentHash: number;
  /** What formerContentHash gives for the event as it came, where it was changed since. */
  formerHash?: bigint;
}

export interface StagedLead extends StagedBase {
  entity: 'lead';
  leadId: string;
  firstName: string;
  lastName: string;
  email: string;
  phone: string | null;
  company: string | null;
  title: string | null;
  source: string;
  status: string;
  score: number | null;
  assignedTo: string | null;
}

export interface StagedContact extends StagedBase {
  entity: 'contact';
  contactId: string;
  firstName: string;
  lastName: string;
  email: string;
  phone: string | null;
  company: string | null;
  title: string | null;
  leadId: string | null;
}

export interface StagedOpportunity extends StagedBase {
  entity: 'opportunity';
  opportunityId: string;
  name: string;
  leadId: string | null;
  contactId: string | null;
  amount: DecimalText;
  currency: string;
  stage: string;
  probability: number;
  expectedCloseDate: EpochDays;
}

export type StagedEvent = StagedLead | StagedContact | StagedOpportunity;
