import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { sql } from 'slonik';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openRetryWorker } from '../../adapters/retries/worker.ts';
import { lead } from '../helpers/batches.ts';
import { required } from '../helpers/database.ts';
import { ids } from '../helpers/wire-leads.ts';
import { closedPort, openRelay } from './api-relay.ts';
import { createRetryHarness } from './retries-harness.ts';

const SOON = { timeout: 30_000, interval: 50 };

describe('retries', () => {
  it('stage what has become sound, count themselves, and leave no job behind', async () => {
    const harness = await createRetryHarness();
    const retries = await harness.failLeads(ids('a', 20));
    harness.startWorker();
    harness.queue.schedule(retries);
    await expect.poll(harness.statuses, SOON).toEqual({ resolved: 20 });
    expect(await harness.count('crm_leads_staging')).toBe(20);
    await expect.poll(() => harness.queue.depth(), SOON).toEqual({ waiting: 0, delayed: 0, active: 0, failed: 0 });
    const runs = await harness.pool.manyFirst(sql.unsafe`
      SELECT kind FROM analytics.crm_runs WHERE run_id IN (SELECT ingestion_id FROM analytics.crm_leads_staging)`);
    expect(runs).toEqual(['retry']);
    expect(await harness.metrics.registry.getSingleMetricAsString('crm_retries_total')).toContain(
      'crm_retries_total{outcome="processed"} 20',
    );
  });

  it('go on until the event can be written', async () => {
    const harness = await createRetryHarness();
    const retries = await harness.failLeads(['a', 'b']);
    const { heal } = await harness.refuseLeads(['a']);
    harness.startWorker();
    harness.queue.schedule(retries);
    await expect.poll(async () => (await harness.failedEvents())[0]?.attempts, SOON).toBeGreaterThanOrEqual(3);
    await heal('a');
    await expect.poll(harness.statuses, SOON).toEqual({ resolved: 2 });
  });

  it('end as a dead letter when nothing helps, and then leave it alone', async () => {
    const harness = await createRetryHarness();
    const [retry] = await harness.failLeads(['a']);
    await harness.refuseLeads(['a']);
    harness.startWorker();
    harness.queue.schedule([retry!]);
    await expect.poll(harness.statuses, SOON).toEqual({ dead: 1 });
    const [dead] = await harness.failedEvents();
    await harness.queue.addDue([{ ...retry!, attempts: dead!.attempts }]);
    await expect.poll(() => harness.queue.depth(), SOON).toMatchObject({ waiting: 0, active: 0 });
    expect(await harness.failedEvents()).toEqual([dead]);
  });

  it('do nothing when they come for an attempt that was made already', async () => {
    const harness = await createRetryHarness();
    const [retry] = await harness.failLeads(['a']);
    harness.startWorker();
    await harness.queue.addDue([{ ...retry!, attempts: 7 }]);
    await expect.poll(() => harness.queue.depth(), SOON).toMatchObject({ waiting: 0, active: 0 });
    expect(await harness.statuses()).toEqual({ failed: 1 });
    await harness.queue.addDue([retry!]);
    await expect.poll(harness.statuses, SOON).toEqual({ resolved: 1 });
  });

  it('leave one row when they race with each other and with a lane that reads the event again', async () => {
    const harness = await createRetryHarness();
    const names = ids('race', 30);
    const retries = await harness.failLeads(names);
    for (const _ of [1, 2, 3]) harness.startWorker();
    // Other ids for the same retries: none of them knows of the others.
    const doubles = retries.map(({ failedId, attempts }) => ({
      name: 'retry' as const,
      data: { failedId, attempts },
    }));
    const rough = new Queue(harness.config.retries.queue.name, {
      connection: harness.redis,
      prefix: harness.config.retries.queue.prefix,
    });
    await Promise.all([
      harness.queue.addDue(retries),
      rough.addBulk([...doubles, ...doubles]),
      harness.rereadLead(names.map((id) => lead(id))),
    ]);
    await expect.poll(harness.statuses, SOON).toEqual({ resolved: 30 });
    await expect.poll(() => harness.queue.depth(), SOON).toMatchObject({ waiting: 0, active: 0 });
    expect(await harness.count('crm_leads_staging')).toBe(30);
    expect(await harness.count('crm_event_ledger')).toBe(30);
    expect((await harness.failedEvents()).map(({ attempts }) => attempts)).toEqual(names.map(() => 1));
  });

  it('are one job however often they are added', async () => {
    const { failLeads, queue, sweep } = await createRetryHarness();
    const retries = await failLeads(ids('a', 5));
    await queue.addDue(retries);
    await queue.addDue(retries);
    expect(await sweep()).toEqual({ due: 5, enqueued: 5 });
    expect(await queue.depth()).toEqual({ waiting: 5, delayed: 0, active: 0, failed: 0 });
  });

  it('wait for their time', async () => {
    const { failLeads, queue, startWorker, statuses } = await createRetryHarness();
    const retries = await failLeads(['now', 'later']);
    startWorker();
    await queue.addDue([retries[0]!, { ...retries[1]!, dueAt: Date.now() + 3_600_000 }]);
    await expect.poll(statuses, SOON).toEqual({ resolved: 1, failed: 1 });
    expect(await queue.depth()).toEqual({ waiting: 0, delayed: 1, active: 0, failed: 0 });
  });

  it('are taken over from a worker that died', async () => {
    const { failLeads, queue, config, startWorker, statuses } = await createRetryHarness();
    const retries = await failLeads(['a']);
    const connection = new Redis(config.redis.url, { maxRetriesPerRequest: null });
    const taken = Promise.withResolvers<void>();
    const { name, prefix } = config.retries.queue;
    const doomed = new Worker(
      name,
      () => {
        taken.resolve();
        return new Promise(() => {});
      },
      // As a process that was killed: nobody renews its lock, and it looks for stalled jobs as often as ours do.
      { connection, prefix, lockDuration: 1_000, skipLockRenewal: true, stalledInterval: 5_000 },
    );
    onTestFinished(async () => {
      await doomed.close(true);
      connection.disconnect();
    });
    await queue.addDue(retries);
    await taken.promise;
    startWorker();
    await expect.poll(statuses, SOON).toEqual({ resolved: 1 });
  });

  it('hold no payload: nothing of an event is anywhere in Redis', async () => {
    const harness = await createRetryHarness();
    const retries = await harness.failLeads(['canary-5d1e']);
    await harness.refuseLeads(['canary-5d1e']);
    harness.startWorker();
    await harness.queue.addDue(retries);
    await harness.queue.addDue([{ ...retries[0]!, attempts: 9, dueAt: Date.now() + 3_600_000 }]);
    await expect.poll(async () => (await harness.failedEvents())[0]?.attempts, SOON).toBeGreaterThanOrEqual(2);
    const everything = await harness.inRedis();
    expect(everything).toContain('failedId');
    expect(everything).not.toContain('canary');
    expect(everything).not.toContain('ada@example.com');
  });
});

describe('a defect', () => {
  it('is given up after a few tries, and what its error said is nowhere', async () => {
    const { queue, config, logger, inRedis } = await createRetryHarness();
    const worker = openRetryWorker(
      { url: config.redis.url, ...config.retries.queue, concurrency: 1, ratePerSecond: 100 },
      {
        retry: async () => {},
        enqueue: async () => {
          throw new TypeError('cannot read ada@example.com');
        },
        onTrouble: () => {},
      },
      logger,
    );
    onTestFinished(() => worker.close(1_000));
    const { jobId } = await queue.enqueue({ topic: 'crm.leads', partition: 0, offset: 0 }, 0, null);
    await expect
      .poll(() => queue.job(jobId), SOON)
      .toMatchObject({ state: 'failed', outcome: null, error: 'unexpected TypeError', attempts: 3 });
    const logged = logger.lines.filter(({ level }) => level === 'error');
    expect(logged).toHaveLength(3);
    expect(logged[0]?.fields.at).toContain('retries.test.ts');
    expect(JSON.stringify(logged) + (await inRedis())).not.toContain('ada@example.com');
  });
});

describe('while a server is away', () => {
  it('an event is not charged for a database that does not answer, and is retried once it does', async () => {
    const harness = await createRetryHarness();
    const retries = await harness.failLeads(['a']);
    await harness.pool.query(sql.unsafe`ALTER TABLE analytics.crm_failed_events RENAME TO away`);
    harness.startWorker();
    await harness.queue.addDue(retries);
    await expect.poll(() => harness.queue.depth(), SOON).toMatchObject({ delayed: 1 });
    await harness.pool.query(sql.unsafe`ALTER TABLE analytics.away RENAME TO crm_failed_events`);
    await expect.poll(harness.failedEvents, SOON).toMatchObject([{ status: 'resolved', attempts: 1 }]);
    expect(harness.logger.lines.filter(({ message }) => message === 'retries wait')).toHaveLength(1);
    expect(harness.logger.lines.filter(({ message }) => message === 'retries go on')).toHaveLength(1);
  });
});

describe('without Redis', () => {
  it('nothing throws and nothing waits; the sweep says so, and finds the retries once it is back', async () => {
    const redis = new URL(required('REDIS_URL'));
    const port = await closedPort();
    const harness = await createRetryHarness({}, `redis://127.0.0.1:${port}`);
    const retries = await harness.failLeads(ids('a', 3));
    harness.startWorker();
    harness.queue.schedule(retries);
    await expect(harness.sweep()).rejects.toThrow('Redis does not answer');

    const relay = await openRelay({ host: redis.hostname, port: Number(redis.port || 6379) }, port);
    onTestFinished(() => relay.shut());
    await vi.waitFor(() => harness.queue.ping(), SOON);
    expect(await harness.sweep()).toEqual({ due: 3, enqueued: 3 });
    await expect.poll(harness.statuses, SOON).toEqual({ resolved: 3 });
  });

  it('a worker can be told to stop', async () => {
    const harness = await createRetryHarness({ SHUTDOWN_GRACE_MS: '1000' }, `redis://127.0.0.1:${await closedPort()}`);
    await harness.startWorker().run();
  });
});

describe('a worker that is told to stop', () => {
  it('finishes what it is writing', async () => {
    const harness = await createRetryHarness();
    const retries = await harness.failLeads(['a']);
    const release = Promise.withResolvers<void>();
    // Another transaction has the id, and the retry waits for what becomes of it.
    const blocker = harness.pool
      .transaction(async (transaction) => {
        await transaction.query(sql.unsafe`
          INSERT INTO analytics.crm_event_ledger (event_id, organization_id, entity, source_id, partition, "offset",
            event_timestamp, run_id, content_hash)
          VALUES ('a', 'org-1', 1, ${harness.range.sourceId}, 0, 99, now(), gen_random_uuid(), 1)`);
        await release.promise;
        throw new Error('rolled back');
      })
      .catch(() => {});
    const worker = harness.startWorker();
    await harness.queue.addDue(retries);
    await expect.poll(() => harness.blocked(), SOON).toBe(1);
    const stopped = worker.run();
    release.resolve();
    await blocker;
    await stopped;
    expect(await harness.statuses()).toEqual({ resolved: 1 });
    expect(await harness.queue.depth()).toEqual({ waiting: 0, delayed: 0, active: 0, failed: 0 });
  });
});
