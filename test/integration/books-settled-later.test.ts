import { randomUUID } from 'node:crypto';
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { RetentionRule } from '../../activities/maintenance-ports.ts';
import { createAuditStore } from '../../adapters/postgres/audits.ts';
import { discardEvents } from '../../adapters/postgres/discard.ts';
import { judge } from '../../domain/audit.ts';
import { batchOf, lead } from '../helpers/batches.ts';
import { claimPartitions, openTestLane } from '../helpers/lane-store.ts';
import { daysAgo, openMaintenance } from './maintenance-harness.ts';

/** Three old dead letters, and what may become of the first two of them. */
async function setUp() {
  const { pool, store, runId, rules, step } = await openMaintenance();
  const lane = await openTestLane(store);
  const [range] = await claimPartitions(lane, runId, 'crm.leads');
  const batch = batchOf(range!, ['bad', 'bad', 'bad'], runId);
  const old = batch.deliveries.map((delivery) => ({
    ...delivery,
    record: { ...delivery.record, timestamp: daysAgo(40).getTime() },
  }));
  await lane.writer.write({ ...batch, deliveries: old });
  const failedIds = await pool.anyFirst(sql.type(z.object({ id: z.number() }))`
    SELECT failed_id AS id FROM analytics.crm_failed_events ORDER BY "offset"`);
  const { sourceId, incarnation, topic, partition } = range!;

  return {
    pool,
    async retire(afterwards: RetentionRule['afterwards']) {
      const rule = { table: 'crm_events_log', organizationId: null, late: 'quarantine', changedBy: 'ada' } as const;
      await rules.put({ ...rule, keepDays: 30, afterwards });
      await step('retire');
    },
    /** The first is given up, the second is staged. */
    async settle() {
      const discard = { reason: 'no use', by: 'ada', redriveId: null, runId };
      expect(await pool.connect((held) => discardEvents(held, { ...discard, failedIds: failedIds.slice(0, 1) }))).toBe(
        1,
      );
      const [mended] = batchOf({ ...range!, nextOffset: 1 }, [lead('a')], runId).deliveries;
      const [failed] = await store.failed.take(failedIds.slice(1, 2));
      const { outcomes } = await store.settler.settle({
        runId: randomUUID(),
        cause: 'redrive',
        suppression: 0,
        redriveId: null,
        deliveries: [
          {
            failed: { failedId: failed!.failedId, loggedAt: failed!.loggedAt, correctedAt: null },
            source: { sourceId, incarnation, topic, partition },
            outcome: mended as Extract<typeof mended, { kind: 'stage' }>,
            verdict: { status: 'dead', nextAttemptAt: null },
          },
        ],
      });
      expect(outcomes).toEqual([{ status: 'processed', reason: null }]);
    },
    async audit() {
      const audits = createAuditStore(pool);
      const [target] = await audits.targets('group', { topic, recount: false });
      return judge(await audits.examine(target!, { from: null, to: null }, () => {}), null);
    },
  };
}

it.each<[RetentionRule['afterwards'], object, object]>([
  ['drop', { dead: 0 }, { processed: 1, discarded: 1, dead: 1 }],
  ['archive', { dead: 3 }, { processed: 1, discarded: 1, dead: -2 }],
])('dead letters are settled after a rule to %s took their rows of the log', async (afterwards, log, within) => {
  const { retire, settle, audit } = await setUp();
  await retire(afterwards);
  await settle();
  expect(await audit()).toMatchObject({ findings: [], log, retired: { within } });
});

it('a row that nobody took is missed, whatever became of its dead letter', async () => {
  const { pool, retire, settle, audit } = await setUp();
  await pool.query(sql.unsafe`DELETE FROM analytics.crm_events_log WHERE "offset" = 0`);
  await retire('drop');
  await settle();
  expect((await audit()).findings).toEqual(['dead: 1 by the first count, 0 by the second']);
});
