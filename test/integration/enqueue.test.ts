import { sql } from 'slonik';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { locate } from '../../activities/log-coordinates.ts';
import { openRetryQueue } from '../../adapters/retries/queue.ts';
import { produce } from '../helpers/lane-harness.ts';
import { ids, leadRecords, wireLead } from '../helpers/wire-leads.ts';
import { createTestApp, PREFIX } from '../unit/api/app-under-test.ts';
import { closedPort } from './api-relay.ts';
import { createRetryHarness } from './retries-harness.ts';

const SOON = { timeout: 30_000, interval: 50 };

const answerOf = z.object({ jobId: z.string(), runsAt: z.string() });

/** The API over the queue and the log of a harness. */
async function createApi() {
  const harness = await createRetryHarness();
  const { queue, reader, names, client, topics } = harness;
  const api = createTestApp({ queue, jobs: queue, locate: (at) => locate(reader, names, at) });

  const enqueue = (over: Record<string, unknown> = {}) =>
    api.request('POST', `${PREFIX}/enqueue`, { json: { topic: topics.leads, partition: 0, offset: 0, ...over } });
  const job = async (id: string) => (await api.request('GET', `${PREFIX}/jobs/${id}`)).json();

  /** Enqueues a message and waits for what becomes of it. */
  async function outcomeOf(over: Record<string, unknown>): Promise<unknown> {
    const { jobId } = answerOf.parse(await (await enqueue(over)).json());
    await expect.poll(() => job(jobId), SOON).toMatchObject({ state: 'completed' });
    const { outcome } = z.object({ outcome: z.unknown() }).parse(await job(jobId));
    return outcome;
  }
  const leads = (count: number, prefix = 'a') =>
    produce(client, leadRecords(topics.leads, harness.schemaIds.leads, ids(prefix, count)));
  return { ...harness, ...api, enqueue, job, outcomeOf, leads };
}

describe('POST /enqueue', () => {
  it('says what is wrong with coordinates that name no message, each in its own way', async () => {
    const { enqueue, leads, client, topics, queue } = await createApi();
    await leads(10);
    const admin = client.kafka.admin();
    await admin.connect();
    await admin.fetchTopicOffsets(topics.leads); // deleteTopicRecords needs the metadata that this loads
    await admin.deleteTopicRecords({ topic: topics.leads, partitions: [{ partition: 0, offset: '5' }] });
    await admin.disconnect();

    const answers = [
      [{ topic: 'someone.elses' }, 404, 'unknown-topic'],
      [{ partition: 7 }, 404, 'unknown-partition'],
      [{ offset: 10 }, 409, 'offset-not-written'],
      [{ offset: 10, delay: 60_000 }, 409, 'offset-not-written'],
      [{ offset: 4 }, 410, 'offset-deleted'],
      [{ delay: 31 * 86_400_000 }, 400, 'invalid-request'],
      [{ payload: 'x' }, 400, 'invalid-request'],
    ] as const;
    for (const [over, status, kind] of answers) {
      const response = await enqueue(over);
      expect(await response.json(), kind).toMatchObject({ status, type: `/docs#problem-${kind}` });
      expect(response.status).toBe(status);
    }
    expect((await enqueue({ offset: 5 })).status).toBe(202);
    expect(await queue.depth()).toMatchObject({ waiting: 1, delayed: 0 });
  });

  it('ingests a message, and skips it the second time', async () => {
    const { outcomeOf, leads, startWorker, count, topics, pool } = await createApi();
    await leads(3);
    startWorker();
    expect(await outcomeOf({ offset: 1 })).toMatchObject({ outcome: 'processed' });
    expect(await outcomeOf({ offset: 1 })).toMatchObject({ outcome: 'skipped', reason: 'reread' });
    expect(await count('crm_leads_staging')).toBe(1);
    const log = await pool.any(sql.unsafe`
      SELECT event_id, topic, "offset", processing_status AS status FROM analytics.crm_events_log`);
    expect(log).toEqual([{ event_id: 'a-1', topic: topics.leads, offset: 1, status: 'processed' }]);
  });

  it('skips an event that came before under other coordinates', async () => {
    const { outcomeOf, leads, startWorker, count } = await createApi();
    await leads(1);
    await leads(1);
    startWorker();
    expect(await outcomeOf({ offset: 0 })).toMatchObject({ outcome: 'processed' });
    expect(await outcomeOf({ offset: 1 })).toMatchObject({ outcome: 'skipped', reason: 'duplicate' });
    expect(await count('crm_leads_staging')).toBe(1);
  });

  it('keeps what can not be read as a dead letter, says why, and does not try it again by itself', async () => {
    const { outcomeOf, client, topics, startWorker, statuses, inRedis } = await createApi();
    await produce(client, [{ topic: topics.leads, key: null, value: Buffer.from('{"email":"a@example.com"}') }]);
    startWorker();
    const outcome = await outcomeOf({ offset: 0 });
    expect(outcome).toMatchObject({ outcome: 'dead', code: 'bad_magic_byte', detail: expect.any(String) });
    const kept = await inRedis();
    expect(kept).toContain(topics.leads);
    expect(kept).not.toContain('a@example.com');
    expect(await statuses()).toEqual({ dead: 1 });
    expect(await outcomeOf({ offset: 0 })).toMatchObject({
      outcome: 'dead',
      detail: expect.stringContaining('redrive'),
    });
    expect(await statuses()).toEqual({ dead: 1 });
  });

  it('retries an event that failed before, whenever its retry would be due', async () => {
    const { outcomeOf, leads, failLeads, startWorker, pool, failedEvents } = await createApi();
    await leads(1);
    await failLeads(['a-0']);
    await pool.query(sql.unsafe`UPDATE analytics.crm_failed_events SET next_attempt_at = 'tomorrow'`);
    startWorker();
    expect(await outcomeOf({ offset: 0 })).toMatchObject({ outcome: 'processed' });
    expect(await failedEvents()).toMatchObject([{ status: 'resolved', settledAs: 'processed' }]);
    expect(await outcomeOf({ offset: 0 })).toMatchObject({ outcome: 'skipped', reason: 'settled' });
  });

  it.each([
    ['what no retry mends is dead at once', '22001', 'dead'],
    ['what may come right is retried', '23503', 'failed'],
  ])('of what PostgreSQL refuses: %s', async (_, sqlstate, outcome) => {
    const { outcomeOf, leads, refuseLeads, startWorker, failedEvents } = await createApi();
    await leads(1);
    await refuseLeads(['a-0'], sqlstate);
    startWorker();
    expect(await outcomeOf({ offset: 0 })).toMatchObject({ outcome, detail: expect.any(String) });
    await expect.poll(failedEvents, SOON).toMatchObject([{ status: 'dead', attempts: outcome === 'dead' ? 0 : 12 }]);
  });

  it('tells a tombstone from an offset that holds nothing', async () => {
    const { outcomeOf, client, reader, topics, startWorker, count } = await createApi();
    const transaction = await client.kafka.producer({
      idempotent: true,
      transactionalId: `enqueue-${topics.leads}`,
      maxInFlightRequests: 1,
    });
    await transaction.connect();
    const open = await transaction.transaction();
    await open.send({ topic: topics.leads, messages: [{ key: 'a', value: null }] });
    await open.commit();
    await transaction.disconnect();
    // The commit is answered before its marker is in the log, and what is sent meanwhile may come before it.
    const end = async () => (await reader.bounds([{ topic: topics.leads, partition: 0 }]))[0]?.end;
    await expect.poll(end, SOON).toBe(2);
    await produce(client, [{ topic: topics.leads, key: 'b', value: null }]);
    startWorker();
    expect(await outcomeOf({ offset: 0 })).toMatchObject({ outcome: 'tombstone' });
    // The transaction's marker.
    expect(await outcomeOf({ offset: 1 })).toMatchObject({ outcome: 'nothing-there', detail: expect.any(String) });
    expect(await count('crm_events_log')).toBe(0);
  });

  it('reads a topic that no lane has read yet', async () => {
    const { outcomeOf, client, topics, schemaIds, startWorker, pool } = await createApi();
    await produce(client, [{ topic: topics.events, key: null, value: wireLead(schemaIds.leads, 'first') }]);
    startWorker();
    expect(await outcomeOf({ topic: topics.events })).toMatchObject({ outcome: 'processed' });
    const [source] = await pool.any(sql.unsafe`
      SELECT incarnation, topic_id FROM analytics.crm_sources WHERE topic = ${topics.events}`);
    expect(source).toEqual({ incarnation: 1, topic_id: expect.any(String) });
  });

  it('waits for the delay, and looks again whether the message is there', async () => {
    const { enqueue, job, leads, client, topics, startWorker } = await createApi();
    await leads(2);
    startWorker();
    const before = Date.now();
    const { jobId, runsAt } = answerOf.parse(await (await enqueue({ offset: 0, delay: 2_000 })).json());
    expect(Date.parse(runsAt)).toBeGreaterThanOrEqual(before + 2_000);
    expect(await job(jobId)).toMatchObject({ kind: 'enqueue', state: 'delayed', outcome: null, runsAt });
    const admin = client.kafka.admin();
    await admin.connect();
    await admin.fetchTopicOffsets(topics.leads);
    await admin.deleteTopicRecords({ topic: topics.leads, partitions: [{ partition: 0, offset: '1' }] });
    await admin.disconnect();
    await expect
      .poll(() => job(jobId), SOON)
      .toMatchObject({
        state: 'completed',
        outcome: { outcome: 'nothing-there', detail: expect.stringContaining('retention') },
        attempts: 1,
      });
    const { startedAt } = z.object({ startedAt: z.string() }).parse(await job(jobId));
    expect(Date.parse(startedAt)).toBeGreaterThanOrEqual(before + 2_000);
  });

  it('answers 503 while Redis is away', async () => {
    const { logger, reader, names, topics, leads } = await createApi();
    await leads(1);
    const url = `redis://127.0.0.1:${await closedPort()}`;
    const lost = openRetryQueue({ url, name: 'retries', prefix: 'test', keepJobsSeconds: 60 }, logger);
    onTestFinished(() => lost.close());
    const { request } = createTestApp({ queue: lost, jobs: lost, locate: (at) => locate(reader, names, at) });
    const response = await request('POST', `${PREFIX}/enqueue`, {
      json: { topic: topics.leads, partition: 0, offset: 0 },
    });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ type: '/docs#problem-queue-unavailable' });
    expect((await request('GET', `${PREFIX}/jobs/enqueue-1`)).status).toBe(503);
  });
});

describe('GET /jobs/{id}', () => {
  it('does not know a job that was never there', async () => {
    const { request } = await createApi();
    const response = await request('GET', `${PREFIX}/jobs/enqueue-nobody`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ type: '/docs#problem-unknown-job' });
  });

  it('shows why a job can not get through, without charging the event', async () => {
    const { enqueue, job, leads, pool, startWorker, statuses } = await createApi();
    await leads(1);
    await pool.query(sql.unsafe`ALTER TABLE analytics.crm_failed_events RENAME TO away`);
    startWorker();
    const { jobId } = answerOf.parse(await (await enqueue()).json());
    await expect
      .poll(() => job(jobId), SOON)
      .toMatchObject({
        state: 'delayed',
        error: expect.stringContaining('42P01'),
      });
    await pool.query(sql.unsafe`ALTER TABLE analytics.away RENAME TO crm_failed_events`);
    await expect.poll(() => job(jobId), SOON).toMatchObject({ state: 'completed', outcome: { outcome: 'processed' } });
    expect(await statuses()).toEqual({});
  });
});
