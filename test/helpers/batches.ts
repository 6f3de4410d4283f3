import type { Batch, BatchSlice, ClaimedRange, Delivery, LogRecord } from '../../activities/ports.ts';
import type { StagedContact, StagedEvent, StagedLead, StagedOpportunity } from '../../domain/staging.ts';

const BASE = Date.UTC(2026, 10, 20, 12);

export function lead(eventId: string, over: Partial<StagedLead> = {}): StagedLead {
  return {
    entity: 'lead',
    eventId,
    eventType: 'lead.created',
    organizationId: 'org-1',
    eventTimestamp: BASE,
    createdAt: BASE - 1000,
    updatedAt: BASE,
    metadata: '{"source":"test","version":"1"}',
    contentHash: 42,
    leadId: `lead-${eventId}`,
    firstName: 'Ada',
    lastName: 'Lovelace',
    email: 'ada@example.com',
    phone: null,
    company: null,
    title: null,
    source: 'web',
    status: 'new',
    score: 7,
    assignedTo: null,
    ...over,
  };
}

export function contact(eventId: string, over: Partial<StagedContact> = {}): StagedContact {
  const {
    leadId: _leadId,
    source: _source,
    status: _status,
    score: _score,
    assignedTo: _assigned,
    ...base
  } = lead(eventId);
  return {
    ...base,
    entity: 'contact',
    eventType: 'contact.created',
    contactId: `contact-${eventId}`,
    leadId: null,
    ...over,
  };
}

export function opportunity(eventId: string, over: Partial<StagedOpportunity> = {}): StagedOpportunity {
  return {
    entity: 'opportunity',
    eventId,
    eventType: 'opportunity.won',
    organizationId: 'org-1',
    eventTimestamp: BASE,
    createdAt: BASE - 1000,
    updatedAt: BASE,
    metadata: null,
    contentHash: Number.MAX_SAFE_INTEGER,
    opportunityId: `opportunity-${eventId}`,
    name: 'Analytical engine',
    leadId: null,
    contactId: null,
    amount: '-1234567890123.45',
    currency: 'EUR',
    stage: 'won',
    probability: 100,
    expectedCloseDate: 20_000,
    ...over,
  };
}

export function record(offset: number, over: Partial<LogRecord> = {}): LogRecord {
  return { offset, timestamp: BASE + offset, key: null, value: Buffer.from('payload'), headers: [], ...over };
}

/** A batch over one range, its records at consecutive offsets from where the range stands. */
export function batchOf(range: ClaimedRange, events: Array<StagedEvent | 'tombstone' | 'bad'>, runId: string): Batch {
  const deliveries = events.map((event, index): Delivery => {
    const base = { slice: 0, record: record(range.nextOffset + index) };
    if (event === 'tombstone') {
      return { ...base, record: { ...base.record, value: null }, kind: 'tombstone' };
    }
    if (event === 'bad') {
      const rejection = { code: 'undecodable', detail: 'cut off' } as const;
      return { ...base, kind: 'rejected', rejection, schemaId: 5, event: {} };
    }
    return { ...base, kind: 'stage', event, schemaId: 1 };
  });
  return { runId, mode: 'ingest', suppression: 0, slices: [sliceOf(range, events.length)], deliveries };
}

export function sliceOf(range: ClaimedRange, records: number, absent = 0): BatchSlice {
  return {
    range,
    from: range.nextOffset,
    next: range.nextOffset + records + absent,
    records,
    absent,
    firstTimestamp: null,
    last: null,
  };
}
