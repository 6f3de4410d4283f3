import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { createStreams } from '../../adapters/postgres/streams.ts';
import { createEventEncoder } from '../../scripts/lib/event-encoder.ts';
import { type LoadRecord, planLoad } from '../../scripts/lib/load.ts';
import { planRecords } from '../../scripts/lib/send-plan.ts';
import { oddTimes } from '../helpers/faults/odd-times.ts';
import { beyondNpmTest, inForm } from '../helpers/faults/parameters.ts';
import { recovery, untilSteady } from '../helpers/faults/progress.ts';
import { underLoad } from '../helpers/faults/scenario.ts';
import { produce } from '../helpers/lane-harness.ts';

const SECONDS = inForm({ test: 5, short: 5, long: 60 });
const PARTITIONS = 3;
const LATE_WINDOW_DAYS = 800;

it.runIf(beyondNpmTest)(
  'clocks that step, and events of years ago',
  { timeout: 90_000 + SECONDS * 1_000 },
  async () => {
    await underLoad(
      {
        fault: 'event times that step by hours, events of years ago',
        env: { LATE_WINDOW_DAYS: String(LATE_WINDOW_DAYS) },
        records: ({ schemaIds }, settings) =>
          planLoad(settings, createEventEncoder(schemaIds), oddTimes(settings, schemaIds, LATE_WINDOW_DAYS)),
      },
      async ({ product }) => {
        await untilSteady(product);
        await sleep(SECONDS * 1_000);
        await recovery(product);
        expect(await product.count('crm_leads_staging_default')).toBe(0);
        expect(await product.count('crm_events_log_default')).toBe(0);
      },
    );
  },
);

it('poison at the head of each partition', { timeout: 90_000 }, async () => {
  await underLoad(
    {
      fault: 'poison of every kind at the head of each partition',
      partitions: PARTITIONS,
      records: function* ({ schemaIds }, settings): Generator<LoadRecord, void, void> {
        const encoder = createEventEncoder(schemaIds);
        const poison = [...planRecords({ ...settings, count: 0, from: 0, duplicates: 0, invalid: 25 }, encoder)];
        for (const role of ['events', 'leads', 'contacts', 'opportunities'] as const) {
          for (let partition = 0; partition < PARTITIONS; partition += 1) {
            // Of its own topic, since another's would be the wrong entity besides.
            for (const record of poison.filter((one) => one.role === role)) yield { ...record, partition };
          }
        }
        yield* planLoad(settings, encoder);
      },
    },
    async ({ inflict }) => {
      await inflict(async () => {});
    },
  );
});

it('a producer of nothing but poison trips its circuit breaker, and nobody else notices', {
  timeout: 90_000,
}, async () => {
  const POISON = 20_000;
  await underLoad(
    { fault: 'a producer of nothing but poison', partitions: PARTITIONS },
    async ({ inflict, product: { kafka, topics, pool } }) => {
      await inflict(() =>
        produce(
          kafka,
          Array.from({ length: POISON }, (_, index) => ({
            topic: topics.contacts,
            key: null,
            value: Buffer.from(`not avro ${index}`),
            partition: index % PARTITIONS,
          })),
        ),
      );
      const streams = createStreams(pool);
      await expect
        .poll(async () => (await streams.list()).map(({ topic, schemaId, state }) => ({ topic, schemaId, state })))
        .toContainEqual({ topic: topics.contacts, schemaId: 0, state: 'tripped' });
      const dead = await pool.oneFirst(sql.type(z.object({ count: z.number() }))`
        SELECT count(*) FROM analytics.crm_failed_events WHERE topic = ${topics.contacts} AND schema_id IS NULL`);
      // Each lane needs a hundred of them to see it.
      expect(dead).toBeLessThan(1_000);
      const parked = (await streams.list()).reduce((sum, stream) => sum + stream.parked.records, 0);
      expect(parked).toBeGreaterThanOrEqual(POISON - dead);
    },
  );
});
