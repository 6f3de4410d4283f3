import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { correctionToWireEvent } from '../../../domain/correction.ts';
import { eventToJson } from '../../../domain/event-json.ts';
import { EVENT_TYPES, type WireEvent } from '../../../domain/events.ts';
import { applyFix, CASTS, FIXABLE_FIELDS, type FixRule, fixProblem } from '../../../domain/fix-rule.ts';
import { quarantineBefore } from '../../../domain/late-data.ts';
import { isRejection, validate } from '../../../domain/validate.ts';

const NOW = Date.UTC(2026, 10, 20);
const CONTEXT = { now: NOW, expectedEntity: null, late: quarantineBefore(NOW - 365 * 86_400_000) };

function opportunity(data: Record<string, unknown> = {}, envelope: Record<string, unknown> = {}): WireEvent {
  const event = correctionToWireEvent({
    eventId: 'e-1',
    eventType: 'opportunity.won',
    organizationId: 'org-1',
    timestamp: NOW,
    data: {
      id: 'o-1',
      name: 'Engine',
      amount: '10.00',
      currency: 'EUR',
      stage: 'won',
      probability: 100,
      expectedCloseDate: '2026-12-01',
      createdAt: NOW,
      updatedAt: NOW,
      organizationId: 'org-1',
      ...data,
    },
    metadata: { source: 'crm', version: '1' },
    ...envelope,
  });
  if ('code' in event) throw new Error(event.detail);
  return event;
}

const field = (event: WireEvent, name: string) => (event.data as unknown as Record<string, unknown>)[name];
const rejection = (event: WireEvent) => {
  const result = validate(event, NOW, CONTEXT);
  return isRejection(result) ? result.code : null;
};

describe('a fix', () => {
  it.each<[string, Record<string, unknown>, Record<string, unknown>, string, FixRule]>([
    ['replaces', { currency: 'Euro' }, {}, 'too_long', { field: 'data.currency', op: 'replace', value: 'EUR' }],
    [
      'replaces in the envelope',
      {},
      { timestamp: Date.UTC(1999, 11, 31) },
      'implausible_timestamp',
      { field: 'timestamp', op: 'replace', value: '2026-11-19T12:00:00Z' },
    ],
    [
      'replaces a day',
      { expectedCloseDate: null },
      {},
      'missing_field',
      {
        field: 'data.expectedCloseDate',
        op: 'replace',
        value: '2026-12-24',
      },
    ],
    ['removes', { leadId: 'x'.repeat(300) }, {}, 'too_long', { field: 'data.leadId', op: 'remove' }],
    [
      'truncates to the column',
      { name: 'x'.repeat(600) },
      {},
      'too_long',
      {
        field: 'data.name',
        op: 'cast',
        to: 'truncate',
      },
    ],
    ['trims', { currency: ' EUR ' }, {}, 'too_long', { field: 'data.currency', op: 'cast', to: 'trim' }],
    ['rounds amounts', { amount: '10.005' }, {}, 'out_of_range', { field: 'data.amount', op: 'cast', to: 'number' }],
    [
      'rounds whole numbers',
      { probability: 99.6 },
      {},
      'out_of_range',
      {
        field: 'data.probability',
        op: 'cast',
        to: 'integer',
      },
    ],
    [
      'takes seconds for seconds',
      {},
      { timestamp: NOW / 1_000 },
      'implausible_timestamp',
      {
        field: 'timestamp',
        op: 'cast',
        to: 'timestamp',
      },
    ],
    [
      'takes microseconds for microseconds',
      { createdAt: NOW * 1_000 },
      {},
      'out_of_range',
      {
        field: 'data.createdAt',
        op: 'cast',
        to: 'timestamp',
      },
    ],
  ])('%s', (_, data, envelope, code, fix) => {
    const event = opportunity(data, envelope);
    expect(rejection(event)).toBe(code);
    expect(fixProblem(fix)).toBeNull();
    expect(rejection(applyFix(event, fix))).toBeNull();
  });

  it('leaves the event that it is given as it is', () => {
    const event = opportunity();
    const before = structuredClone(event);
    expect(field(applyFix(event, { field: 'data.name', op: 'remove' }), 'name')).toBeNull();
    expect(event).toEqual(before);
  });

  it('leaves events alone that have no such field', () => {
    const event = opportunity();
    expect(applyFix(event, { field: 'data.email', op: 'replace', value: 'x' })).toBe(event);
    const bare = { ...event, metadata: null };
    expect(applyFix(bare, { field: 'metadata.source', op: 'remove' })).toBe(bare);
  });

  it('counts characters as PostgreSQL does, and cuts none in two', () => {
    const event = opportunity({ name: '😀'.repeat(501) });
    expect(field(applyFix(event, { field: 'data.name', op: 'cast', to: 'truncate' }), 'name')).toBe('😀'.repeat(500));
  });

  it.each([
    ['10.005', '10.01'],
    ['-10.005', '-10.01'],
    ['0.994999', '0.99'],
    ['999.999', '1000.00'],
    [' 7 ', '7.00'],
    ['seven', 'seven'],
    ['1234567890123456789.999', '1234567890123456790.00'],
  ])('rounds %s to %s', (amount, rounded) => {
    const fixed = applyFix(opportunity({ amount }), { field: 'data.amount', op: 'cast', to: 'number' });
    expect(field(fixed, 'amount')).toBe(rounded);
  });

  it('applied again changes nothing more, and is read back as what was staged', () => {
    const rules = fc.oneof(
      fc.record({ field: fc.constantFrom(...FIXABLE_FIELDS), op: fc.constant('cast'), to: fc.constantFrom(...CASTS) }),
      fc.record({ field: fc.constantFrom(...FIXABLE_FIELDS), op: fc.constant('remove') }),
    ) as fc.Arbitrary<FixRule>;
    fc.assert(
      fc.property(rules, fc.string(), (fix, name) => {
        fc.pre(fixProblem(fix) === null && fix.field !== 'eventType');
        const fixed = applyFix(opportunity({ name }), fix);
        expect(applyFix(fixed, fix)).toEqual(fixed);
        expect(correctionToWireEvent(eventToJson(fixed))).toEqual(fixed);
      }),
    );
  });
});

describe('a rule', () => {
  it.each<FixRule>([
    { field: 'data.__proto__', op: 'replace', value: 'x' },
    { field: '__proto__', op: 'remove' },
    { field: 'constructor', op: 'remove' },
    { field: 'data.name.length', op: 'remove' },
    { field: 'data', op: 'remove' },
    { field: 'eventId', op: 'replace', value: 'one-for-all' },
    { field: 'data.id', op: 'remove' },
    { field: 'organizationId', op: 'replace', value: 'org-2' },
    { field: 'data.currency', op: 'replace', value: 7 },
    { field: 'data.createdAt', op: 'replace', value: 'yesterday' },
    { field: 'data.currency', op: 'cast', to: 'integer' },
    { field: 'data.expectedCloseDate', op: 'cast', to: 'timestamp' },
  ])('is refused: $field $op', (fix) => {
    expect(fixProblem(fix)).toEqual(expect.any(String));
  });

  it('may name every field but ids and whose the event is', () => {
    expect(FIXABLE_FIELDS).toContain('data.organizationId');
    expect(FIXABLE_FIELDS.some((name) => name.endsWith('.id') || name === 'eventId')).toBe(false);
    for (const name of FIXABLE_FIELDS) expect(fixProblem({ field: name, op: 'remove' })).toBeNull();
  });

  it('can mend an unknown event type', () => {
    const event = { ...opportunity(), eventType: 'opportunity.closed' };
    expect(rejection(event)).toBe('unknown_event_type');
    expect(rejection(applyFix(event, { field: 'eventType', op: 'replace', value: EVENT_TYPES[7] }))).toBeNull();
  });
});
