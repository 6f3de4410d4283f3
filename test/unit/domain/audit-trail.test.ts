import { describe, expect, it } from 'vitest';
import {
  BEGINNING,
  chainAfter,
  hashOf,
  outcomeOf,
  recordedParameter,
  type TrailEntry,
  trailDigest,
} from '../../../domain/audit-trail.ts';

const AT = '2026-01-01T00:00:00.000Z';

const ENTRY: TrailEntry = {
  ...{ kind: 'read', outcome: 'done', actionId: 'a', principal: 'ann', principalKind: 'token', permission: null },
  ...{ method: 'GET', route: '/x', subject: { id: '1' }, organizations: ['b', 'a'], status: 200, problem: null },
  ...{ requestId: 'r', clientAddress: null, occurrences: 1 },
};

describe('the chain', () => {
  it('numbers entries, and each hash is over the one before it and the whole entry', () => {
    const digest = trailDigest('key');
    const [first, second] = chainAfter(BEGINNING, [ENTRY, ENTRY], AT, digest);
    expect([first!.sequence, second!.sequence]).toEqual([1, 2]);
    expect(first!.hash).not.toBe(second!.hash);
    expect(hashOf(BEGINNING.hash, first!, digest)).toBe(first!.hash);
    expect(hashOf(first!.hash, second!, digest)).toBe(second!.hash);
    for (const [field, value] of Object.entries(first!)) {
      if (field === 'hash') continue;
      const changed = { ...first!, [field]: value === null ? 'x' : null };
      expect(hashOf(BEGINNING.hash, changed, digest), field).not.toBe(first!.hash);
    }
    expect(hashOf(BEGINNING.hash, { ...first!, organizations: ['a', 'b'] }, digest)).not.toBe(first!.hash);
  });

  it('can be made by nobody without its key', () => {
    const [keyed] = chainAfter(BEGINNING, [ENTRY], AT, trailDigest('key'));
    const [other] = chainAfter(BEGINNING, [ENTRY], AT, trailDigest('another key'));
    const [open] = chainAfter(BEGINNING, [ENTRY], AT, trailDigest(null));
    expect(new Set([keyed!.hash, other!.hash, open!.hash]).size).toBe(3);
    expect([keyed!.keyId, open!.keyId]).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/u), null]);
    expect(hashOf(BEGINNING.hash, keyed!, trailDigest('another key'))).not.toBe(keyed!.hash);
  });
});

it.each([
  [200, 'done'],
  [302, 'done'],
  [400, 'rejected'],
  [401, 'refused'],
  [403, 'refused'],
  [404, 'rejected'],
  [429, 'refused'],
  [500, 'failed'],
  [503, 'failed'],
])('status %d is recorded as %s', (status, outcome) => expect(outcomeOf(status)).toBe(outcome));

it.each([
  ['id', '17'],
  ['id', '0190d5f0-0000-7000-8000-000000000001'],
  ['organizationId', 'org-1'],
  ['table', 'crm_leads_staging'],
  ['job', 'failed-17-2'],
])('parameter %s is recorded as it is: %s', (name, value) => expect(recordedParameter(name, value)).toBe(value));

it.each([
  ['id', 'l-1'],
  ['id', 'ada@example.com'],
  ['organizationId', 'ada@example.com'],
  ['organizationId', 'Ada Lovelace'],
  ['table', ''],
  ['id', '1'.repeat(16)],
  ['newcomer', 'org-1'],
])('parameter %s is recorded as a hash: %s', (name, value) => {
  expect(recordedParameter(name, value)).toMatch(/^sha256:[0-9a-f]{32}$/u);
});
