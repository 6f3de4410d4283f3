import { expect, it, onTestFinished } from 'vitest';
import { createUnidentified } from '../../../api/unidentified.ts';
import type { TrailEntry } from '../../../domain/audit-trail.ts';
import { recordingLogger } from '../platform/recording-logger.ts';

/** What is counted over a log that takes entries when it is told to. */
function counting() {
  const written: TrailEntry[] = [];
  const state = { away: false };
  const logger = recordingLogger();
  const unidentified = createUnidentified(
    {
      async append(entry) {
        if (state.away) throw new Error('away');
        written.push(entry);
      },
    },
    logger,
  );
  onTestFinished(() => unidentified.close());
  const refuse = (clientAddress: string | null, status = 401) =>
    unidentified.count({ status, problem: 'unauthorized', clientAddress });
  return { ...unidentified, written, state, logger, refuse };
}

it('a flood from very many addresses makes a bounded number of entries, and loses no request', async () => {
  const { refuse, flush, written } = counting();
  for (let n = 0; n < 5_000; n += 1) refuse(`192.0.2.${n}`);
  refuse('192.0.2.1');
  await flush();
  expect(written).toHaveLength(1_001);
  expect(written.reduce((sum, { occurrences }) => sum + occurrences, 0)).toBe(5_001);
  expect(written.find(({ clientAddress }) => clientAddress === '192.0.2.1')?.occurrences).toBe(2);
  expect(written.find(({ clientAddress }) => clientAddress === null)?.occurrences).toBe(4_000);
});

it('what could not be written is added to what comes, from its first moment on', async () => {
  const { refuse, flush, written, state, logger } = counting();
  refuse('192.0.2.1');
  refuse('192.0.2.2', 403);
  state.away = true;
  const before = new Date().toISOString();
  await flush();
  expect(logger.lines).toMatchObject([{ level: 'warn', fields: { entries: 2 } }]);
  state.away = false;
  refuse('192.0.2.1');
  await flush();
  expect(written).toMatchObject([
    { status: 401, occurrences: 2, outcome: 'refused', kind: 'unidentified' },
    { status: 403, occurrences: 1 },
  ]);
  expect(String(written[0]?.subject.since) <= before).toBe(true);
  await flush();
  expect(written).toHaveLength(2);
});
