import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createTrailObserver } from '../../../adapters/observe/audit-trail.ts';
import { recordingLogger } from '../platform/recording-logger.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const place = (sequence: number) => ({ sequence, hash: String(sequence % 10).repeat(64) });

it('where the log ends is told once a minute while it grows, and at the end', () => {
  const logger = recordingLogger();
  const observer = createTrailObserver(logger);
  const told = () => logger.lines.map(({ fields }) => String(fields?.at).split(':')[0]);
  observer.stands(place(1));
  observer.stands(place(2));
  expect(told()).toEqual([]);
  vi.advanceTimersByTime(60_000);
  expect(told()).toEqual(['2']);
  expect(logger.lines[0]).toMatchObject({ level: 'info', fields: { at: `2:${'2'.repeat(64)}` } });
  vi.advanceTimersByTime(600_000);
  expect(told()).toEqual(['2']);
  observer.stands(place(3));
  observer.close();
  observer.close();
  expect(told()).toEqual(['2', '3']);
});

it('a log that was cut back is an error that names both ends', () => {
  const logger = recordingLogger();
  createTrailObserver(logger).cutBack(place(9), place(7));
  expect(logger.lines).toMatchObject([
    { level: 'error', fields: { seen: expect.stringMatching(/^9:/u), found: expect.stringMatching(/^7:/u) } },
  ]);
});
