import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createParked } from '../../activities/parked.ts';
import { createQuotaGate } from '../../activities/quota-gate.ts';
import { BURST_SECONDS } from '../../activities/quota-ports.ts';
import { createQuotaRules } from '../../activities/quota-rules.ts';
import { createQuotas } from '../../adapters/postgres/quotas.ts';
import type { ReadyQuotas } from '../../workflows/contracts.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { createLaneHarness, createTestTopics, produce } from '../helpers/lane-harness.ts';
import { ids, wireLead } from '../helpers/wire-leads.ts';

const now = () => performance.now();

describe('a bucket', () => {
  it('is shared by all that take at the same time, and gives no more than its burst at once', async () => {
    const { pool } = await createTestDatabase();
    const quotas = createQuotas(pool);
    await quotas.put({ organizationId: 'org-1', eventsPerSecond: 100, changedBy: 'ann' });
    await quotas.put({ organizationId: 'org-2', eventsPerSecond: 1, changedBy: 'ann' });
    const wanted = new Map([
      ['org-2', 3],
      ['free', 7],
      ['org-1', 300],
    ]);
    const began = now();
    const taken = await Promise.all(Array.from({ length: 8 }, () => quotas.take(wanted)));
    const seconds = (now() - began) / 1_000;
    const sum = (organization: string) => taken.reduce((all, granted) => all + (granted.get(organization) ?? 0), 0);
    expect(sum('free')).toBe(56);
    expect(sum('org-1')).toBeGreaterThanOrEqual(100 * BURST_SECONDS);
    expect(sum('org-1')).toBeLessThanOrEqual(100 * (BURST_SECONDS + seconds));
    expect(sum('org-2')).toBeGreaterThanOrEqual(BURST_SECONDS);
    expect(sum('org-2')).toBeLessThanOrEqual(BURST_SECONDS + seconds);
  });

  it('fills again at the rate of the quota, as it is now', async () => {
    const { pool } = await createTestDatabase();
    const quotas = createQuotas(pool);
    await quotas.put({ organizationId: null, eventsPerSecond: 10, changedBy: 'ann' });
    const all = new Map([['org-1', 1_000_000]]);
    expect((await quotas.take(all)).get('org-1')).toBe(10 * BURST_SECONDS);
    await quotas.put({ organizationId: 'org-1', eventsPerSecond: 1_000, changedBy: 'ann' });
    await sleep(300);
    const again = (await quotas.take(all)).get('org-1') ?? 0;
    expect(again).toBeGreaterThanOrEqual(300);
    expect(await quotas.remove('org-1')).toBe(true);
    expect(await quotas.remove('org-1')).toBe(false);
    expect(await quotas.list()).toMatchObject([{ organizationId: null, eventsPerSecond: 10 }]);
  });
});

/** A lane that holds organizations to their quotas, and what reads again what waits. */
async function createQuotaHarness() {
  const { client, topics, schemaIds } = await createTestTopics();
  const harness = await createLaneHarness(client, { maxRecords: 100 });
  const quotas = createQuotas(harness.pool);
  const { observer } = harness;
  harness.deps.quotas = createQuotaGate({ rules: createQuotaRules(quotas, now), quotas, observer, now });
  const { replayParked, sweepQuotas } = createParked({
    store: harness.store,
    registry: { knows: async () => true },
    observer,
    laneDepsFor: () => harness.deps,
    onParked: () => {},
    quotas,
    quotaRules: createQuotaRules(quotas, now),
    onOverQuota: () => {},
  });
  const send = (organization: string, eventIds: string[]) =>
    produce(
      client,
      eventIds.map((id) => ({
        topic: topics.leads,
        key: id,
        partition: 0,
        value: wireLead(schemaIds.leads, id, { organization }),
      })),
    );
  return {
    ...harness,
    topic: topics.leads,
    quotas,
    send,
    drain: () => harness.drain([topics.leads]),
    ready: async () => {
      const swept: ReadyQuotas = await new MockActivityEnvironment().run(sweepQuotas, { consumerGroup: 'group' });
      return swept.ready;
    },
    async replay(organizationId: string) {
      const runId = randomUUID();
      await harness.store.runs.start({ runId, kind: 'parked', scope: 'group' });
      const input = {
        topic: topics.leads,
        schemaId: 0,
        organizationId,
        consumerGroup: 'group',
        sliceMs: 60_000,
        runId,
      };
      return new MockActivityEnvironment().run(replayParked, input);
    },
    staged: () =>
      harness.pool.any(sql.type(z.object({ organization: z.string(), events: z.number() }))`
        SELECT organization_id AS organization, count(*)::int AS events
        FROM analytics.crm_leads_staging GROUP BY 1 ORDER BY 1`),
    sums: () =>
      harness.pool.one(sql.unsafe`
        SELECT sum(stored)::int AS stored, sum(skipped)::int AS skipped, sum(parked)::int AS parked
        FROM analytics.crm_batches`),
  };
}

describe('an organization over its quota', () => {
  it('waits in Kafka while others of its partition go on, and is read when there is room', async () => {
    const { quotas, send, drain, replay, ready, staged, sums, topic, store } = await createQuotaHarness();
    await quotas.put({ organizationId: 'flood', eventsPerSecond: 2, changedBy: 'ann' });
    await send('flood', ids('a', 300));
    await send('calm', ids('b', 50));
    await send('flood', ids('c', 100));
    await send('calm', ids('d', 50));
    await drain();
    const [calm, flood] = await staged();
    expect(calm).toEqual({ organization: 'calm', events: 100 });
    expect(flood).toMatchObject({ organization: 'flood' });
    const through = Number(flood?.events);
    expect(through).toBeGreaterThanOrEqual(2 * BURST_SECONDS);
    expect(through).toBeLessThan(200);
    expect(await quotas.over(10)).toMatchObject([{ organizationId: 'flood', records: 400 - through }]);
    expect(await sums()).toEqual({ stored: 100 + through, skipped: 0, parked: 400 - through });
    expect(await ready()).toEqual([]);
    // It is nothing of the stream that its records are of.
    expect(await store.streams.list()).toEqual([]);

    await quotas.put({ organizationId: 'flood', eventsPerSecond: 100_000, changedBy: 'ann' });
    await sleep(1_100); // A second of the quota must be there.
    expect(await ready()).toEqual([{ topic, organizationId: 'flood' }]);
    expect(await replay('flood')).toMatchObject({ finished: true, totals: { stored: 400 - through } });
    expect(await staged()).toEqual([calm, { organization: 'flood', events: 400 }]);
    expect(await quotas.over(10)).toEqual([]);
    expect(await sums()).toEqual({ stored: 500, skipped: 0, parked: 400 - through });
  });

  it('keeps to the quota also when what waits is read again, and loses nothing', async () => {
    const { quotas, send, drain, replay, staged } = await createQuotaHarness();
    await quotas.put({ organizationId: null, eventsPerSecond: 50, changedBy: 'ann' });
    await send('flood', ids('a', 700));
    await drain();
    const [{ records } = { records: 0 }] = await quotas.over(10);
    expect(records).toBeGreaterThan(0);
    const began = now();
    expect(await replay('flood')).toMatchObject({ finished: true, totals: { stored: records, parked: 0 } });
    const seconds = (now() - began) / 1_000;
    // Nothing was left of its burst when it began.
    expect(records).toBeLessThanOrEqual(50 * (seconds + BURST_SECONDS));
    expect(await staged()).toEqual([{ organization: 'flood', events: 700 }]);
  });
});
