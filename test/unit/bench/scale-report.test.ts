import { describe, expect, it } from 'vitest';
import { renderScale } from '../../../bench/scale/report.ts';

describe('renderScale', () => {
  it('divides by the base of the same round, so that drift between rounds cancels out', () => {
    const [note, table] = renderScale([
      {
        dimension: { name: 'rows', note: 'Rows before.' },
        cases: [
          { name: 'empty tables', rates: [100, 50, 200] },
          { name: '10 million', rates: [90, 40, 190] },
        ],
        others: [],
      },
    ]);
    expect(note).toContain('**rows.** Rows before.');
    expect(table?.split('\n').slice(2)).toEqual([
      '| empty tables |      1.00 |   1.00 | 1.00 |      – |              100 |',
      '| 10 million   |      0.80 |   0.90 | 0.95 | ≥ 0.85 |               90 |',
    ]);
  });
});
