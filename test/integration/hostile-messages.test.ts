/** Messages that are hostile beside their values, in a real topic: none holds the others up. */
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { createFileDecoder } from '../../adapters/files/index.ts';
import { createEventEncoder } from '../../scripts/lib/event-encoder.ts';
import { brokenBooksIn } from '../helpers/books.ts';
import { testFactory } from '../helpers/events.ts';
import { createLaneHarness, createTestTopics } from '../helpers/lane-harness.ts';

const failedRow = z.object({ offset: z.number(), error_code: z.string(), headers: z.unknown() });

/** Names and values of headers, and keys, that some column or format could choke on. */
const ODD_HEADERS: ReadonlyArray<Record<string, string | Buffer>> = [
  { 'a\0b': 'x' },
  { '\0': Buffer.from([0]) },
  { '\u{10ffff}': 'x' },
  { __proto__x: 'x', constructor: 'y' },
  JSON.parse('{"__proto__":"x"}') as Record<string, string>,
  { '': '' },
  { ['n'.repeat(60_000)]: 'v'.repeat(60_000) },
  Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`h${at}`, ''])),
];

it('with odd headers and keys fail by themselves, and what follows is staged', { timeout: 120_000 }, async () => {
  const { client, topics, names, schemaIds } = await createTestTopics(1);
  const encoder = createEventEncoder(schemaIds);
  const lead = Array.from({ length: 100 }, (_, index) => testFactory({ seed: 'odd' }).eventAt(index)).find(
    ({ role }) => role === 'leads',
  )!;
  const producer = client.kafka.producer();
  await producer.connect();
  for (const headers of ODD_HEADERS) {
    await producer.send({ topic: topics.leads, messages: [{ key: 'k\0\ud800', value: 'no event', headers }] });
  }
  await producer.send({ topic: topics.leads, messages: [{ value: encoder.encode(lead.role, lead.event) }] });
  await producer.disconnect();

  const harness = await createLaneHarness(client);
  const { totals } = await harness.drain(names);
  expect(totals).toMatchObject({ stored: 1, dead: ODD_HEADERS.length });
  const failed = await harness.pool.any(sql.type(failedRow)`
    SELECT "offset", error_code, headers FROM analytics.crm_failed_events ORDER BY 1
  `);
  expect(failed.map(({ error_code }) => error_code)).toEqual(ODD_HEADERS.map(() => 'bad_magic_byte'));
  expect(await brokenBooksIn(harness.pool)).toEqual([]);
  expect('x' in {}).toBe(false);
});

/** Times of records that a producer may claim, in milliseconds. */
const ODD_TIMES = ['1', '-1', '-62135596800001', '-9007199254740991', '253402300800000', '9007199254740990'];

it('with times out of all calendars fail by themselves', { timeout: 120_000 }, async () => {
  const { client, topics, names } = await createTestTopics(1, {
    'message.timestamp.after.max.ms': '9223372036854775807',
    'message.timestamp.before.max.ms': '9223372036854775807',
    'retention.ms': '-1',
  });
  const producer = client.kafka.producer();
  await producer.connect();
  let sent = 0;
  for (const timestamp of ODD_TIMES) {
    // A broker may refuse what is no time to it.
    const refused = await producer
      .send({ topic: topics.leads, messages: [{ value: 'no event', timestamp }] })
      .then(() => false)
      .catch(() => true);
    if (!refused) sent += 1;
  }
  await producer.disconnect();
  expect(sent).toBeGreaterThan(2);

  const harness = await createLaneHarness(client);
  const { totals } = await harness.drain(names);
  expect({ totals, incidents: harness.incidents }).toMatchObject({ totals: { dead: sent } });
  expect(await brokenBooksIn(harness.pool)).toEqual([]);
});

it('as lines of JSON that are nested without measure are refused', async () => {
  const depth = 250_000;
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    for (const place of ['data', 'metadata', 'eventId', 'unknown']) {
      const line = `{"eventId":"1","${place}":${open.repeat(depth)}1${close.repeat(depth)}}`;
      expect(await createFileDecoder().decode(Buffer.from(line), 'file:///a.ndjson')).toMatchObject({ ok: false });
    }
  }
});
