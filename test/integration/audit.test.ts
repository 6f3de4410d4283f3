import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { type DatabasePool, sql } from 'slonik';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { createAudit } from '../../activities/audit.ts';
import type { Audit, AuditRequest } from '../../activities/audit-ports.ts';
import { createLogReader } from '../../adapters/kafka/reader.ts';
import { createAuditRequests, createAuditStore } from '../../adapters/postgres/audits.ts';
import type { PartitionFindings } from '../../domain/audit.ts';
import { createSigner } from '../../platform/signing.ts';
import { verifyAudit } from '../../scripts/lib/verify-audit.ts';
import type { PartitionId } from '../../workflows/contracts.ts';
import { createLaneHarness, createTestTopics, produce, testKafka } from '../helpers/lane-harness.ts';
import { ids, leadRecords } from '../helpers/wire-leads.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();

/** Two partitions that a lane read in batches of at most 50: leads, a few of them twice, and one broken message. */
async function ingested() {
  const { client, topics, schemaIds } = await createTestTopics(2);
  const harness = await createLaneHarness(client, { maxRecords: 50 });
  await produce(client, [
    ...leadRecords(topics.leads, schemaIds.leads, ids('a', 150), 0),
    ...leadRecords(topics.leads, schemaIds.leads, ids('b', 80), 1),
  ]);
  await harness.drain([topics.leads]);
  await produce(client, [
    ...leadRecords(topics.leads, schemaIds.leads, ids('a', 5), 0),
    { topic: topics.leads, key: 'bad', value: Buffer.from('no wire format'), partition: 0 },
  ]);
  await harness.drain([topics.leads]);
  return { topic: topics.leads, pool: harness.pool, harness };
}

async function audited(
  pool: DatabasePool,
  request: Partial<AuditRequest> = {},
  signer: ReturnType<typeof createSigner> | null = createSigner(privatePem),
): Promise<Audit & { report: NonNullable<Audit['report']> }> {
  const reader = createLogReader(testKafka(), { maxWaitMs: 500 });
  onTestFinished(() => reader.close());
  const activities = createAudit({ audits: createAuditStore(pool), reader, signer });
  const requests = createAuditRequests(pool);
  const input = { auditId: randomUUID(), consumerGroup: 'group' };
  await requests.create({ auditId: input.auditId, request: { recount: false, ...request }, requestedBy: 'ada' });
  const run = <I, R>(activity: (input: I) => Promise<R>, given: I) =>
    new MockActivityEnvironment().run(activity, given) as Promise<R>;
  const planned: PartitionId[] = await run(activities.planAudit, input);
  for (const at of planned) {
    await run(activities.auditPartition, { ...input, ...at });
  }
  await run(activities.concludeAudit, input);
  const audit = await requests.find(input.auditId);
  if (audit?.report == null) throw new Error('the audit has no report');
  return { ...audit, report: audit.report };
}

const findingsOf = ({ report }: { report: NonNullable<Audit['report']> }) => [
  ...report.findings,
  ...report.partitions.flatMap(({ findings }) => findings),
];

describe('an audit of what is sound', () => {
  it('is clean: chain, tables and Kafka agree, also when Kafka is read again', async () => {
    const scenario = await ingested();
    const audit = await audited(scenario.pool, { recount: true });

    expect(findingsOf(audit)).toEqual([]);
    expect(audit).toMatchObject({ status: 'finished', requestedBy: 'ada', report: { verdict: 'clean' } });
    const [first, second] = audit.report.partitions as [PartitionFindings, PartitionFindings];
    expect(first).toMatchObject({
      topic: scenario.topic,
      partition: 0,
      proved: { from: 0, to: 156 },
      position: 156,
      breaks: [],
      chain: { records: 156, stored: 150, skipped: 5, dead: 1, offsets: 156 },
      log: { processed: 150, skipped: 5, dead: 1 },
      failed: { dead: 1 },
      kafka: { start: 0, end: 156, recount: { from: 0, to: 156, records: 156, booked: { records: 156 } } },
      organizations: {
        shares: [
          { name: 'org-1', processed: 150, skipped: 5 },
          { name: null, dead: 1 },
        ],
        others: { shares: 0 },
      },
    });
    expect(first.hours.shares.find(({ processed }) => processed > 0)).toMatchObject({
      name: '2026-11-20T12:00:00Z',
      processed: 150,
    });
    expect(second).toMatchObject({ partition: 1, proved: { from: 0, to: 80 }, log: { processed: 80 } });
    expect(audit.report.identities).toContainEqual(
      expect.objectContaining({ name: 'stored', booked: 230, counted: 230 }),
    );
  });

  it('is signed so that any change of the report shows', async () => {
    const audit = await audited((await ingested()).pool);
    const text = JSON.stringify(audit);
    expect(verifyAudit(text, publicPem).valid).toBe(true);
    const changed = text.replace('"processed":150', '"processed":151');
    expect(changed).not.toBe(text);
    const refused = verifyAudit(changed, publicPem);
    expect(refused.valid).toBe(false);
    expect(refused.lines.join('\n')).toContain('the report was changed');
    const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect(verifyAudit(text, other)).toMatchObject({ valid: false });
  });

  it('widens a range to whole batches, and is unsigned without a key', async () => {
    const { pool, topic } = await ingested();
    const narrow = await audited(pool, { topic, partition: 0, from: 60, to: 61 }, null);
    expect(narrow.report).toMatchObject({ verdict: 'clean', signedBy: null });
    expect(narrow.signature).toBeNull();
    const [part] = narrow.report.partitions as [PartitionFindings];
    expect(part.proved?.from).toBeLessThanOrEqual(60);
    expect(part.proved?.to).toBeGreaterThan(60);
    expect((part.proved?.to ?? 0) - (part.proved?.from ?? 0)).toBeLessThanOrEqual(50);
    expect(verifyAudit(JSON.stringify(narrow), publicPem).lines.join('\n')).toContain('NOT SIGNED');
  });

  it('says what of the range has not been read', async () => {
    const { pool, topic } = await ingested();
    const ahead = await audited(pool, { topic, partition: 1, from: 0, to: 1_000 });
    expect(findingsOf(ahead)).toEqual(['the offsets 80 up to 1000 have not been read yet']);
    expect(findingsOf(await audited(pool, { topic, partition: 1, from: 500 }))).toEqual([
      'nothing of the range has been read',
    ]);
    expect(findingsOf(await audited(pool, { topic: 'crm.nothing' }))).toEqual([
      'no partition that was ever read is what the request names',
    ]);
  });

  it('is what it was when its conclusion is asked for again', async () => {
    const { pool } = await ingested();
    const audit = await audited(pool);
    const reader = createLogReader(testKafka(), { maxWaitMs: 500 });
    onTestFinished(() => reader.close());
    const activities = createAudit({ audits: createAuditStore(pool), reader, signer: createSigner(privatePem) });
    const verdict = await new MockActivityEnvironment().run(activities.concludeAudit, {
      auditId: audit.auditId,
      consumerGroup: 'group',
    });
    expect(verdict).toEqual({ verdict: 'clean', partitions: 2, findings: 0 });
    expect((await createAuditRequests(pool).find(audit.auditId))?.signature).toBe(audit.signature);
  });

  it('stays clean after a seek back, since readings are told from deliveries', async () => {
    const { pool, harness, topic } = await ingested();
    await pool.query(sql.unsafe`
      WITH back AS (
        UPDATE analytics.crm_positions SET next_offset = 100, epoch = epoch + 1 WHERE partition = 0 AND next_offset = 156
        RETURNING position_id, epoch, run_id
      )
      INSERT INTO analytics.crm_batches (position_id, epoch, from_offset, next_offset, kind, run_id)
      SELECT position_id, epoch - 1, 156, 100, 'seek', run_id FROM back
    `);
    await harness.drain([topic]);
    const again = await audited(pool, { recount: true });
    expect(findingsOf(again)).toEqual([]);
    expect(again.report.partitions[0]).toMatchObject({
      jumps: [{ kind: 'seek', from: 156, to: 100 }],
      chain: { offsets: 212, stored: 150 },
      log: { processed: 150, skipped: 5, dead: 1 },
    });
  });
});

describe('an audit after a range was read apart', () => {
  /** Reads all of partition 0 again through a lane of its own, as a replay or a backfill does. */
  async function readAgain(
    { harness, pool, topic }: Awaited<ReturnType<typeof ingested>>,
    kind: 'replay' | 'backfill',
    over: object,
  ) {
    const runId = randomUUID();
    await harness.store.runs.start({ runId, kind, scope: 'group' });
    const sourceId = await pool.oneFirst(sql.type(z.object({ id: z.number() }))`
      SELECT source_id AS id FROM analytics.crm_sources WHERE topic = ${topic}`);
    const parts = [{ topic, partition: 0, from: 0, to: 156, sourceId }];
    const lane = await harness.startLane([topic], { ...over, runId, ranges: { scope: runId, parts } });
    expect(await lane.ended).toMatchObject({ reason: 'finished' });
  }

  it.each([
    ['replay', { mode: 'missing' }],
    ['replay', { mode: 'restore' }],
    ['replay', { mode: 'overwrite' }],
    ['replay', { mode: 'missing', only: { organizationId: 'org-2' } }],
    ['backfill', { mode: 'ingest' }],
  ] as const)('is clean: by a %s, %o', async (kind, over) => {
    const scenario = await ingested();
    await readAgain(scenario, kind, over);
    const audit = await audited(scenario.pool, { recount: true });
    expect(findingsOf(audit)).toEqual([]);
    const [{ chain, replays }] = audit.report.partitions as [PartitionFindings];
    expect(chain.offsets + replays.offsets).toBe(312);
  });
});

describe('an audit finds', () => {
  async function findingsAfter(damage: (pool: DatabasePool) => Promise<unknown>): Promise<string[]> {
    const { pool } = await ingested();
    await damage(pool);
    return findingsOf(await audited(pool, { recount: true }));
  }

  it('a staging row that is gone, and where its delivery is', async () => {
    expect(
      await findingsAfter((pool) =>
        pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging WHERE event_id = 'a-7'`),
      ),
    ).toEqual(['1 events of the ledger have no staging row, the first at offset 7']);
  });

  it('a ledger row that is gone', async () => {
    expect(
      await findingsAfter((pool) =>
        pool.query(sql.unsafe`DELETE FROM analytics.crm_event_ledger WHERE event_id = 'a-9'`),
      ),
    ).toEqual([
      'stored: the books say 230, the tables hold 229',
      '1 processed deliveries are not what the ledger says won, the first at offset 9',
    ]);
  });

  it('a row of the events log that is gone', async () => {
    expect(
      await findingsAfter((pool) =>
        pool.query(sql.unsafe`DELETE FROM analytics.crm_events_log WHERE partition = 1 AND "offset" = 3`),
      ),
    ).toEqual(['stored: 80 by the first count, 79 by the second']);
  });

  it('a failed event that is gone', async () => {
    expect(await findingsAfter((pool) => pool.query(sql.unsafe`DELETE FROM analytics.crm_failed_events`))).toEqual([
      'dead: the books say 1, the tables hold 0',
      'rejected: 1 by the first count, 0 by the second',
      'dead: 0 by the first count, 1 by the second',
    ]);
  });

  it.each([
    [
      'the first batch',
      sql.fragment`b.from_offset = 0`,
      /^the events log has deliveries from offset 0 on, but the chain begins at \d+$/,
    ],
    ['the last batch', sql.fragment`b.next_offset = 80`, /^no batch accounts for the offsets \d+ up to 80$/],
  ])('%s that is gone', async (_, which, finding) => {
    const lines = await findingsAfter((pool) =>
      pool.query(sql.unsafe`
        DELETE FROM analytics.crm_batches b USING analytics.crm_positions p
        WHERE p.position_id = b.position_id AND p.partition = 1 AND ${which}
      `),
    );
    expect(lines).toContainEqual(expect.stringMatching(finding));
  });

  it('that Kafka has other records than were read', async () => {
    const lines = await findingsAfter((pool) =>
      pool.query(sql.unsafe`
        UPDATE analytics.crm_batches SET records = records - 1, stored = stored - 1, absent = absent + 1
        WHERE from_offset = 0 AND position_id = (SELECT position_id FROM analytics.crm_positions WHERE partition = 1)
      `),
    );
    expect(lines).toEqual([
      'stored: the books say 229, the tables hold 230',
      'stored: 79 by the first count, 80 by the second',
      expect.stringContaining('Kafka has 80 records at the offsets 0 up to 80, where 79 were read then'),
    ]);
  });

  it('that the position is beyond the end of the log', async () => {
    const lines = await findingsAfter((pool) =>
      pool.query(sql.unsafe`UPDATE analytics.crm_positions SET next_offset = 90 WHERE partition = 1`),
    );
    expect(lines).toContain('no batch accounts for the offsets 80 up to 90');
    expect(lines).toContain('the position 90 is beyond the end of the log, which is 80');
  });
});
