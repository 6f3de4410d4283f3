import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { rangesOf, readProgress } from '../../scripts/lib/log-progress.ts';
import { beyondNpmTest } from '../helpers/faults/parameters.ts';
import { untilDrained } from '../helpers/faults/progress.ts';
import { underLoad } from '../helpers/faults/scenario.ts';

const PARTITIONS = 3;

it.runIf(beyondNpmTest)('partitions that are added under way', { timeout: 120_000 }, async () => {
  await underLoad({ fault: 'partitions added under way', partitions: PARTITIONS }, async ({ product, inflict }) => {
    await inflict(async () => {
      const admin = product.kafka.kafka.admin();
      await admin.connect();
      const topicPartitions = product.names.map((topic) => ({ topic, count: 2 * PARTITIONS }));
      await admin.createPartitions({ topicPartitions });
      await admin.disconnect();
    });
    const partitions = await product.reader.partitions(product.names);
    expect(partitions).toHaveLength(4 * 2 * PARTITIONS);
  });
});

it('a topic that is deleted and made again', { timeout: 120_000 }, async () => {
  await underLoad(
    { fault: 'a topic deleted and made again', partitions: PARTITIONS },
    async ({ product, truth, load, inflict }) => {
      const { admin, reader, topics } = product;
      await inflict(async () => {
        // What Kafka deletes before anybody read it is lost without our doing.
        await load.pause();
        await untilDrained(product);
        await truth.readBack(reader, rangesOf(await readProgress({ ...product, topics: [topics.leads] })));
        await admin.deleteTopics([topics.leads]);
        await sleep(2_000);
        await admin.createTopics([{ topic: topics.leads, partitions: PARTITIONS }]);
        load.resume();
      });
      const incidents = () =>
        product.pool.any(sql.type(z.object({ topic: z.string(), partition: z.number() }))`
          SELECT topic, partition FROM analytics.crm_incidents WHERE kind = 'topic_made_again' ORDER BY partition`);
      const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: topics.leads, partition }));
      await expect.poll(incidents, { timeout: 20_000 }).toEqual(partitions);
      expect((await product.workerLogs()).join('')).toContain('topic_made_again');
    },
  );
});
