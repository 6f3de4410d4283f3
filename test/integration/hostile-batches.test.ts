/** Record batches that grow when they are read, in a real topic, among sound events. */
import kafkajs from 'kafkajs';
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { registerCodecs } from '../../adapters/kafka/codecs.ts';
import { createEventEncoder } from '../../scripts/lib/event-encoder.ts';
import { brokenBooksIn } from '../helpers/books.ts';
import { testFactory } from '../helpers/events.ts';
import { createLaneHarness, createTestTopics } from '../helpers/lane-harness.ts';

const { CompressionTypes } = kafkajs;

const failedRow = z.object({
  offset: z.number(),
  error_code: z.string(),
  error_message: z.string(),
  bytes: z.number(),
});

it('a batch that decompresses beyond the limit is one dead letter, and its partition goes on', {
  timeout: 120_000,
}, async () => {
  const { client, topics, names, schemaIds } = await createTestTopics(1, { 'max.message.bytes': '10485760' });
  registerCodecs();
  const encoder = createEventEncoder(schemaIds);
  const leads = Array.from({ length: 200 }, (_, index) => testFactory({ seed: 'bombs' }).eventAt(index)).filter(
    ({ role }) => role === 'leads',
  );
  const producer = client.kafka.producer({ idempotent: false });
  await producer.connect();
  const send = (value: Buffer, compression: number) =>
    producer.send({ topic: topics.leads, compression, messages: [{ value }] });
  const zeros = Buffer.alloc(65 * 2 ** 20);
  const codecs = [CompressionTypes.GZIP, CompressionTypes.Snappy, CompressionTypes.LZ4, CompressionTypes.ZSTD];
  for (const [index, codec] of codecs.entries()) {
    const { role, event } = leads[index]!;
    await send(encoder.encode(role, event), CompressionTypes.None);
    await send(zeros, codec);
  }
  const last = leads[codecs.length]!;
  await send(encoder.encode(last.role, last.event), CompressionTypes.None);
  await producer.disconnect();

  const harness = await createLaneHarness(client);
  const { totals } = await harness.drain(names);
  expect(totals).toMatchObject({ stored: codecs.length + 1, dead: codecs.length });
  const failed = await harness.pool.any(sql.type(failedRow)`
    SELECT "offset", error_code, error_message, octet_length(value) AS bytes FROM analytics.crm_failed_events ORDER BY 1
  `);
  expect(failed.map(({ offset }) => offset)).toEqual([1, 3, 5, 7]);
  for (const { offset, error_code, error_message, bytes } of failed) {
    expect(error_code).toBe('undecodable');
    expect(error_message).toContain(`1 records, offsets ${offset} to ${offset}, were not read`);
    expect(error_message).toContain('decompresses to more than 67108864 bytes');
    expect(bytes).toBeLessThan(200);
  }
  expect(await brokenBooksIn(harness.pool)).toEqual([]);
});
