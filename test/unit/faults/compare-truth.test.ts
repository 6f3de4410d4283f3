import { describe, expect, it } from 'vitest';
import { compareWithTruth, type Found } from '../../../scripts/lib/compare-truth.ts';
import type { Coordinates, Expected } from '../../../scripts/lib/truth.ts';

const at = (offset: number, over: Partial<Coordinates> = {}): Coordinates => ({
  topic: 'crm.leads',
  incarnation: 1,
  partition: 0,
  offset,
  ...over,
});

/** Event a, event b and its duplicate, an invalid one, and somebody else's record. */
function expected(over: Partial<Expected> = {}): Expected {
  return {
    deliveries: [
      { ...at(0), is: 'sound', eventId: 'a', entity: 'lead' },
      { ...at(1), is: 'sound', eventId: 'b', entity: 'lead' },
      { ...at(2), is: 'sound', eventId: 'b', entity: 'lead' },
      { ...at(3), is: 'invalid', code: 'undecodable' },
    ],
    foreign: [at(4)],
    vanished: 0,
    ...over,
  };
}

function found(over: Partial<Found> = {}): Found {
  return {
    staged: [
      { eventId: 'a', entity: 'lead', at: at(0) },
      { eventId: 'b', entity: 'lead', at: at(1) },
      { eventId: 'theirs', entity: 'contact', at: at(4) },
    ],
    logged: [
      { ...at(0), status: 'processed' },
      { ...at(1), status: 'processed' },
      { ...at(2), status: 'skipped' },
      { ...at(3), status: 'dead' },
      { ...at(4), status: 'processed' },
    ],
    failed: [{ ...at(3), status: 'dead', code: 'undecodable' }],
    parked: [],
    ...over,
  };
}

/** The rows without those at an offset. */
const without = <T extends { offset: number }>(rows: readonly T[], offset: number) =>
  rows.filter((row) => row.offset !== offset);

describe('the comparison with the truth', () => {
  it('finds nothing where all is well', () => {
    expect(compareWithTruth(expected(), found())).toEqual({ lost: [], doubled: [], wrong: [] });
  });

  it('finds an event that was not staged', () => {
    const staged = found().staged.filter(({ eventId }) => eventId !== 'a');
    expect(compareWithTruth(expected(), found({ staged })).lost).toEqual(['event a, sent as crm.leads#1[0]@0']);
  });

  it('finds an event that was staged twice', () => {
    const { staged } = found();
    expect(compareWithTruth(expected(), found({ staged: [...staged, ...staged.slice(0, 1)] })).doubled).toEqual([
      'event a has 2 staged rows',
    ]);
  });

  it('finds an event that was processed by two deliveries', () => {
    const logged = [...without(found().logged, 2), { ...at(2), status: 'processed' }];
    expect(compareWithTruth(expected(), found({ logged })).doubled).toEqual(['event b was processed 2 times']);
  });

  it('finds a delivery without a row in the events log, and one with two', () => {
    const logged = without(found().logged, 2);
    expect(compareWithTruth(expected(), found({ logged })).lost).toEqual([
      'delivery crm.leads#1[0]@2 has no row in the events log',
    ]);
    expect(
      compareWithTruth(expected(), found({ logged: [...found().logged, { ...at(0), status: 'processed' }] })).doubled,
    ).toEqual(['delivery crm.leads#1[0]@0 has 2 rows in the events log']);
  });

  it('finds an invalid event that was not kept', () => {
    expect(compareWithTruth(expected(), found({ failed: [] })).lost).toEqual([
      'invalid delivery crm.leads#1[0]@3 (undecodable)',
    ]);
  });

  it('takes an event of an unknown schema in a parked range for kept, and no other', () => {
    const { offset: _, ...range } = at(0);
    const parked = [{ ...range, from: 3, to: 4 }];
    const rows = { failed: [], logged: without(found().logged, 3) };
    const [a, b, again] = expected().deliveries;
    const unknown = { ...at(3), is: 'invalid', code: 'unknown_schema' };
    const deliveries = [a, b, again, unknown] as Expected['deliveries'];
    const nothing = { lost: [], doubled: [], wrong: [] };
    expect(compareWithTruth(expected({ deliveries }), found({ ...rows, parked }))).toEqual(nothing);
    const elsewhere = [{ ...range, from: 4, to: 5 }];
    expect(compareWithTruth(expected({ deliveries }), found({ ...rows, parked: elsewhere })).lost).not.toEqual([]);
    expect(compareWithTruth(expected(), found({ ...rows, parked })).lost).not.toEqual([]);
  });

  it('finds a sound event among the failed ones', () => {
    const failed = [...found().failed, { ...at(0), status: 'dead', code: 'refused_by_database' }];
    expect(compareWithTruth(expected(), found({ failed })).wrong).toEqual([
      'crm.leads#1[0]@0 is a failed event (refused_by_database), but was sent sound',
    ]);
  });

  it('finds an invalid event of another kind than was sent', () => {
    const failed = [{ ...at(3), status: 'dead', code: 'too_long' }];
    expect(compareWithTruth(expected(), found({ failed })).wrong).toEqual([
      'crm.leads#1[0]@3 failed as too_long, expected undecodable',
    ]);
  });

  it('finds rows that nothing was sent for', () => {
    const stray = { eventId: 'stray', entity: 'lead', at: at(9) };
    const verdict = compareWithTruth(
      expected(),
      found({
        staged: [...found().staged, stray],
        logged: [...found().logged, { ...at(9), status: 'processed' }],
      }),
    );
    expect(verdict.wrong).toEqual([
      'event stray is staged, but was never sent',
      'crm.leads#1[0]@9 is logged, but the log has no such record',
    ]);
  });

  it("tells a topic's incarnations apart", () => {
    const deliveries = [
      ...expected().deliveries,
      { ...at(0, { incarnation: 2 }), is: 'sound', eventId: 'c', entity: 'lead' },
    ] as Expected['deliveries'];
    expect(compareWithTruth(expected({ deliveries }), found()).lost).toEqual([
      'event c, sent as crm.leads#2[0]@0',
      'delivery crm.leads#2[0]@0 has no row in the events log',
    ]);
  });

  it('counts what Kafka acknowledged and does not have as lost', () => {
    expect(compareWithTruth(expected({ vanished: 2 }), found()).lost).toEqual([
      '2 records that Kafka acknowledged and lost itself',
    ]);
  });
});
