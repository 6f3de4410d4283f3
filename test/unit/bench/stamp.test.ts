import { describe, expect, it } from 'vitest';
import { stampable, stamped, stampedId } from '../../../bench/latency/stamp.ts';
import { createEventEncoder } from '../../../scripts/lib/event-encoder.ts';
import { createEventFactory } from '../../../scripts/lib/event-factory.ts';

const encoder = createEventEncoder({ events: 1, leads: 2, contacts: 3, opportunities: 4 });
const { role, event } = createEventFactory({
  seed: 'stamp',
  organizations: 1,
  days: 1,
  now: 1_767_225_600_000,
}).eventAt(0);
const value = encoder.encode(role, event);

describe('stampable', () => {
  it('finds the id where every schema has it', () => {
    expect(stampable(value).id).toBe(event.eventId);
  });

  it('refuses what does not begin with a UUID', () => {
    expect(() => stampable(Buffer.from([0, 0, 0, 0, 1, 4, 0x61, 0x62]))).toThrow(/UUID/);
  });

  it('refuses a time that would not fit where another was', () => {
    expect(() => stampable(encoder.encode(role, { ...event, timestamp: 0 }))).toThrow(/no time/);
  });

  it('refuses texts whose length takes more than one byte', () => {
    expect(() => stampable(encoder.encode(role, { ...event, organizationId: 'o'.repeat(64) }))).toThrow(/64 bytes/);
  });

  it('refuses what ends too early', () => {
    expect(() => stampable(value.subarray(0, stampable(value).timeAt - 4))).toThrow(/64 bytes|no time/);
  });
});

describe('stamped', () => {
  it.each([1_767_225_600_000, 1_767_225_599_999, 2_100_000_000_001])(
    'changes the id and the time, and nothing else, in a copy: %d',
    (at) => {
      const copy = stamped(stampable(value), 3, at);
      const expected = { ...event, eventId: stampedId(event.eventId, 3), timestamp: at };
      expect(copy).toEqual(encoder.encode(role, expected));
      expect(value).toEqual(encoder.encode(role, event));
    },
  );
});

describe('stampedId', () => {
  it('is a UUID of its own for each lap', () => {
    const ids = Array.from({ length: 10_000 }, (_, lap) => stampedId(event.eventId, lap));
    expect(new Set(ids).size).toBe(10_000);
    expect(ids.every((id) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id))).toBe(true);
  });

  it('lays the ids of a lap far apart, as random ones are', () => {
    const firstDigits = Array.from({ length: 1_000 }, (_, lap) => stampedId(event.eventId, lap)[0]);
    expect(new Set(firstDigits).size).toBe(16);
  });
});
