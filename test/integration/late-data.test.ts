import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { deliverFailed } from '../../activities/deliver-failed.ts';
import type { FailedEvent } from '../../activities/failed-ports.ts';
import type { LateCount } from '../../activities/late-count.ts';
import { createLatePolicies } from '../../activities/late-policies.ts';
import { loadLateRules } from '../../adapters/postgres/late-policies.ts';
import { checkBooks } from '../../adapters/postgres/weigh-books.ts';
import { imbalanceOf } from '../../domain/books.ts';
import type { LatePolicy } from '../../domain/late-data.ts';
import { statusesIn } from '../helpers/books.ts';
import { createLaneHarness, createTestTopics, produce } from '../helpers/lane-harness.ts';
import { wireLead } from '../helpers/wire-leads.ts';

const DAY_MS = 86_400_000;
const WINDOW_MS = 730 * DAY_MS;

/** A lane whose late-data policies are those in PostgreSQL, and a topic with an event in time and one past 30 days. */
async function createLate() {
  const { client, topics, schemaIds } = await createTestTopics();
  const harness = await createLaneHarness(client);
  const { pool, deps } = harness;
  const load = () => loadLateRules(pool);
  deps.options.late = createLatePolicies({ load, windowMs: WINDOW_MS, now: () => performance.now() });
  const late: LateCount[] = [];
  deps.observer.batchWritten = (report) => void late.push(...report.late);
  const value = (id: string, days: number) => wireLead(schemaIds.leads, id, { timestamp: Date.now() - days * DAY_MS });
  await produce(client, [
    { topic: topics.leads, partition: 0, key: 'a', value: value('in-time', 1) },
    { topic: topics.leads, partition: 0, key: 'b', value: value('late', 400) },
  ]);

  const keep = (policy: LatePolicy, organizationId = '') =>
    pool.query(sql.unsafe`
      INSERT INTO analytics.crm_retention (parent, organization_id, keep_days, late, changed_by)
      VALUES ('crm_leads_staging', ${organizationId}, 30, ${policy}, 'test')
      ON CONFLICT (parent, organization_id) DO UPDATE SET late = EXCLUDED.late`);
  const staged = () =>
    pool.anyFirst(sql.type(z.object({ id: z.string() }))`
      SELECT event_id AS id FROM analytics.crm_leads_staging ORDER BY event_id`);
  const isBalanced = async () => {
    const { breaks, identities } = await checkBooks(pool);
    return breaks.length === 0 && imbalanceOf(identities) === 0;
  };

  /** Tries the dead letter again under another policy, as a redrive does. */
  async function redrive(policy: LatePolicy) {
    await keep(policy);
    const failedId = await pool.oneFirst(sql.type(z.object({ id: z.number() }))`
      SELECT failed_id AS id FROM analytics.crm_failed_events WHERE error_code = 'outside_retention'`);
    const [failed] = (await harness.store.failed.take([failedId])) as [FailedEvent];
    const rules = { ...deps.options, late: createLatePolicies({ load, windowMs: WINDOW_MS, now: () => 0 }) };
    const outcome = await deliverFailed(failed, deps.decoder, rules, Date.now());
    const verdict = { status: 'dead', nextAttemptAt: null } as const;
    const { outcomes } = await harness.store.settler.settle({
      ...{ runId: harness.runId, cause: 'redrive', redriveId: null, suppression: 0 },
      deliveries: [{ failed, source: failed.source, outcome, verdict }],
    });
    return outcomes[0];
  }
  return { ...harness, topics, late, keep, staged, isBalanced, redrive };
}

describe('an event past retention', () => {
  it('is staged where the policy is to rebuild, in a partition of its time', async () => {
    const { pool, keep, drain, topics, staged, late, isBalanced } = await createLate();
    await keep('rebuild');
    expect((await drain([topics.leads])).totals).toMatchObject({ stored: 2, failed: 0, dead: 0 });
    expect(await staged()).toEqual(['in-time', 'late']);
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_leads_staging_default`)).toBe(0);
    expect(late).toEqual([{ entity: 'lead', policy: 'rebuild', count: 1 }]);
    expect(await isBalanced()).toBe(true);
  });

  it('is a dead letter where the policy is quarantine, and staged by a redrive once its table takes it in', async () => {
    const { keep, drain, topics, staged, late, isBalanced, redrive } = await createLate();
    await keep('quarantine');
    expect((await drain([topics.leads])).totals).toMatchObject({ stored: 1, dead: 1 });
    expect(late).toEqual([{ entity: 'lead', policy: 'quarantine', count: 1 }]);
    expect(await redrive('quarantine')).toEqual({ status: 'dead', reason: null });
    expect(await redrive('rebuild')).toEqual({ status: 'processed', reason: null });
    expect(await staged()).toEqual(['in-time', 'late']);
    expect(await isBalanced()).toBe(true);
  });

  it('is logged with the reason and nothing else where the policy is to drop it', async () => {
    const { pool, keep, drain, topics, staged, late, isBalanced } = await createLate();
    await keep('drop');
    expect((await drain([topics.leads])).totals).toMatchObject({ stored: 1, filtered: 1, dead: 0 });
    expect(await staged()).toEqual(['in-time']);
    expect(await statusesIn(pool)).toEqual({ processed: 1, filtered: 1 });
    const logged = await pool.one(sql.type(z.object({ reason: z.string(), recent: z.boolean() }))`
      SELECT metadata ->> 'reason' AS reason, event_timestamp > now() - interval '1 day' AS recent
      FROM analytics.crm_events_log WHERE processing_status = 'filtered'`);
    expect(logged).toEqual({ reason: 'late', recent: true });
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_event_ledger`)).toBe(1);
    expect(late).toEqual([{ entity: 'lead', policy: 'drop', count: 1 }]);
    expect(await isBalanced()).toBe(true);
  });

  it('that is a dead letter is settled as filtered once the policy is to drop it', async () => {
    const { keep, drain, topics, staged, isBalanced, redrive } = await createLate();
    await keep('quarantine');
    await drain([topics.leads]);
    expect(await redrive('drop')).toEqual({ status: 'filtered', reason: null });
    expect(await staged()).toEqual(['in-time']);
    expect(await isBalanced()).toBe(true);
  });

  it("meets its organization's policy before that of its table", async () => {
    const { keep, drain, topics, late } = await createLate();
    await keep('rebuild');
    await keep('drop', 'org-1');
    await drain([topics.leads]);
    expect(late).toEqual([{ entity: 'lead', policy: 'drop', count: 1 }]);
  });
});
