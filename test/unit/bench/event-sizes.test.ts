import { describe, expect, it } from 'vitest';
import { sparse } from '../../../bench/events/sparse.ts';
import { widened, widener } from '../../../bench/events/wide.ts';
import { SCHEMAS, TOPIC_ROLES } from '../../../domain/schemas.ts';
import { createEventEncoder } from '../../../scripts/lib/event-encoder.ts';
import { createEventFactory } from '../../../scripts/lib/event-factory.ts';
import { decoderOf } from '../registry/writer.ts';

const encoder = createEventEncoder({ events: 1, leads: 2, contacts: 3, opportunities: 4 });
const factory = createEventFactory({ seed: 'sizes', organizations: 5, days: 7, now: 1_767_225_600_000 });
const EVENTS = Array.from({ length: 100 }, (_, index) => factory.eventAt(index));

describe('widener', () => {
  it('fills events up to a size', () => {
    for (const bytes of [1_000, 10_000, 100_000]) {
      const widen = widener(bytes);
      for (const { role, event } of EVENTS) {
        const { length } = widen(encoder.encode(role, event));
        expect(Math.abs(length - bytes)).toBeLessThanOrEqual(1);
      }
    }
  });

  it('says the same to us by a schema that holds more', async () => {
    const decodePlain = await decoderOf(...TOPIC_ROLES.map((role) => SCHEMAS[role]));
    const decodeWide = await decoderOf(...TOPIC_ROLES.map((role) => widened(SCHEMAS[role])));
    const widen = widener(10_000);
    for (const { role, event } of EVENTS) {
      const value = encoder.encode(role, event);
      const decoded = decodeWide(widen(value));
      expect(decoded.ok).toBe(true);
      expect(decoded).toEqual(decodePlain(value));
    }
  });

  it('leaves larger events as they are, with an empty field', () => {
    const value = encoder.encode(EVENTS[0]!.role, EVENTS[0]!.event);
    expect(widener(10)(value)).toEqual(Buffer.concat([value, Buffer.from([0])]));
  });
});

describe('sparse', () => {
  it('makes events of about 200 bytes', () => {
    const sizes = EVENTS.map(({ role, event }) => encoder.encode(role, sparse(event)).length);
    expect(sizes.reduce((sum, size) => sum + size, 0) / sizes.length).toBeGreaterThan(180);
    expect(sizes.reduce((sum, size) => sum + size, 0) / sizes.length).toBeLessThan(220);
  });
});
