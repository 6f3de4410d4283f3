import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { createParked } from '../../activities/parked.ts';
import { createQuotaRules } from '../../activities/quota-rules.ts';
import { runLane } from '../../activities/run-lane.ts';
import { createQuotas } from '../../adapters/postgres/quotas.ts';
import { createLaneHarness, createTestTopics, produce } from '../helpers/lane-harness.ts';
import { openRegistryDoor, registerAnother } from '../helpers/registry-door.ts';
import { ids, leadRecords } from '../helpers/wire-leads.ts';

type Harness = Awaited<ReturnType<typeof createLaneHarness>>;

const totals = ({ pool }: Harness) =>
  pool.one(sql.unsafe`
  SELECT sum(records)::int AS records, sum(stored)::int AS stored, sum(skipped)::int AS skipped,
    sum(dead)::int AS dead, sum(parked)::int AS parked, sum(absent)::int AS absent
  FROM analytics.crm_batches`);

const garbage = (topic: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ topic, key: null, value: Buffer.from(`not avro ${index}`) }));

/** Reads a parked range again, as the replay activity does. */
async function replay(harness: Harness, topic: string, schemaId: number) {
  const ranges = await harness.store.streams.parked({ topic, schemaId }, 1_000);
  const [first] = ranges;
  const runId = randomUUID();
  await harness.store.runs.start({ runId, kind: 'parked', scope: 'group' });
  const { partition, sourceId, from } = first!;
  const result = await runLane(
    harness.deps,
    {
      runId,
      lane: 0,
      consumerGroup: 'group',
      partitions: [{ topic, partition }],
      startPosition: 'earliest',
      outOfRange: 'earliest',
      sliceMs: 60_000,
      schemaId,
      ranges: {
        scope: runId,
        parts: [{ topic, partition, sourceId, from, to: Math.max(...ranges.map(({ to }) => to)) }],
      },
    },
    { signal: new AbortController().signal, report: () => {} },
  );
  return { result, ranges };
}

describe('a schema that the registry does not know', () => {
  it('leaves its records in Kafka while everything else goes on, and they are read when it appears', async () => {
    const door = await openRegistryDoor();
    const { client, topics, schemaIds } = await createTestTopics();
    const harness = await createLaneHarness(client, { registryUrl: door.url, maxRecords: 50 });
    const late = await registerAnother();
    door.hidden.add(late);
    const mixed = ids('a', 300).map((id, index) =>
      leadRecords(topics.leads, index % 3 === 0 ? late : schemaIds.leads, [id]),
    );
    await produce(client, mixed.flat());

    const { totals: read } = await harness.drain([topics.leads]);
    expect(read).toMatchObject({ stored: 200, parked: 100, failed: 0, dead: 0 });
    expect(await harness.store.streams.list()).toMatchObject([
      { topic: topics.leads, schemaId: late, state: 'schema_unknown', parked: { records: 100 } },
    ]);
    expect(harness.incidents.map(({ kind }) => kind)).toEqual(['stream_schema_unknown']);

    door.hidden.delete(late);
    // Past what this decoder remembers of the refusal.
    await expect
      .poll(async () => (await harness.deps.decoder.decode(mixed[0]![0]!.value as Buffer)).ok, { timeout: 15_000 })
      .toBe(true);
    const { result } = await replay(harness, topics.leads, late);
    expect(result).toMatchObject({ reason: 'finished', totals: { stored: 100, parked: 0 } });
    expect(await harness.pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_leads_staging`)).toBe(300);
    expect(await harness.pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_events_log`)).toBe(300);
  });
});

describe('the circuit breaker', () => {
  const breaker = { share: 0.5, minimum: 20, window: 100 };

  it('parks a topic that is all poison instead of filling the dead letters, and sound streams go on', async () => {
    const { client, topics, schemaIds } = await createTestTopics();
    const harness = await createLaneHarness(client, { breaker });
    await produce(client, garbage(topics.leads, 5_000));
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('a', 200)));
    const { totals: read } = await harness.drain([topics.leads]);
    expect(read).toMatchObject({ stored: 200, dead: 19, parked: 4_981 });
    expect(await harness.store.streams.list()).toMatchObject([{ topic: topics.leads, schemaId: 0, state: 'tripped' }]);
    expect(harness.incidents).toMatchObject([{ kind: 'stream_tripped', fields: { topic: topics.leads, schemaId: 0 } }]);
    expect(await totals(harness)).toMatchObject({ records: 5_200, stored: 200, dead: 19, parked: 4_981 });
  });

  it('stays tripped for the next lane, until a person lets the stream through', async () => {
    const { client, topics } = await createTestTopics();
    const harness = await createLaneHarness(client, { breaker });
    await produce(client, garbage(topics.leads, 100));
    await harness.drain([topics.leads]);
    await produce(client, garbage(topics.leads, 100));
    expect((await harness.drain([topics.leads])).totals).toMatchObject({ dead: 0, parked: 100 });

    const stream = { topic: topics.leads, schemaId: 0 };
    const moved = await harness.store.streams.move(stream, 'let_through', {
      from: ['tripped'],
      reason: 'seen',
      who: 'op',
    });
    expect(moved).toBe(true);
    await produce(client, garbage(topics.leads, 100));
    expect((await harness.drain([topics.leads])).totals).toMatchObject({ dead: 100, parked: 0 });
    const { result, ranges } = await replay(harness, topics.leads, 0);
    expect(result.totals).toMatchObject({ dead: 181, skipped: 0, parked: 0, stored: 0 });
    await harness.store.streams.settleParked(
      ranges.map(({ parkedId }) => parkedId),
      'replayed',
    );
    expect(await harness.store.streams.parked(stream, 10)).toEqual([]);
  });

  it('trips again during the replay of a stream that was only resumed', async () => {
    const { client, topics } = await createTestTopics();
    const harness = await createLaneHarness(client, { breaker });
    await produce(client, garbage(topics.leads, 1_000));
    await harness.drain([topics.leads]);
    const stream = { topic: topics.leads, schemaId: 0 };
    await harness.store.streams.move(stream, 'flowing', { from: ['tripped'], reason: 'try again', who: 'op' });
    const { result } = await replay(harness, topics.leads, 0);
    expect(result.totals).toMatchObject({ dead: 19, parked: 962 });
  });

  it('reads no record again that it did not read: what trips the replay waits, and all of it comes through in the end', async () => {
    const { client, topics } = await createTestTopics();
    const harness = await createLaneHarness(client, { breaker, maxRecords: 200 });
    await produce(client, garbage(topics.leads, 1_000));
    await harness.drain([topics.leads]);
    const stream = { topic: topics.leads, schemaId: 0 };
    const quotas = createQuotas(harness.pool);
    const { replayParked } = createParked({
      store: harness.store,
      registry: { knows: async () => false },
      observer: harness.observer,
      laneDepsFor: () => harness.deps,
      onParked: () => {},
      quotas,
      quotaRules: createQuotaRules(quotas, () => performance.now()),
      onOverQuota: () => {},
    });
    const replayAs = async (state: 'flowing' | 'let_through') => {
      const from = ['tripped', 'flowing'] as const;
      await harness.store.streams.move(stream, state, { from, reason: 'decided', who: 'op' });
      const runId = randomUUID();
      await harness.store.runs.start({ runId, kind: 'parked', scope: 'group' });
      const input = { ...stream, consumerGroup: 'group', sliceMs: 60_000, runId };
      return new MockActivityEnvironment().run(replayParked, input);
    };
    expect(await replayAs('flowing')).toMatchObject({ finished: true, totals: { dead: 19, parked: 962 } });
    expect(await replayAs('flowing')).toMatchObject({ finished: true, totals: { dead: 19, parked: 943 } });
    expect(await replayAs('let_through')).toMatchObject({ finished: true, totals: { dead: 943, parked: 0 } });
    expect(await harness.store.streams.parked(stream, 10)).toEqual([]);
    expect(await harness.pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_failed_events`)).toBe(1_000);
  });
});
