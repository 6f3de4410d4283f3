import { describe, expect, it } from 'vitest';
import { EVENT_TYPES } from '../../../domain/events.ts';
import { expectedEntityOf } from '../../../domain/schemas.ts';
import { isRejection } from '../../../domain/validate.ts';
import type { GeneratedEvent } from '../../../scripts/lib/event-factory.ts';
import { createEventPath, NOW, testFactory } from '../../helpers/events.ts';

const DAY_MS = 86_400_000;

function take(count: number, over: Parameters<typeof testFactory>[0] = {}, from = 0): GeneratedEvent[] {
  const factory = testFactory(over);
  return Array.from({ length: count }, (_, index) => factory.eventAt(from + index));
}

const idsOf = (generated: readonly GeneratedEvent[]) => generated.map(({ event }) => event.eventId);

describe('the event factory', () => {
  it('gives the same bytes for the same seed, whichever events are asked for first', async () => {
    const { encoder } = await createEventPath();
    const bytes = (generated: readonly GeneratedEvent[]) =>
      generated.map(({ role, event }) => encoder.encode(role, event).toString('hex'));
    const inOrder = bytes(take(200));
    const factory = testFactory();
    const backwards = Array.from({ length: 200 }, (_, index) => factory.eventAt(199 - index)).toReversed();
    expect(bytes(backwards)).toEqual(inOrder);
    expect(bytes(take(50, {}, 150))).toEqual(inOrder.slice(150));
  });

  it('gives each event an id of its own, another for each seed', () => {
    const ids = [...idsOf(take(2_000)), ...idsOf(take(2_000, { seed: 'other' }))];
    expect(new Set(ids).size).toBe(4_000);
    for (const id of ids) {
      expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/);
    }
  });

  it('has all nine types in any ten events of one story', () => {
    const types = new Set(take(10, {}, 70).map(({ event }) => event.eventType));
    expect([...types].toSorted()).toEqual([...EVENT_TYPES].toSorted());
  });

  it('makes events that the pipeline stages as they are', async () => {
    const { encoder, receive } = await createEventPath();
    for (const { role, event } of take(1_000)) {
      const staged = await receive(role, encoder.encode(role, event));
      if (isRejection(staged)) expect.fail(`${event.eventType}: ${staged.code}, ${staged.detail}`);
      const { id, ...data } = event.data;
      expect(staged).toMatchObject({
        ...data,
        [`${event.entity}Id`]: id,
        eventId: event.eventId,
        eventType: event.eventType,
        eventTimestamp: event.timestamp,
        metadata: event.metadata === null ? null : JSON.stringify(event.metadata),
      });
    }
  });

  it('lets every record begin with its creation, change later, and refer to records that are there', () => {
    const seen = new Map<string, number>();
    for (const { event } of take(500)) {
      const { data, eventType, timestamp } = event;
      const before = seen.get(data.id);
      expect(before === undefined).toBe(eventType.endsWith('.created'));
      if (before !== undefined) expect(timestamp).toBeGreaterThan(before);
      seen.set(data.id, timestamp);
      expect(data.updatedAt).toBe(timestamp);
      expect(data.createdAt).toBeLessThanOrEqual(timestamp);
      if ('leadId' in data) expect(seen.has(data.leadId ?? '')).toBe(true);
      if ('contactId' in data) expect(seen.has(data.contactId ?? '')).toBe(true);
    }
  });

  it('spreads events over the days up to now, and over the organizations', () => {
    const events = take(2_000, { days: 4, organizations: 3 }).map(({ event }) => event);
    const days = new Set(events.map(({ timestamp }) => Math.floor((NOW - timestamp) / DAY_MS)));
    expect([...days].toSorted()).toEqual([0, 1, 2, 3]);
    expect(Math.max(...events.map(({ timestamp }) => timestamp))).toBeLessThanOrEqual(NOW);
    const organizations = new Set(events.map(({ organizationId }) => organizationId));
    expect([...organizations].toSorted()).toEqual(['org-1', 'org-2', 'org-3']);
  });

  it('sends about one in five to the topic of all events, the others to the topic of their entity', () => {
    const events = take(2_000);
    const shared = events.filter(({ role }) => role === 'events').length;
    expect(shared).toBeGreaterThan(300);
    expect(shared).toBeLessThan(500);
    for (const { role, event } of events.filter((generated) => generated.role !== 'events')) {
      expect(expectedEntityOf(role)).toBe(event.entity);
    }
  });

  it('refuses an index that is none', () => {
    expect(() => testFactory().eventAt(-1)).toThrow(RangeError);
    expect(() => testFactory().eventAt(0.5)).toThrow(RangeError);
  });
});
