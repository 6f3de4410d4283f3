import { describe, expect, it } from 'vitest';
import { type BatchPart, type IngestRules, Preparation, type ToPrepare } from '../../../activities/ingest.ts';
import { fixedLateWindow } from '../../../activities/late-policies.ts';
import {
  type ClaimedRange,
  type Decoded,
  type Delivery,
  type LogRecord,
  RegistryUnavailableError,
} from '../../../activities/ports.ts';
import { NOBODY } from '../../../activities/suppression.ts';
import { EVENT_TYPES } from '../../../domain/events.ts';
import { lead, RECORDED } from '../domain/sound.ts';

const RULES: IngestRules = {
  eventTypes: new Set(EVENT_TYPES),
  entityOfTopic: new Map(),
  late: fixedLateWindow(10_000 * 86_400_000),
  suppression: NOBODY,
};

const record = (offset: number): LogRecord => ({
  offset,
  timestamp: RECORDED,
  key: null,
  value: offset % 10 === 7 ? null : Buffer.from(String(offset)),
  headers: [],
});

const sliceOf = (partition: number, from: number, next: number) => ({
  topic: 'crm.leads',
  partition,
  from,
  next,
  records: Array.from({ length: next - from }, (_, index) => record(from + index)),
  endOffset: next,
});

const rangeOf = () => ({ positionId: 1 }) as ClaimedRange;

/** Every value is the number of an event. */
const decode = (value: Buffer): Decoded => ({ ok: true, event: lead({}, { eventId: String(value) }), schemaId: 1 });

function preparationOf(decoder: ToPrepare['decoder'], ...slices: ToPrepare['slices'][number][]): Preparation {
  const run = { runId: 'run', mode: 'ingest' } as const;
  return new Preparation({ slices, rangeOf, run, decoder, rules: RULES, now: RECORDED });
}

const namesOf = (deliveries: readonly Delivery[]) =>
  deliveries.map((delivery) => [
    delivery.slice,
    delivery.record.offset,
    'event' in delivery ? delivery.event.eventId : delivery.kind,
  ]);

const expected = (slice: number, from: number, next: number) =>
  Array.from({ length: next - from }, (_, index) => from + index).map((offset) => [
    slice,
    offset,
    offset % 10 === 7 ? 'tombstone' : String(offset),
  ]);

describe('a batch is prepared', () => {
  it('part by part, with every record once and in order', async () => {
    const parts: number[] = [];
    const seen: Delivery[] = [];
    const batch = await preparationOf({ decode }, sliceOf(0, 0, 700), sliceOf(1, 20, 620)).finish(({ deliveries }) => {
      parts.push(deliveries.length);
      seen.push(...deliveries);
      return false;
    });
    expect(parts.length).toBeGreaterThan(2);
    expect(Math.max(...parts)).toBeLessThan(700);
    expect(namesOf(seen)).toEqual([...expected(0, 0, 700), ...expected(1, 20, 620)]);
    expect(batch.deliveries).toEqual(seen);
    expect(batch.slices.map(({ from, next, records }) => [from, next, records])).toEqual([
      [0, 700, 700],
      [20, 620, 600],
    ]);
  });

  it('without a record at all', async () => {
    const { deliveries, slices } = await preparationOf({ decode }, sliceOf(0, 5, 5)).finish();
    expect(deliveries).toEqual([]);
    expect(slices).toHaveLength(1);
  });

  it('from where it stood when the registry could not be asked, and nobody sees a delivery twice', async () => {
    let outages = 3;
    const decoder = {
      decode(value: Buffer) {
        if (String(value) !== '1100' || outages === 0) return decode(value);
        outages -= 1;
        return outages === 0 ? Promise.resolve(decode(value)) : Promise.reject(new RegistryUnavailableError('away'));
      },
    };
    const preparation = preparationOf(decoder, sliceOf(0, 0, 1_500));
    const seen: Delivery[] = [];
    const take = ({ deliveries }: BatchPart) => {
      seen.push(...deliveries);
      return true;
    };
    await expect(preparation.finish(take)).rejects.toThrow(RegistryUnavailableError);
    await expect(preparation.finish(take)).rejects.toThrow(RegistryUnavailableError);
    const batch = await preparation.finish(take);
    expect(namesOf(seen)).toEqual(expected(0, 0, 1_500));
    expect(namesOf(batch.deliveries)).toEqual(expected(0, 0, 1_500));
  });
});

describe('deliveries that were not kept', () => {
  it.each([0, 1, 2, 3, 4])('are made again when somebody asks: %i parts of some', async (released) => {
    let part = 0;
    let decoded = 0;
    const decoder = {
      decode(value: Buffer) {
        decoded += 1;
        return decode(value);
      },
    };
    const batch = await preparationOf(decoder, sliceOf(0, 0, 900), sliceOf(1, 0, 900)).finish(() => part++ < released);
    const sound = decoded;
    expect(namesOf(batch.deliveries)).toEqual([...expected(0, 0, 900), ...expected(1, 0, 900)]);
    expect(decoded > sound).toBe(released > 0);

    const again = decoded;
    expect(batch.deliveries).toBe(batch.deliveries);
    expect(decoded).toBe(again);
  });

  it('do not come back once others were put in their place', async () => {
    const batch = await preparationOf({ decode }, sliceOf(0, 0, 900)).finish(() => true);
    const [first] = batch.deliveries;
    batch.deliveries = [first as Delivery];
    expect(batch.deliveries).toEqual([first]);
  });
});
