import { sql } from 'slonik';
import { expect } from 'vitest';
import { z } from 'zod';
import type { ReplayReport } from '../../activities/replay-ports.ts';
import { replayWorkflowId } from '../../workflows/replay-contracts.ts';
import { produce } from '../helpers/lane-harness.ts';
import { createProduct } from '../helpers/product.ts';
import { openProductApi } from '../helpers/product-api.ts';
import { ids, wireLead } from '../helpers/wire-leads.ts';

export const PARTITIONS = 2;

/** As the API shows a replay; tests look at some of it. */
const replaySchema = z.looseObject({
  replayId: z.string(),
  status: z.string(),
  total: z.number(),
  done: z.number().default(0),
  counts: z.record(z.string(), z.number()).default({}),
  report: z.custom<ReplayReport | null>().default(null),
});

export type ShownReplay = z.infer<typeof replaySchema>;

export const CANARY = 'canary.77b2@leak.example';

/** The product with its API and a topic of leads. */
export async function createReplayHarness(env: Record<string, string> = {}) {
  // Records of the past must not be deleted under a test.
  const product = await createProduct({ partitions: PARTITIONS, env, topicConfig: { 'retention.ms': '-1' } });
  const { pool, topics, schemaIds, kafka, control, settings } = product;
  const api = await openProductApi(product.env);
  const topic = topics.leads;

  const get = async (id: string) => replaySchema.parse(await api.answer(200, 'GET', `/replays/${id}`));
  const count = (from: ReturnType<typeof sql.fragment>) =>
    pool.oneFirst(sql.type(z.object({ count: z.number() }))`SELECT count(*) ${from}`);

  return {
    ...product,
    ...api,
    topic,
    get,
    count,

    /** Leads in turn over the partitions: `<prefix>-0`, `<prefix>-1`, … @param over when they happened and were sent */
    produceLeads: (prefix: string, events: number, over: { timestamp?: (index: number) => number } = {}) =>
      produce(
        kafka,
        ids(prefix, events).map((id, index) => {
          const at = over.timestamp === undefined ? {} : { timestamp: over.timestamp(index) };
          const value = wireLead(schemaIds.leads, id, { email: CANARY, ...at });
          return { topic, key: id, partition: index % PARTITIONS, value, ...at };
        }),
      ),

    /** Ingests what the topics hold, and stops. */
    async ingest() {
      await control.start(settings);
      await expect.poll(() => product.lag(), { timeout: 60_000, interval: 100 }).toBe(0);
      await control.stop(settings.consumerGroup, { waitMs: 30_000 });
    },

    request: async (body: object, path = '/replays') => replaySchema.parse(await api.answer(202, 'POST', path, body)),

    tell: async (id: string, what: string) =>
      replaySchema.parse(await api.answer(200, 'POST', `/replays/${id}/${what}`)),

    untilStatus: async (id: string, status: string): Promise<ShownReplay> => {
      await expect.poll(async () => (await get(id)).status, { timeout: 150_000, interval: 100 }).toBe(status);
      return get(id);
    },

    /** Waits until so many offsets are read. */
    untilDone: (id: string, offsets: number) =>
      expect.poll(async () => (await get(id)).done, { timeout: 60_000, interval: 50 }).toBeGreaterThanOrEqual(offsets),

    /** Forgets events as if they had never been read, by a condition on their ids. */
    async forget(where: ReturnType<typeof sql.fragment>) {
      await pool.query(sql.unsafe`DELETE FROM analytics.crm_leads_staging WHERE ${where}`);
      await pool.query(sql.unsafe`DELETE FROM analytics.crm_event_ledger WHERE ${where}`);
      await pool.query(sql.unsafe`DELETE FROM analytics.crm_events_log WHERE ${where}`);
    },

    staged: async () => ({
      rows: await count(sql.fragment`FROM analytics.crm_leads_staging`),
      ids: await count(sql.fragment`FROM (SELECT DISTINCT event_id FROM analytics.crm_leads_staging) staged`),
    }),

    /** The history of a replay's workflow, with its payloads as they can be read. */
    async history(replayId: string): Promise<string> {
      const id = ['--workflow-id', replayWorkflowId(replayId)];
      const shown = await product.temporalCommand('workflow', 'show', ...id, '--output', 'json');
      const payloads = [...shown.matchAll(/"data": "([^"]+)"/g)].map(([, data]) =>
        Buffer.from(data ?? '', 'base64').toString(),
      );
      return [shown, ...payloads].join('\n');
    },
  };
}
