import { describe, expect, it } from 'vitest';
import { WriteError } from '../../activities/ports.ts';
import type { ApiDeps } from '../../api/ports.ts';
import { CANARY } from '../helpers/events.ts';
import { createDeadLetterHarness, encodedEvent, LETTERS } from './dead-letters-harness.ts';

const linesOf = (text: string) =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { id: number });

/** The real thing, which counts the pages it is asked for and can fail from one of them on. */
function countingPages(deadLetters: ApiDeps['deadLetters'], failAt = Number.POSITIVE_INFINITY) {
  const counted = {
    pages: 0,
    deadLetters: {
      ...deadLetters,
      listWhole: async (...search: Parameters<ApiDeps['deadLetters']['listWhole']>) => {
        counted.pages += 1;
        if (counted.pages >= failAt) throw new WriteError('57P01');
        return deadLetters.listWhole(...search);
      },
    },
  };
  return counted;
}

describe('an export', () => {
  it('has all 5,000 events of a filter, each once, the newest first', async () => {
    const { fail, ask } = await createDeadLetterHarness();
    const { value } = await encodedEvent('lead');
    const ids = await fail(Array.from({ length: 5_000 }, () => ({ value })));
    await fail([{ rejection: { code: 'row_contended', detail: 'the row stayed locked' } }]);
    const { status, text } = await ask('GET', '/export?status=dead');
    expect(status).toBe(200);
    expect(linesOf(text).map(({ id }) => id)).toEqual(ids.toSorted((a, b) => b - a));
    expect(text).not.toContain('canary');
  });

  it('has lines like the answer for one event', async () => {
    const { fail, ask, get } = await createDeadLetterHarness();
    const { value } = await encodedEvent('contact');
    const [id] = await fail([{ value }]);
    const { text } = await ask('GET', '/export');
    expect(linesOf(text)).toEqual([await get(`/${id}`)]);
  });

  it('has raw messages for whoever may see them', async () => {
    const { fail, ask, askAsReader } = await createDeadLetterHarness();
    const { value } = await encodedEvent('lead');
    await fail([{ value }]);
    expect(await ask('GET', '/export?raw=true')).toMatchObject({ status: 403 });
    const { text } = await askAsReader('GET', '/export?raw=true');
    const raw = {
      key: Buffer.from('key').toString('base64'),
      value: value.toString('base64'),
      headers: [['trace', 'YWJj']],
    };
    expect(linesOf(text)).toMatchObject([{ event: { data: { email: CANARY } }, raw }]);
    expect((await askAsReader('GET', '/export')).text).not.toContain('"raw"');
  });

  it('of nothing is empty', async () => {
    const { ask } = await createDeadLetterHarness();
    expect(await ask('GET', '/export')).toMatchObject({ status: 200, text: '' });
  });

  it('reads no further than it is read itself, and stops when nobody does any more', async () => {
    const seeded = await createDeadLetterHarness();
    await seeded.fail(Array.from({ length: 1_000 }, () => ({})));
    const counted = countingPages(seeded.deadLetters);
    const { app } = await createDeadLetterHarness(counted);
    const response = await app.request(`${LETTERS}/export`);
    const reader = response.body!.getReader();
    await reader.read();
    expect(counted.pages).toBeLessThanOrEqual(3);
    await reader.cancel();
    const read = counted.pages;
    await new Promise((resolve) => setImmediate(resolve));
    expect(counted.pages).toBe(read);
  });

  it('breaks off for all to see when the database goes', async () => {
    const seeded = await createDeadLetterHarness();
    await seeded.fail(Array.from({ length: 200 }, () => ({})));
    const { app, logger } = await createDeadLetterHarness(countingPages(seeded.deadLetters, 3));
    const response = await app.request(`${LETTERS}/export`);
    await expect(response.text()).rejects.toThrow('57P01');
    expect(logger.lines).toContainEqual(expect.objectContaining({ level: 'warn', message: 'an export broke off' }));
  });

  it('does not begin when the database is away', async () => {
    const seeded = await createDeadLetterHarness();
    const { ask } = await createDeadLetterHarness(countingPages(seeded.deadLetters, 1));
    expect(await ask('GET', '/export')).toMatchObject({ status: 503 });
  });
});
