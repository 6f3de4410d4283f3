import { describe, expect, it } from 'vitest';
import { spreadOf, spreadOfKnown } from '../../../bench/statistics.ts';

describe('spreadOf', () => {
  it('takes the middle of an odd number of values, whatever their order', () => {
    expect(spreadOf([30, 100, 9])).toEqual({ min: 9, median: 30, max: 100 });
  });

  it('takes the mean of the two in the middle of an even number', () => {
    expect(spreadOf([4, 1, 100, 2])).toEqual({ min: 1, median: 3, max: 100 });
  });

  it('is the value itself for one value', () => {
    expect(spreadOf([7])).toEqual({ min: 7, median: 7, max: 7 });
  });

  it('refuses no values', () => {
    expect(() => spreadOf([])).toThrow(RangeError);
  });
});

describe('spreadOfKnown', () => {
  it('leaves out what is unknown', () => {
    expect(spreadOfKnown([null, 0, 2])).toEqual({ min: 0, median: 1, max: 2 });
    expect(spreadOfKnown([null, null])).toBeNull();
  });
});
