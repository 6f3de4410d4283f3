import { describe, expect, it } from 'vitest';
import { FAILURES } from '../../../domain/failures.ts';
import { createEventEncoder } from '../../../scripts/lib/event-encoder.ts';
import { type PlannedRecord, planRecords, type SendSettings } from '../../../scripts/lib/send-plan.ts';
import { NOW } from '../../helpers/events.ts';

const encoder = createEventEncoder({ events: 1, leads: 2, contacts: 3, opportunities: 4 });

function plan(over: Partial<SendSettings>): PlannedRecord[] {
  const settings = { seed: 'plan', from: 0, organizations: 3, days: 3, now: NOW, invalid: 0, duplicates: 0 };
  return [...planRecords({ count: 0, ...settings, ...over }, encoder)];
}

const only = (records: readonly PlannedRecord[], is: PlannedRecord['kind']['is']) =>
  records.filter(({ kind }) => kind.is === is);

const bytes = (records: readonly PlannedRecord[]) => records.map(({ value }) => value.toString('hex'));

describe('what is sent', () => {
  it('is the same for the same seed and range, and ranges join', () => {
    const whole = bytes(plan({ count: 100 }));
    expect(bytes(plan({ count: 100 }))).toEqual(whole);
    expect([...bytes(plan({ count: 35 })), ...bytes(plan({ from: 35, count: 65 }))]).toEqual(whole);
  });

  it('has invalid events of every failure spread evenly among the sound ones', () => {
    const records = plan({ count: 1_000, invalid: 100 });
    const invalid = only(records, 'invalid');
    expect(invalid).toHaveLength(100);
    expect(only(records, 'sound')).toHaveLength(1_000);
    for (let tenth = 0; tenth < 10; tenth += 1) {
      expect(only(records.slice(tenth * 110, (tenth + 1) * 110), 'invalid')).toHaveLength(10);
    }
    const codes = new Set(invalid.map(({ kind }) => (kind.is === 'invalid' ? kind.code : null)));
    // What PostgreSQL says depends on what it holds, and what can be opened on the keys.
    const neverMade = [
      'incompatible_schema',
      'key_unavailable',
      'missing_reference',
      'row_contended',
      'refused_by_database',
    ];
    expect([...codes].toSorted()).toEqual(
      Object.keys(FAILURES)
        .filter((code) => !neverMade.includes(code))
        .toSorted(),
    );
  });

  it('keeps invalid events below what Kafka takes by default', () => {
    expect(Math.max(...plan({ invalid: 100 }).map(({ value }) => value.length))).toBeLessThan(100_000);
  });

  it('ends with duplicates that are the same to the byte', () => {
    const records = plan({ count: 100, duplicates: 30 });
    const tail = records.slice(100);
    expect(only(tail, 'duplicate')).toHaveLength(30);
    const sound = new Set(bytes(records.slice(0, 100)));
    expect(bytes(tail).every((value) => sound.has(value))).toBe(true);
    expect(new Set(bytes(tail)).size).toBe(30);
  });

  it('can be invalid events alone, and no duplicates of nothing', () => {
    expect(plan({ invalid: 3, duplicates: 5 }).map(({ kind }) => kind.is)).toEqual(['invalid', 'invalid', 'invalid']);
  });
});
