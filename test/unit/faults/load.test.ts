import { describe, expect, it } from 'vitest';
import { createEventEncoder } from '../../../scripts/lib/event-encoder.ts';
import { type LoadRecord, type LoadSettings, planLoad } from '../../../scripts/lib/load.ts';
import { NOW } from '../../helpers/events.ts';

const encoder = createEventEncoder({ events: 1, leads: 2, contacts: 3, opportunities: 4 });
const SETTINGS: LoadSettings = { seed: 'load', organizations: 3, days: 3, now: NOW, duplicates: 0.01, invalid: 0.005 };

function plan(count: number, over: Partial<LoadSettings> = {}): LoadRecord[] {
  const records = planLoad({ ...SETTINGS, ...over }, encoder);
  return Array.from({ length: count }, () => records.next().value as LoadRecord);
}

describe('a load', () => {
  it('is the same for the same seed', () => {
    expect(plan(500)).toEqual(plan(500));
    expect(plan(500, { seed: 'another' })).not.toEqual(plan(500));
  });

  it('holds its shares of duplicates and invalid events', () => {
    const records = plan(50_000);
    const ids = records.flatMap(({ kind }) => (kind.is === 'invalid' ? [] : [kind.eventId]));
    const invalid = records.length - ids.length;
    const repeated = ids.length - new Set(ids).size;
    expect(invalid / records.length).toBeCloseTo(0.005, 2);
    expect(repeated / records.length).toBeGreaterThan(0.008);
    expect(repeated / records.length).toBeLessThan(0.012);
  });

  it('repeats events to the byte', () => {
    const byId = Map.groupBy(
      plan(20_000).filter(({ kind }) => kind.is !== 'invalid'),
      ({ kind }) => (kind.is === 'invalid' ? '' : kind.eventId),
    );
    const repeated = [...byId.values()].filter(({ length }) => length > 1);
    expect(repeated.length).toBeGreaterThan(0);
    for (const records of repeated) {
      expect(new Set(records.map(({ value }) => value.toString('hex'))).size).toBe(1);
    }
  });

  it('has neither without a share of them', () => {
    const records = plan(5_000, { duplicates: 0, invalid: 0 });
    expect(new Set(records.map(({ kind }) => (kind.is === 'sound' ? kind.eventId : null))).size).toBe(5_000);
  });
});
