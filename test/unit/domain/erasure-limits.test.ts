import { expect, it } from 'vitest';
import { notSearched } from '../../../domain/erasure-limits.ts';

it('says what bounds unreadable messages, or that nothing does', () => {
  const limits = { foldsUnicode: true, requestsInUse: 0 };
  expect(notSearched({ ...limits, failedRawKeepDays: 90 }).join()).toContain('after 90 days, by FAILED_RAW_KEEP_DAYS');
  expect(notSearched({ ...limits, failedRawKeepDays: null }).join()).toContain('FAILED_RAW_KEEP_DAYS is not set');
});
