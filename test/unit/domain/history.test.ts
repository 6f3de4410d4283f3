import { describe, expect, it } from 'vitest';
import { changedFields } from '../../../domain/history.ts';

describe('the fields that an event changed', () => {
  it('are those whose values differ', () => {
    const before = { status: 'new', score: 7, phone: null };
    expect(changedFields(before, { status: 'won', score: 7, phone: null })).toEqual([
      { field: 'status', from: 'new', to: 'won' },
    ]);
    expect(changedFields(before, { status: 'new', score: null, phone: '1' })).toEqual([
      { field: 'score', from: 7, to: null },
      { field: 'phone', from: null, to: '1' },
    ]);
  });

  it('are all that it has in the first version', () => {
    expect(changedFields(null, { status: 'new', score: null })).toEqual([{ field: 'status', from: null, to: 'new' }]);
  });
});
