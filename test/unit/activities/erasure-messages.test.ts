import { expect, it } from 'vitest';
import { createMessageSearch } from '../../../activities/erasure-messages.ts';
import type { KeptMessage, RunningErasure } from '../../../activities/erasure-ports.ts';

const ERASURE: RunningErasure = {
  erasureId: 'e',
  subject: { kind: 'email', email: 'ada@example.com' },
  action: 'delete',
  requestedBy: 'ann',
  requestedAt: '2026-11-01T00:00:00.000Z',
  foldsUnicode: true,
};

it('has few messages in memory at once, and goes through all of them', async () => {
  const kept = Array.from(
    { length: 120 },
    (_, index): KeptMessage => ({
      failedId: index + 1,
      topic: 'crm.leads',
      organizationId: null,
      value: null,
      beside: 'key of Ada@Example.com',
      correction: null,
      sealed: false,
    }),
  );
  const pages: number[] = [];
  const search = createMessageSearch(
    {
      erasures: {
        heldOrganizations: async () => new Set<string>(),
        async messages(after, limit) {
          pages.push(limit);
          return kept.filter(({ failedId }) => failedId > after).slice(0, limit);
        },
      },
      decoder: {
        decode: () => {
          throw new Error('nothing is to be decoded');
        },
      },
    },
    ERASURE,
    [],
  );
  const found: number[] = [];
  await search(new AbortController().signal, async ({ failedIds }) => {
    found.push(...failedIds);
  });
  expect(found).toEqual(kept.map(({ failedId }) => failedId));
  expect(Math.max(...pages)).toBeLessThanOrEqual(50);
});
