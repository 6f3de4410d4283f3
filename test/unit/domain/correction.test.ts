import { describe, expect, it } from 'vitest';
import { correctionToWireEvent } from '../../../domain/correction.ts';
import { checkCorrection } from '../../../domain/correction-check.ts';
import { eventToJson } from '../../../domain/event-json.ts';
import type { WireEvent } from '../../../domain/events.ts';
import { CONTACT, CONTEXT, LEAD, OPPORTUNITY, RECORDED } from './sound.ts';

const ENVELOPE = {
  eventId: 'event-1',
  organizationId: 'org-1',
  timestamp: RECORDED - 1_000,
  metadata: { source: 'crm', version: '2', correlationId: null },
};

const WIRE = {
  lead: { ...ENVELOPE, eventType: 'lead.created', entity: 'lead', data: LEAD },
  contact: { ...ENVELOPE, eventType: 'contact.updated', entity: 'contact', data: CONTACT },
  opportunity: { ...ENVELOPE, eventType: 'opportunity.won', entity: 'opportunity', data: OPPORTUNITY },
} satisfies Record<string, WireEvent>;

/** A sound correction, with changes to its data or to itself. */
const json = (entity: keyof typeof WIRE, data: object = {}, over: object = {}) => {
  const event = eventToJson(WIRE[entity]);
  return { ...event, data: { ...event.data, ...data }, ...over };
};

describe('an event in JSON', () => {
  it.each(['lead', 'contact', 'opportunity'] as const)('of a %s is read back as it was', (entity) => {
    expect(correctionToWireEvent(JSON.parse(JSON.stringify(eventToJson(WIRE[entity]))))).toEqual(WIRE[entity]);
  });

  it('has its times for people', () => {
    expect(eventToJson(WIRE.opportunity)).toMatchObject({
      timestamp: '2026-06-15T11:59:59.000Z',
      data: { expectedCloseDate: '2026-07-15', amount: '1250.00', createdAt: '2026-06-14T12:00:00.000Z' },
    });
  });

  it('shows times that no calendar has, and does not read them back as others', () => {
    const odd = { ...WIRE.opportunity, timestamp: 1e17, data: { ...OPPORTUNITY, expectedCloseDate: 2e9 } };
    const shown = eventToJson(odd);
    expect(shown).toMatchObject({ timestamp: '100000000000000000 ms', data: { expectedCloseDate: '2000000000 days' } });
    expect(correctionToWireEvent(shown)).toMatchObject({ field: 'timestamp' });
    expect(correctionToWireEvent({ ...shown, timestamp: RECORDED })).toMatchObject({ field: 'data.expectedCloseDate' });
  });
});

describe('a correction', () => {
  it.each([
    ['a time with a zone', { createdAt: '2026-06-15T14:00:00+02:00' }, 'createdAt', RECORDED],
    ['epoch milliseconds', { createdAt: RECORDED }, 'createdAt', RECORDED],
    ['a day', { expectedCloseDate: '1970-01-11' }, 'expectedCloseDate', 10],
    ['a day as a time', { expectedCloseDate: '1970-01-11T23:59:59.999Z' }, 'expectedCloseDate', 10],
    ['a day as milliseconds', { expectedCloseDate: 10 * 86_400_000 }, 'expectedCloseDate', 10],
    ['an amount as a number', { amount: 1250.5 }, 'amount', '1250.5'],
    ['an amount as text', { amount: '-0.10' }, 'amount', '-0.10'],
    ['nothing for an optional field', { leadId: undefined }, 'leadId', null],
  ])('takes %s', (_, data, field, value) => {
    expect(correctionToWireEvent(json('opportunity', data))).toMatchObject({ data: { [field]: value } });
  });

  it('may have the id that the writer makes, and no metadata', () => {
    expect(correctionToWireEvent(json('lead', {}, { id: 'x', metadata: undefined }))).toEqual({
      ...WIRE.lead,
      metadata: null,
    });
  });

  it.each([
    ['a time without a zone', { createdAt: '2026-06-15T14:00:00' }, 'data.createdAt'],
    ['a day that no month has', { createdAt: '2026-02-30T12:00:00Z' }, 'data.createdAt'],
    ['a time in words', { createdAt: 'June 15, 2026' }, 'data.createdAt'],
    ['a part of a millisecond', { createdAt: 1.5 }, 'data.createdAt'],
    ['a number for a text', { stage: 5 }, 'data.stage'],
    ['a text for a number', { probability: '40' }, 'data.probability'],
    ['an object for a text', { name: { first: 'Ada' } }, 'data.name'],
    ['a misspelt field', { proability: 40 }, 'data'],
  ])('is refused for %s', (_, data, field) => {
    expect(correctionToWireEvent(json('opportunity', data))).toMatchObject({ code: 'undecodable', field });
  });

  it.each([
    ['text', 'undecodable', 'event'],
    [[], 'undecodable', 'event'],
    [null, 'undecodable', 'event'],
    [{}, 'missing_field', 'eventType'],
    [{ eventType: 'lead.exploded' }, 'unknown_event_type', 'eventType'],
    [{ eventType: 'lead.created' }, 'missing_field', 'data'],
    [{ eventType: 'lead.created', data: [] }, 'undecodable', 'data'],
    [{ eventType: 'lead.created', data: {}, metadata: 5 }, 'undecodable', 'metadata'],
    [{ eventType: 'lead.created', data: {}, extra: 1 }, 'undecodable', 'event'],
  ])('%j is refused: %s of %s', (value, code, field) => {
    expect(correctionToWireEvent(value)).toMatchObject({ code, field });
  });

  it('names no value and no field of its own making when it is refused', () => {
    const canary = 'canary@example.com';
    const refused = [
      json('lead', { email: { address: canary } }),
      json('lead', { [canary]: 1 }),
      json('lead', { createdAt: canary }),
      json('lead', {}, { eventType: canary }),
      json('lead', {}, { timestamp: canary }),
    ].map(correctionToWireEvent);
    for (const rejection of refused) expect(rejection).toMatchObject({ code: expect.any(String) });
    expect(JSON.stringify(refused)).not.toContain('canary');
  });
});

describe('a correction beside its message', () => {
  const original = { eventId: 'event-1', organizationId: 'org-1', recordTimestamp: RECORDED };

  it('is kept in one form, whatever it was written in', () => {
    const written = json('opportunity', { amount: 1250, expectedCloseDate: RECORDED }, { id: 'ours' });
    expect(checkCorrection(written, original, CONTEXT)).toEqual({
      ok: true,
      event: {
        ...eventToJson(WIRE.opportunity),
        data: { ...eventToJson(WIRE.opportunity).data, amount: '1250', expectedCloseDate: '2026-06-15' },
      },
    });
  });

  it.each([
    ['too_long', 'data.email', json('lead', { email: 'x'.repeat(256) })],
    ['missing_field', 'data.email', json('lead', { email: null })],
    ['out_of_range', 'data.amount', json('opportunity', { amount: 0.125 })],
    ['out_of_range', 'data.probability', json('opportunity', { probability: 40.5 })],
    ['implausible_timestamp', 'timestamp', json('lead', {}, { timestamp: RECORDED + 30 * 86_400_000 })],
    ['organization_mismatch', 'data.organizationId', json('lead', { organizationId: 'org-2' })],
    ['out_of_range', 'eventId', json('lead', {}, { eventId: 'event-2' })],
    ['out_of_range', 'organizationId', json('lead', { organizationId: 'org-2' }, { organizationId: 'org-2' })],
  ])('is refused like an event from Kafka: %s of %s', (code, field, correction) => {
    expect(checkCorrection(correction, original, CONTEXT)).toMatchObject({ ok: false, rejection: { code, field } });
  });

  it('may give an id and an organization to a message that has none', () => {
    const other = json('lead', { organizationId: 'org-2' }, { eventId: 'event-2', organizationId: 'org-2' });
    const unreadable = { ...original, eventId: null, organizationId: null };
    expect(checkCorrection(other, unreadable, CONTEXT)).toMatchObject({ ok: true, event: { eventId: 'event-2' } });
  });
});
