/** Live batches are sent without their deliveries being kept: whatever needs them after all must find the same ones. */
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { brokenBooksIn, statusesIn } from '../helpers/books.ts';
import { createLaneHarness, createTestTopics, produce } from '../helpers/lane-harness.ts';
import { ids, leadRecords, wireLead } from '../helpers/wire-leads.ts';

async function setUp() {
  const { client, topics, schemaIds } = await createTestTopics();
  const harness = await createLaneHarness(client);
  const records = (prefix: string, count: number) => leadRecords(topics.leads, schemaIds.leads, ids(prefix, count));
  return { client, harness, topic: topics.leads, schemaId: schemaIds.leads, records };
}

type Harness = Awaited<ReturnType<typeof createLaneHarness>>;

const staged = (harness: Harness) =>
  harness.pool.anyFirst(sql.unsafe`SELECT event_id FROM analytics.crm_leads_staging ORDER BY 1`);

const sorted = (names: readonly string[]) => names.toSorted();

it('rows that PostgreSQL refuses are found, and their messages are kept', async () => {
  const { client, harness, topic, schemaId, records } = await setUp();
  await harness.pool.query(
    sql.unsafe`ALTER TABLE analytics.crm_leads_staging ADD CHECK (last_name NOT LIKE 'Refused%')`,
  );
  const sent = records('a', 1_400);
  const refused = [3, 499, 500, 1_399];
  for (const at of refused) {
    const value = wireLead(schemaId, `a-${at}`, { lastName: `Refused${at}` });
    sent[at] = { topic, key: `a-${at}`, value, partition: 0 };
  }
  await produce(client, sent);

  const { totals } = await harness.drain([topic]);
  expect(totals).toMatchObject({ stored: 1_396, dead: 4, skipped: 0 });
  const kept = await harness.pool.any(
    sql.unsafe`SELECT event_id, sqlstate, value FROM analytics.crm_failed_events ORDER BY "offset"`,
  );
  expect(kept).toEqual(refused.map((at) => ({ event_id: `a-${at}`, sqlstate: '23514', value: sent[at]?.value })));
  expect(await staged(harness)).toEqual(sorted(ids('a', 1_400).filter((_, at) => !refused.includes(at))));
  expect(await brokenBooksIn(harness.pool)).toEqual([]);
});

it('ids that are known after all are skipped, wherever they are in the batch', async () => {
  const { client, harness, topic, records } = await setUp();
  await produce(client, records('known', 600));
  await harness.drain([topic]);
  const fresh = records('new', 700);
  await produce(client, [...fresh.slice(0, 600), ...records('known', 600), ...fresh.slice(600)]);

  const { totals } = await harness.drain([topic]);
  expect(totals).toMatchObject({ stored: 700, skipped: 600, conflicts: 0 });
  expect(await staged(harness)).toEqual(sorted([...ids('known', 600), ...ids('new', 700)]));
  expect(await statusesIn(harness.pool)).toEqual({ processed: 1_300, skipped: 600 });
  expect(await brokenBooksIn(harness.pool)).toEqual([]);
});

it('an id that stands twice in one batch is staged once', async () => {
  const { client, harness, topic, records } = await setUp();
  await produce(client, [...records('a', 800), ...records('a', 800)]);
  expect((await harness.drain([topic])).totals).toMatchObject({ stored: 800, skipped: 800 });
  expect(await staged(harness)).toEqual(sorted(ids('a', 800)));
});

it.each([0, 499, 500, 1_100])('a message that no schema reads fails alone, as number %i of a batch', async (at) => {
  const { client, harness, topic, records } = await setUp();
  const sent = records('a', 1_200);
  sent[at] = { topic, key: 'bad', value: Buffer.from('no Avro'), partition: 0 };
  await produce(client, sent);
  expect((await harness.drain([topic])).totals).toMatchObject({ stored: 1_199, dead: 1 });
  expect(await staged(harness)).toEqual(sorted(ids('a', 1_200).filter((_, index) => index !== at)));
  expect(await brokenBooksIn(harness.pool)).toEqual([]);
});
