import { createHash } from 'node:crypto';
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { FAILURES, statusOf } from '../../domain/failures.ts';
import { TOPIC_ROLES } from '../../domain/schemas.ts';
import { createEventEncoder, type EventEncoder } from '../../scripts/lib/event-encoder.ts';
import { INVALID_MAKERS } from '../../scripts/lib/invalid-events.ts';
import { eventAbout } from '../../scripts/lib/send-plan.ts';
import { type RoleRecord, sendRecords } from '../../scripts/lib/send-records.ts';
import { CANARY, testFactory, withCanary } from '../helpers/events.ts';
import { createLaneHarness, createTestTopics } from '../helpers/lane-harness.ts';

const TOTAL = 2_000;
const OF_EACH = TOTAL / 100;
const INVALID = OF_EACH * INVALID_MAKERS.length;
/** The registry may come to know their schema: they are left in Kafka. */
const PARKED = OF_EACH * INVALID_MAKERS.filter(({ code }) => code === 'unknown_schema').length;

type TestRecord = RoleRecord & { invalid: (typeof INVALID_MAKERS)[number] | null };

function invalidRecords(encoder: EventEncoder): TestRecord[] {
  const factory = testFactory({ seed: 'invalid' });
  let index = 0;
  return Array.from({ length: OF_EACH }, () => INVALID_MAKERS).flatMap((makers) =>
    makers.map((invalid) => {
      const found = eventAbout(invalid.entity, factory, index);
      index = found.index + 1;
      const { role, event } = found.generated;
      const value = invalid.make(withCanary(event), (changed) => encoder.encode(role, changed));
      return { role, key: CANARY, value, invalid };
    }),
  );
}

/** Sound events with the invalid ones evenly among them. */
function mixedRecords(encoder: EventEncoder): TestRecord[] {
  const factory = testFactory({ seed: 'sound' });
  const invalid = invalidRecords(encoder);
  let sound = 0;
  return Array.from({ length: TOTAL }, (_, index): TestRecord => {
    const due = Math.floor(((index + 1) * INVALID) / TOTAL) > Math.floor((index * INVALID) / TOTAL);
    if (due) return invalid.pop()!;
    const { role, event } = factory.eventAt(sound);
    sound += 1;
    return { role, key: event.data.id, value: encoder.encode(role, event), invalid: null };
  });
}

const failedRow = z.object({
  topic: z.string(),
  offset: z.number(),
  error_code: z.string(),
  status: z.string(),
  sha256: z.string(),
  error_message: z.string(),
});

const sums = z.object({ records: z.number(), stored: z.number(), dead: z.number(), parked: z.number() });

const sha256 = (value: Buffer) => createHash('sha256').update(value).digest('hex');

it('1 in 100 events invalid in each way: none holds the others up, each is found with its reason', {
  timeout: 180_000,
}, async () => {
  const { client, topics, names, schemaIds } = await createTestTopics(1, { 'max.message.bytes': '10485760' });
  const harness = await createLaneHarness(client);
  const records = mixedRecords(createEventEncoder(schemaIds));
  // All but those of zero length, so that the search for it below could find something.
  expect(records.filter(({ value }) => value.includes(CANARY))).toHaveLength(INVALID - OF_EACH);
  await sendRecords(records, { kafka: client, topics });
  const { totals } = await harness.drain(names);

  // Topics have one partition: an event's offset is its place among those of its topic.
  const expected = TOPIC_ROLES.flatMap((role) =>
    records
      .filter((record) => record.role === role)
      .map(({ invalid, value }, offset) => ({ topic: topics[role], offset, invalid, sha256: sha256(value) })),
  ).flatMap(({ topic, offset, invalid, sha256 }) =>
    invalid === null || invalid.code === 'unknown_schema'
      ? []
      : [{ topic, offset, error_code: invalid.code as string, status: statusOf(invalid.code) as string, sha256 }],
  );
  const failed = await harness.pool.any(sql.type(failedRow)`
    SELECT topic, "offset", error_code, status, encode(sha256(value), 'hex') AS sha256, error_message
    FROM analytics.crm_failed_events`);
  const place = ({ topic, offset }: { topic: string; offset: number }) => `${topic}/${String(offset).padStart(6, '0')}`;
  const sorted = <T extends { topic: string; offset: number }>(rows: readonly T[]) =>
    rows.toSorted((a, b) => place(a).localeCompare(place(b)));
  expect(PARKED).toBeGreaterThan(0);
  expect(expected).toHaveLength(INVALID - PARKED);
  expect(sorted(failed.map(({ error_message, ...row }) => row))).toEqual(sorted(expected));

  const counts = { stored: TOTAL - INVALID, dead: INVALID - PARKED, parked: PARKED };
  expect(totals).toMatchObject({ ...counts, skipped: 0, filtered: 0, tombstones: 0, absent: 0 });
  const staged = await harness.pool.oneFirst(sql.type(z.object({ count: z.number() }))`
    SELECT (SELECT count(*) FROM analytics.crm_leads_staging) + (SELECT count(*) FROM analytics.crm_contacts_staging)
      + (SELECT count(*) FROM analytics.crm_opportunities_staging) AS count`);
  expect(staged).toBe(TOTAL - INVALID);
  const books = await harness.pool.one(sql.type(sums)`
    SELECT sum(records)::int AS records, sum(stored)::int AS stored, sum(dead)::int AS dead, sum(parked)::int AS parked
    FROM analytics.crm_batches`);
  expect(books).toEqual({ records: TOTAL, ...counts });

  for (const { error_message } of failed) {
    // A sentence of its own about this event, not the code again.
    expect(error_message).toMatch(/\S+ \S+ \S+/);
    expect(Object.keys(FAILURES)).not.toContain(error_message);
    expect(error_message).not.toContain('canary');
  }
  const log = await harness.pool.any(sql.unsafe`
    SELECT error_message, metadata FROM analytics.crm_events_log WHERE processing_status IN ('failed', 'dead')`);
  expect(log).toHaveLength(INVALID - PARKED);
  expect(JSON.stringify([log, harness.incidents, harness.stalls])).not.toContain('canary');
});
