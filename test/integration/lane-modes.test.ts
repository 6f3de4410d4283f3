import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { SuppressionList } from '../../activities/ports.ts';
import { brokenBooksIn, statusesIn } from '../helpers/books.ts';
import { createLaneHarness, createTestTopics, produce } from '../helpers/lane-harness.ts';
import { ids, leadRecords, wireLead } from '../helpers/wire-leads.ts';

const SOON = { timeout: 30_000, interval: 50 };

/** A harness and a topic with two sound events, one that fails, one that can't be read, and a tombstone. */
async function createMixed() {
  const { client, topics, schemaIds } = await createTestTopics();
  const harness = await createLaneHarness(client);
  const other = {
    topic: topics.leads,
    partition: 0,
    key: 'b',
    value: wireLead(schemaIds.leads, 'b', { owner: 'org-2' }),
  };
  await produce(client, [
    ...leadRecords(topics.leads, schemaIds.leads, ['a']),
    other,
    { ...other, value: Buffer.from('unreadable') },
    ...leadRecords(topics.leads, schemaIds.leads, ['c']),
    { ...other, value: null },
  ]);
  return { ...harness, topics };
}

describe('a lane with a filter', () => {
  it('takes what fits alone, and the books call the rest absent', async () => {
    const { pool, drain, topics } = await createMixed();
    const { totals } = await drain([topics.leads], { only: { organizationId: 'org-1' } });
    expect(totals).toMatchObject({ stored: 2, dead: 1, tombstones: 0, absent: 2 });
    expect(await statusesIn(pool)).toEqual({ processed: 2, dead: 1 });
    expect(await brokenBooksIn(pool)).toEqual([]);
  });

  it.each([
    ['an organization', { organizationId: 'org-2' }, { stored: 0, absent: 5 }],
    ['an entity', { entityId: 'lead-c' }, { stored: 1, absent: 4 }],
    ['types of events', { eventTypes: ['lead.updated'] }, { stored: 0, absent: 5 }],
  ])('knows %s', async (_, only, expected) => {
    const { drain, topics } = await createMixed();
    expect((await drain([topics.leads], { only })).totals).toMatchObject(expected);
  });
});

describe('a lane that restores', () => {
  it('neither parks nor keeps what it can not read', async () => {
    const { pool, drain, startLane, reader, topics, runId } = await createMixed();
    await drain([topics.leads]);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging`);
    const failed = () => pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_failed_events`);
    const before = await failed();
    const sourceId = await pool.oneFirst(
      sql.type(z.object({ id: z.number() }))`SELECT source_id AS id FROM analytics.crm_sources`,
    );
    const [at] = await reader.partitions([topics.leads]);
    const lane = await startLane([topics.leads], {
      mode: 'restore',
      ranges: { scope: runId, parts: [{ ...at!, from: 0, to: 5, sourceId }] },
    });
    expect(await lane.ended).toMatchObject({
      reason: 'finished',
      totals: { stored: 0, skipped: 4, changed: 2, tombstones: 1, failed: 0, dead: 0, parked: 0 },
    });
    expect(await failed()).toBe(before);
    expect(await brokenBooksIn(pool)).toEqual([]);
  });
});

describe('a lane whose suppression list is out of date', () => {
  it('prepares again what PostgreSQL refused, without waiting for more records', async () => {
    const { client, topics, schemaIds } = await createTestTopics();
    let version = 0;
    const harness = await createLaneHarness(client, {
      suppression: {
        get version() {
          return version;
        },
        hides: (event) => version > 0 && event.eventId === 'b-0',
        unlink: (event) => event,
        refresh: async () => {
          version = await harness.pool.oneFirst(
            sql.type(z.object({ version: z.number() }))`SELECT version FROM analytics.crm_suppression_version`,
          );
        },
      } satisfies SuppressionList,
    });
    const { pool, startLane, lagOf } = harness;
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('a', 3)));
    const lane = await startLane([topics.leads]);
    await expect.poll(() => lagOf([topics.leads]), SOON).toBe(0);
    await pool.query(sql.unsafe`UPDATE analytics.crm_suppression_version SET version = 1`);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('b', 3)));
    await expect.poll(() => lagOf([topics.leads]), SOON).toBe(0);
    expect(await statusesIn(pool)).toEqual({ processed: 5, filtered: 1 });
    expect((await lane.stop()).totals).toMatchObject({ stored: 5, filtered: 1 });
    expect(await brokenBooksIn(pool)).toEqual([]);
  });
});
