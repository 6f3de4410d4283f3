import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { brokenBooksIn, statusesIn } from '../helpers/books.ts';
import { createLaneHarness, createTestTopics, produce } from '../helpers/lane-harness.ts';
import { ids, leadRecords, wireLead } from '../helpers/wire-leads.ts';

type Harness = Awaited<ReturnType<typeof createLaneHarness>>;

const count = (harness: Harness, table: string) =>
  harness.pool.oneFirst(
    sql.type(z.object({ count: z.number() }))`SELECT count(*) FROM ${sql.identifier(['analytics', table])}`,
  );

describe('a lane', () => {
  it('brings events from Kafka into PostgreSQL, and re-sent ones to nothing but the log', async () => {
    const { client, topics, schemaIds } = await createTestTopics(3);
    const harness = await createLaneHarness(client);
    const events = [0, 1, 2].flatMap((partition) =>
      leadRecords(topics.leads, schemaIds.leads, ids(`p${partition}`, 1_000), partition),
    );
    await produce(client, events);
    const first = await harness.drain([topics.leads]);
    expect(first).toMatchObject({ reason: 'cancelled', totals: { stored: 3_000, skipped: 0 } });

    await produce(client, events);
    const second = await harness.drain([topics.leads]);
    expect(second.totals).toMatchObject({ stored: 0, skipped: 3_000, conflicts: 0 });
    expect(await count(harness, 'crm_leads_staging')).toBe(3_000);
    expect(await statusesIn(harness.pool)).toEqual({ processed: 3_000, skipped: 3_000 });
    expect(await brokenBooksIn(harness.pool)).toEqual([]);
  });

  it('makes no second row of an event id that comes with another timestamp and from another topic', async () => {
    const { client, topics, schemaIds } = await createTestTopics();
    const harness = await createLaneHarness(client);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ['a']));
    await harness.drain([topics.leads]);
    await produce(client, [
      { topic: topics.events, key: null, value: wireLead(schemaIds.leads, 'a', { timestamp: Date.UTC(2026, 10, 1) }) },
    ]);
    await harness.drain([topics.leads, topics.events]);
    expect(await count(harness, 'crm_leads_staging')).toBe(1);
    expect(await statusesIn(harness.pool)).toEqual({ processed: 1, skipped: 1 });
  });

  it('reads over tombstones, aborted transactions and what compaction left out, to a lag of 0', async () => {
    const { client, topics, schemaIds } = await createTestTopics();
    const harness = await createLaneHarness(client);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ['a']));
    await produce(client, [{ topic: topics.leads, key: 'a', value: null }]);
    const producer = client.kafka.producer({
      transactionalId: `test-${topics.leads}`,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    const aborted = await producer.transaction();
    await aborted.send({
      topic: topics.leads,
      messages: ids('gone', 20).map((id) => ({ value: wireLead(schemaIds.leads, id), partition: 0 })),
    });
    await aborted.abort();
    const committed = await producer.transaction();
    await committed.send({
      topic: topics.leads,
      messages: [{ value: wireLead(schemaIds.leads, 'kept'), partition: 0 }],
    });
    await committed.commit();
    const tail = await producer.transaction();
    await tail.send({ topic: topics.leads, messages: [{ value: wireLead(schemaIds.leads, 'tail'), partition: 0 }] });
    await tail.abort();
    await producer.disconnect();

    const { totals } = await harness.drain([topics.leads]);
    expect(totals).toMatchObject({ stored: 2, tombstones: 1, absent: 20 + 1 + 1 + 1 + 1 });
    const staged = await harness.pool.anyFirst(
      sql.type(z.object({ event_id: z.string() }))`SELECT event_id FROM analytics.crm_leads_staging ORDER BY 1`,
    );
    expect(staged).toEqual(['a', 'kept']);
    expect(await brokenBooksIn(harness.pool)).toEqual([]);
  });

  it('goes on at the next offset after a pause', async () => {
    const { client, topics, schemaIds } = await createTestTopics();
    const harness = await createLaneHarness(client);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('a', 50)));
    const { watermarks } = await harness.drain([topics.leads]);
    expect(watermarks).toEqual([{ topic: topics.leads, partition: 0, next: 50 }]);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('b', 50)));
    const again = await harness.drain([topics.leads]);
    expect(again.totals).toMatchObject({ stored: 50, skipped: 0 });
  });

  it('begins at the end where a partition is new and `latest` is asked for, and only there', async () => {
    const { client, topics, schemaIds } = await createTestTopics();
    const harness = await createLaneHarness(client);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('old', 5)));
    await harness.drain([topics.leads], { startPosition: 'latest' });
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('new', 5)));
    const { totals } = await harness.drain([topics.leads], { startPosition: 'latest' });
    expect(totals.stored).toBe(5);
  });

  it('fences a lane whose partitions another one takes over', async () => {
    const { client, topics, schemaIds } = await createTestTopics();
    const harness = await createLaneHarness(client);
    const first = await harness.startLane([topics.leads]);
    await expect.poll(() => harness.lagOf([topics.leads])).toBe(0);
    const second = await harness.startLane([topics.leads]);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('a', 100)));
    await expect(first.ended).rejects.toMatchObject({ name: 'FencedError' });
    await expect.poll(() => count(harness, 'crm_leads_staging')).toBe(100);
    await second.stop();
    expect(await brokenBooksIn(harness.pool)).toEqual([]);
  });

  it('ends with its slice of time and hands over', async () => {
    const { client, topics, schemaIds } = await createTestTopics();
    const harness = await createLaneHarness(client);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('a', 10)));
    const lane = await harness.startLane([topics.leads], { sliceMs: 1_000 });
    expect(await lane.ended).toMatchObject({ reason: 'slice-ended', totals: { stored: 10 } });
  });
});

describe('offsets that Kafka no longer has', () => {
  async function withLostOffsets() {
    const { client, topics, schemaIds } = await createTestTopics();
    const harness = await createLaneHarness(client);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('a', 10)));
    await harness.drain([topics.leads]);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('b', 30)));
    const admin = client.kafka.admin();
    await admin.connect();
    await admin.fetchTopicOffsets(topics.leads); // loads the metadata that the deletion needs
    await admin.deleteTopicRecords({ topic: topics.leads, partitions: [{ partition: 0, offset: '25' }] });
    await admin.disconnect();
    return { harness, topic: topics.leads };
  }

  it('are booked, counted and told of under `earliest`', async () => {
    const { harness, topic } = await withLostOffsets();
    const { totals } = await harness.drain([topic], { outOfRange: 'earliest' });
    expect(totals.stored).toBe(15);
    expect(harness.incidents).toEqual([{ kind: 'offsets_lost', fields: { topic, partition: 0, from: 10, to: 25 } }]);
    expect(
      await harness.pool.any(sql.unsafe`SELECT kind, from_offset, to_offset FROM analytics.crm_incidents`),
    ).toEqual([{ kind: 'offsets_lost', from_offset: 10, to_offset: 25 }]);
    expect(await brokenBooksIn(harness.pool)).toEqual([]);
  });

  it('are left behind up to the end under `latest`', async () => {
    const { harness, topic } = await withLostOffsets();
    const { totals } = await harness.drain([topic], { outOfRange: 'latest' });
    expect(totals.stored).toBe(0);
    expect(harness.incidents).toMatchObject([{ kind: 'offsets_lost', fields: { from: 10, to: 40 } }]);
  });

  it('end the lane under `fail`, with the position where it was', async () => {
    const { harness, topic } = await withLostOffsets();
    const lane = await harness.startLane([topic], { outOfRange: 'fail' });
    await expect(lane.ended).rejects.toMatchObject({ name: 'OffsetOutOfRangeError' });
    expect(await harness.store.positions.list('group')).toMatchObject([{ nextOffset: 10 }]);
  });
});

describe('a topic that is deleted and made again', () => {
  async function remake(admin: Awaited<ReturnType<typeof createTestTopics>>['admin'], topic: string) {
    await admin.deleteTopics([topic]);
    await admin.createTopics([{ topic, partitions: 1 }]);
  }

  it('is noticed when it ends before our position', async () => {
    const { client, admin, topics, schemaIds } = await createTestTopics();
    const harness = await createLaneHarness(client);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('a', 20)));
    await harness.drain([topics.leads]);
    await remake(admin, topics.leads);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('b', 5)));
    const { totals } = await harness.drain([topics.leads]);
    expect(totals.stored).toBe(5);
    expect(harness.incidents).toMatchObject([{ kind: 'topic_made_again', fields: { from: 20, to: 0 } }]);
  });

  it('is noticed when it has outgrown our position, and its events are not taken for those read before', async () => {
    const { client, admin, topics, schemaIds } = await createTestTopics();
    const harness = await createLaneHarness(client);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('a', 20)));
    await harness.drain([topics.leads]);
    await remake(admin, topics.leads);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, [...ids('a', 20), ...ids('b', 20)]));
    const { totals } = await harness.drain([topics.leads]);
    expect(totals).toMatchObject({ stored: 20, skipped: 20 });
    expect(await statusesIn(harness.pool)).toEqual({ processed: 40, skipped: 20 });
    // By the table: whoever loses the answer to the move finds it made, and has nothing to tell.
    const booked = await harness.pool.any(sql.unsafe`SELECT kind, from_offset, to_offset FROM analytics.crm_incidents`);
    const { incidents, stalls } = harness;
    expect({ booked, incidents, stalls }).toMatchObject({
      booked: [{ kind: 'topic_made_again', from_offset: 20, to_offset: 0 }],
    });
  });

  it('is noticed while a lane reads it', async () => {
    const { client, admin, topics, schemaIds } = await createTestTopics();
    const harness = await createLaneHarness(client);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('a', 20)));
    const lane = await harness.startLane([topics.leads]);
    await expect.poll(() => count(harness, 'crm_leads_staging')).toBe(20);
    await remake(admin, topics.leads);
    await produce(client, leadRecords(topics.leads, schemaIds.leads, ids('b', 40)));
    await expect.poll(() => count(harness, 'crm_leads_staging'), { timeout: 30_000 }).toBe(60);
    await lane.stop();
    expect(harness.incidents).toMatchObject([{ kind: 'topic_made_again' }]);
  });
});
