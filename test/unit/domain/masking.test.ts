import { describe, expect, it } from 'vitest';
import { eventToJson } from '../../../domain/event-json.ts';
import type { WireEvent } from '../../../domain/events.ts';
import { maskedField as fieldWithMask, maskEvent, maskOpen, unmaskEvent } from '../../../domain/masking.ts';
import { CONTACT, LEAD, OPPORTUNITY, RECORDED } from './sound.ts';

const lead = (over: Record<string, unknown>) => ({
  eventId: 'event-1',
  eventType: 'lead.created',
  data: { ...LEAD, ...over },
});
const maskedField = (name: string, value: unknown) =>
  (maskEvent(lead({ [name]: value })) as { data: Record<string, unknown> }).data[name];

describe('masking', () => {
  it.each([
    ['email', 'ada@example.com', 'a***@e***.com'],
    ['email', 'ada.lovelace@mail.example.co.uk', 'a***@m***.uk'],
    ['email', 'not an address', 'n***'],
    ['email', 'two@at@example.com', 't***'],
    ['phone', '+49 30 901820', '+** ** ****20'],
    ['phone', '12345', '***'],
    ['phone', 'ask for Ada 030901820', '*** *** *** *******20'],
    ['phone', '0'.repeat(300), '***'],
    ['firstName', 'Ada', 'A***'],
    ['firstName', '🦄nicorn', '🦄***'],
    ['company', 'Lovelace & Sons', 'L***'],
    ['assignedTo', 'grace@example.com', 'g***'],
    ['firstName', 12_345, '***'],
  ])('of %s %s → %s', (field, value, masked) => {
    expect(maskedField(field, value)).toBe(masked);
  });

  it('leaves empty and missing values to be seen', () => {
    expect(maskedField('email', null)).toBeNull();
    expect(maskedField('email', '')).toBe('');
  });

  it('shows ids, codes, times and figures as they are', () => {
    const shown = {
      id: 'lead-1',
      source: 'Trade fair',
      status: 'new',
      score: 70,
      createdAt: '2026-01-31T12:00:00.000Z',
    };
    expect(maskEvent(lead(shown))).toMatchObject({ eventId: 'event-1', eventType: 'lead.created', data: shown });
  });

  it('hides an id that is made of an e-mail address', () => {
    expect(maskedField('id', 'lead-ada@example.com')).toBe('***');
    expect(maskOpen('lead-ada@example.com')).toBe('***');
    expect(maskOpen('lead-1')).toBe('lead-1');
  });

  it('hides whatever the catalogue does not know, at any depth', () => {
    const unknown = {
      text: 'Ada',
      number: 5,
      list: ['Ada', { deep: 'Ada' }],
      none: null,
      flag: true,
    };
    expect(
      maskEvent({ ...unknown, data: { id: { nested: 'Ada' }, nickname: 'Ada' }, metadata: { user: 'Ada' } }),
    ).toEqual({
      text: '***',
      number: '***',
      list: ['***', { deep: '***' }],
      none: null,
      flag: true,
      data: { id: { nested: '***' }, nickname: '***' },
      metadata: { user: '***' },
    });
  });

  it('does not take names that every object has for fields of the catalogue', () => {
    expect(maskEvent({ toString: 'Ada', constructor: 'Ada' })).toEqual({ toString: '***', constructor: '***' });
  });

  it.each([
    ['lead', LEAD],
    ['contact', CONTACT],
    ['opportunity', OPPORTUNITY],
  ] as const)('leaves nothing of the people in a whole %s', (entity, data) => {
    const event = {
      eventId: 'e',
      eventType: `${entity}.created`,
      organizationId: 'org-1',
      timestamp: RECORDED,
      metadata: null,
    };
    const masked = JSON.stringify(maskEvent(eventToJson({ ...event, entity, data } as WireEvent)));
    const personal = ['Zoë', 'Nguyễn', 'zoe@example.com', 'Løvås', 'Årlig'];
    const there = personal.filter((text) => JSON.stringify(data).includes(text));
    expect(there).not.toEqual([]);
    for (const text of personal) expect(masked).not.toContain(text);
  });
});

describe('a masked event that is sent back', () => {
  const original = { eventId: 'e', data: { firstName: 'Ada', email: 'ada@example.com', currency: 'eur', extra: 'x' } };

  it('has what its masks stand for, and what was changed', () => {
    const masked = maskEvent(original) as typeof original;
    expect(masked.data.email).not.toBe('ada@example.com');
    const sent = { ...masked, data: { ...masked.data, currency: 'EUR' } };
    expect(unmaskEvent(sent, original)).toEqual({ ...original, data: { ...original.data, currency: 'EUR' } });
  });

  it('keeps masks that stand for nothing, which are found', () => {
    const sent = { eventId: 'e', data: { firstName: 'A***', email: 'b***@e***.com' } };
    const event = unmaskEvent(sent, original);
    expect(event).toEqual({ eventId: 'e', data: { firstName: 'Ada', email: 'b***@e***.com' } });
    expect(fieldWithMask(event)).toBe('data.email');
    expect(fieldWithMask(unmaskEvent(sent, null))).toBe('data.firstName');
    expect(fieldWithMask(original)).toBeNull();
  });
});
