import { describe, expect, it } from 'vitest';
import type { WireEvent } from '../../../domain/events.ts';
import type { FailureCode } from '../../../domain/failures.ts';
import { lateWindows, quarantineBefore } from '../../../domain/late-data.ts';
import { identify, isRejection, type ValidationContext, validate } from '../../../domain/validate.ts';
import { CONTEXT, contact, DAY_MS, LATE_BEFORE, lead, opportunity, RECORDED } from './sound.ts';

type Clocks = Partial<ValidationContext> & { recordTimestamp?: number };

const validateAt = (event: WireEvent, { recordTimestamp = RECORDED, ...context }: Clocks = {}) =>
  validate(event, recordTimestamp, { ...CONTEXT, ...context });

function outcome(event: WireEvent, clocks: Clocks = {}): FailureCode | 'staged' {
  const result = validateAt(event, clocks);
  return isRejection(result) ? result.code : 'staged';
}

const EMOJI = '🦊';

describe('a sound event', () => {
  it('is flattened to the columns of a lead', () => {
    expect(validate(lead(), RECORDED, CONTEXT)).toEqual({
      entity: 'lead',
      eventId: 'event-1',
      eventType: 'lead.created',
      organizationId: 'org-1',
      eventTimestamp: RECORDED - 1_000,
      createdAt: RECORDED - DAY_MS,
      updatedAt: RECORDED - 2_000,
      metadata: '{"source":"crm","version":"2"}',
      contentHash: expect.any(Number),
      leadId: 'lead-1',
      firstName: 'Zoë',
      lastName: 'Nguyễn',
      email: 'zoe@example.com',
      phone: null,
      company: 'Løvås & Søn',
      title: null,
      source: 'web',
      status: 'new',
      score: 70,
      assignedTo: null,
    });
  });

  it('is flattened to the columns of a contact', () => {
    expect(validate(contact(), RECORDED, CONTEXT)).toMatchObject({
      entity: 'contact',
      contactId: 'contact-1',
      leadId: 'lead-1',
    });
  });

  it('is flattened to the columns of an opportunity', () => {
    expect(validate(opportunity({ amount: '-0.5' }), RECORDED, CONTEXT)).toMatchObject({
      entity: 'opportunity',
      opportunityId: 'opportunity-1',
      contactId: 'contact-1',
      amount: '-0.50',
      currency: 'EUR',
      probability: 40,
    });
  });

  it('keeps what looks like code in a field name or value as plain text', () => {
    const name = '__proto__"; DROP TABLE x; --';
    expect(validate(opportunity({ name }), RECORDED, CONTEXT)).toMatchObject({ name });
  });

  it('may come without metadata', () => {
    expect(validate(lead({}, { metadata: null }), RECORDED, CONTEXT)).toMatchObject({ metadata: null });
  });
});

describe('lengths are counted in characters, not in UTF-16 units', () => {
  it.each<[string, FailureCode | 'staged', WireEvent]>([
    ['255 characters', 'staged', lead({ company: 'x'.repeat(255) })],
    ['256 characters', 'too_long', lead({ company: 'x'.repeat(256) })],
    ['255 emoji of two units each', 'staged', lead({ company: EMOJI.repeat(255) })],
    ['256 emoji', 'too_long', lead({ company: EMOJI.repeat(256) })],
    ['254 letters and an emoji', 'staged', lead({ company: `${'x'.repeat(254)}${EMOJI}` })],
    ['255 letters and an emoji', 'too_long', lead({ company: `${'x'.repeat(255)}${EMOJI}` })],
    ['more than anybody would count', 'too_long', lead({ company: 'x'.repeat(5_000_000) })],
    ['metadata beyond reason', 'too_long', lead({}, { metadata: metadata({ source: 'x'.repeat(10_001) }) })],
  ])('%s: %s', (_, expected, event) => {
    expect(outcome(event)).toBe(expected);
  });

  it('the reason names the field, the length and the limit', () => {
    expect(validate(contact({ email: EMOJI.repeat(300) }), RECORDED, CONTEXT)).toEqual({
      code: 'too_long',
      field: 'data.email',
      detail: 'data.email: 300 characters, at most 255',
    });
  });
});

function metadata(changes: object): object {
  return { source: 'crm', version: '1', correlationId: null, ...changes };
}

describe('missing_field', () => {
  it.each(['', null])('%j is no event id, event type, organization or time', (nothing) => {
    expect(outcome(lead({}, { eventId: nothing }))).toBe('missing_field');
    expect(outcome(lead({}, { eventType: nothing }))).toBe('missing_field');
    expect(outcome(lead({}, { organizationId: nothing }))).toBe('missing_field');
    expect(outcome(lead({ organizationId: nothing }))).toBe('missing_field');
    expect(outcome(lead({}, { timestamp: null }))).toBe('missing_field');
  });

  it.each(['id', 'firstName', 'lastName', 'email', 'source', 'status', 'createdAt', 'updatedAt'])(
    'a lead needs %s',
    (field) => {
      expect(validate(lead({ [field]: null }), RECORDED, CONTEXT)).toEqual({
        code: 'missing_field',
        detail: `data.${field}: required, but empty`,
        field: `data.${field}`,
      });
    },
  );

  it.each(['id', 'firstName', 'lastName', 'email', 'createdAt', 'updatedAt'])('a contact needs %s', (field) => {
    expect(outcome(contact({ [field]: null }))).toBe('missing_field');
  });

  it.each(['id', 'name', 'amount', 'currency', 'stage', 'probability', 'expectedCloseDate', 'createdAt', 'updatedAt'])(
    'an opportunity needs %s',
    (field) => {
      expect(outcome(opportunity({ [field]: null }))).toBe('missing_field');
    },
  );

  it('everything else may be left out', () => {
    const nothing = { phone: null, company: null, title: null };
    expect(outcome(lead({ ...nothing, score: null, assignedTo: null }))).toBe('staged');
    expect(outcome(contact({ ...nothing, leadId: null }))).toBe('staged');
    expect(outcome(opportunity({ leadId: null, contactId: null }))).toBe('staged');
    expect(outcome(lead({}, { metadata: metadata({ source: null, version: null }) }))).toBe('staged');
  });

  it('a text of blanks is a text', () => {
    expect(outcome(lead({ firstName: ' ' }))).toBe('staged');
  });
});

describe('invalid_text', () => {
  it.each<[string, FailureCode | 'staged', string]>([
    ['NUL', 'invalid_text', 'a\u0000b'],
    ['a lone high surrogate', 'invalid_text', 'a\ud83e'],
    ['a high surrogate before a letter', 'invalid_text', '\ud83eb'],
    ['a lone low surrogate', 'invalid_text', '\udd8aa'],
    ['surrogates the wrong way round', 'invalid_text', '\udd8a\ud83e'],
    ['two high surrogates and a low one', 'invalid_text', '\ud83e\ud83e\udd8a'],
    ['a pair', 'staged', '\ud83e\udd8a'],
    ['U+FFFD that the source sent', 'staged', 'Z\ufffd'],
    ['other control characters', 'staged', 'a\u0001\u001f\u007fb'],
    ['U+FFFF', 'staged', 'a\uffff'],
  ])('%s: %s', (_, expected, text) => {
    expect(outcome(lead({ lastName: text }))).toBe(expected);
    expect(outcome(lead({}, { eventId: text }))).toBe(expected);
    expect(outcome(lead({}, { metadata: metadata({ correlationId: text }) }))).toBe(expected);
  });
});

describe('out_of_range', () => {
  it.each<[string, FailureCode | 'staged', WireEvent]>([
    ['amount of 13 digits before the point', 'staged', opportunity({ amount: '9999999999999.99' })],
    ['amount of 14 digits before the point', 'out_of_range', opportunity({ amount: '10000000000000.00' })],
    ['negative amount, a credit', 'staged', opportunity({ amount: '-9999999999999.99' })],
    ['negative amount of 14 digits', 'out_of_range', opportunity({ amount: '-10000000000000' })],
    ['third decimal place', 'out_of_range', opportunity({ amount: '1.005' })],
    ['amount that is no number', 'out_of_range', opportunity({ amount: 'NaN' })],
    ['probability 0', 'staged', opportunity({ probability: 0 })],
    ['probability 100', 'staged', opportunity({ probability: 100 })],
    ['probability -1', 'out_of_range', opportunity({ probability: -1 })],
    ['probability 101', 'out_of_range', opportunity({ probability: 101 })],
    ['currency in small letters', 'staged', opportunity({ currency: 'eur' })],
    ['currency of 2 letters', 'out_of_range', opportunity({ currency: 'EU' })],
    ['currency with a digit', 'out_of_range', opportunity({ currency: 'EU1' })],
    ['currency of 3 letters with accents', 'out_of_range', opportunity({ currency: 'ÄÖÜ' })],
    ['currency of 4 letters', 'too_long', opportunity({ currency: 'EURO' })],
    ['largest score', 'staged', lead({ score: 2_147_483_647 })],
    ['smallest score', 'staged', lead({ score: -2_147_483_648 })],
    ['score beyond INTEGER', 'out_of_range', lead({ score: 2_147_483_648 })],
    ['score below INTEGER', 'out_of_range', lead({ score: -2_147_483_649 })],
    ['score with a fraction', 'out_of_range', lead({ score: 1.5 })],
    ['created in the first instant of 1900', 'staged', lead({ createdAt: Date.UTC(1900, 0) })],
    ['created before 1900', 'out_of_range', lead({ createdAt: Date.UTC(1900, 0) - 1 })],
    ['created in year 0', 'out_of_range', lead({ createdAt: Date.parse('0000-01-01T00:00:00Z') })],
    ['updated in the last instant of 2200', 'staged', lead({ updatedAt: Date.UTC(2201, 0) - 1 })],
    ['updated in 2201', 'out_of_range', lead({ updatedAt: Date.UTC(2201, 0) })],
    ['updated in year 9999', 'out_of_range', lead({ updatedAt: Date.parse('9999-12-31T00:00:00Z') })],
    ['closing on 1 January 1900', 'staged', opportunity({ expectedCloseDate: Date.UTC(1900, 0) / DAY_MS })],
    ['closing before', 'out_of_range', opportunity({ expectedCloseDate: Date.UTC(1900, 0) / DAY_MS - 1 })],
    ['closing on 31 December 2200', 'staged', opportunity({ expectedCloseDate: Date.UTC(2201, 0) / DAY_MS - 1 })],
    ['closing later', 'out_of_range', opportunity({ expectedCloseDate: Date.UTC(2201, 0) / DAY_MS })],
  ])('%s: %s', (_, expected, event) => {
    expect(outcome(event)).toBe(expected);
  });
});

describe('the time of the event', () => {
  const at = (timestamp: number) => lead({}, { timestamp });
  const always = { late: quarantineBefore(Number.MIN_SAFE_INTEGER) };

  it.each<[string, FailureCode | 'staged', WireEvent, Clocks]>([
    ['24 hours ahead of the record', 'staged', at(RECORDED + DAY_MS), {}],
    ['a millisecond more', 'implausible_timestamp', at(RECORDED + DAY_MS + 1), {}],
    ['first instant of 2000', 'staged', at(Date.UTC(2000, 0)), always],
    ['before 2000', 'implausible_timestamp', at(Date.UTC(2000, 0) - 1), always],
    ['1970, as an unset time shows', 'implausible_timestamp', at(0), always],
    ['start of the window for late events', 'staged', at(LATE_BEFORE), {}],
    ['a millisecond before it', 'outside_retention', at(LATE_BEFORE - 1), {}],
    ['ahead of a record without a time', 'staged', at(RECORDED + 30 * DAY_MS), { recordTimestamp: -1 }],
    ['24 hours ahead of now', 'staged', at(RECORDED + DAY_MS), { now: RECORDED }],
    ['more, by a record as far ahead', 'implausible_timestamp', at(8e12), { now: RECORDED, recordTimestamp: 8e12 - 1 }],
    ['2201, with a record without a time', 'implausible_timestamp', at(Date.UTC(2201, 0)), { recordTimestamp: -1 }],
    ['2201, with a record of that time', 'implausible_timestamp', at(Date.UTC(2201, 0)), { recordTimestamp: 8e12 }],
  ])('%s: %s', (_, expected, event, context) => {
    expect(outcome(event, context)).toBe(expected);
  });

  it.each<[string, number, Clocks]>([
    ['before 2000-01-01', 0, {}],
    ['more than 24 hours ahead of the record in Kafka', RECORDED + 2 * DAY_MS, {}],
    ['more than 24 hours in the future', RECORDED + 2 * DAY_MS, { now: RECORDED }],
    ['more than 24 hours in the future', Date.UTC(2201, 0), { recordTimestamp: -1 }],
  ])('the reason says which limit it is beyond: %s', (limit, timestamp, context) => {
    expect(validateAt(at(timestamp), context)).toEqual({
      code: 'implausible_timestamp',
      detail: `timestamp: ${limit}`,
      field: 'timestamp',
    });
  });

  it('an event that can never be stored is not kept waiting for its window', () => {
    const event = lead({ email: '' }, { timestamp: LATE_BEFORE - 1 });
    expect(outcome(event)).toBe('missing_field');
  });
});

describe('what does not belong together', () => {
  it.each<[string, FailureCode | 'staged', WireEvent, Clocks]>([
    ['type that is none of ours', 'unknown_event_type', lead({}, { eventType: 'lead.deleted' }), {}],
    ['type in capitals', 'unknown_event_type', lead({}, { eventType: 'LEAD.CREATED' }), {}],
    ['type that every object has', 'unknown_event_type', lead({}, { eventType: 'constructor' }), {}],
    ['type longer than its column', 'too_long', lead({}, { eventType: 'x'.repeat(51) }), {}],
    ['data of another entity', 'entity_mismatch', lead({}, { eventType: 'contact.created' }), {}],
    ['entity of another topic', 'entity_mismatch', lead(), { expectedEntity: 'contact' }],
    ['entity of its own topic', 'staged', lead(), { expectedEntity: 'lead' }],
    ['data of another organization', 'organization_mismatch', lead({ organizationId: 'org-2' }), {}],
  ])('%s: %s', (_, expected, event, context) => {
    expect(outcome(event, context)).toBe(expected);
  });
});

describe('what a rejected event still says of itself', () => {
  it('is all that is sound', () => {
    expect(identify(lead({ email: '' }), RECORDED, CONTEXT)).toEqual({
      eventId: 'event-1',
      eventType: 'lead.created',
      organizationId: 'org-1',
      eventTimestamp: RECORDED - 1_000,
    });
  });

  it.each([
    ['nothing', null],
    ['what no column takes', 'x'.repeat(256)],
    ['what PostgreSQL refuses', '\u0000'],
  ])('and leaves out %s', (_, text) => {
    const envelope = { eventId: text, organizationId: text, eventType: text, timestamp: RECORDED + 2 * DAY_MS };
    expect(identify(lead({}, envelope), RECORDED, CONTEXT)).toEqual({});
  });

  it('nor does it choose a partition outside the window', () => {
    const event = lead({}, { timestamp: LATE_BEFORE - 1 });
    expect(identify(event, RECORDED, CONTEXT)).not.toHaveProperty('eventTimestamp');
  });

  it('but one where the table takes late events in', () => {
    const late = lateWindows([{ entity: 'lead', organizationId: null, keepDays: 1, late: 'rebuild' }], 0, CONTEXT.now);
    const event = lead({ email: '' }, { timestamp: LATE_BEFORE - 1 });
    expect(identify(event, RECORDED, { ...CONTEXT, late })).toHaveProperty('eventTimestamp', LATE_BEFORE - 1);
  });
});
