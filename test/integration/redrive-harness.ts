import { sql } from 'slonik';
import { expect } from 'vitest';
import { z } from 'zod';
import { produce } from '../helpers/lane-harness.ts';
import { createProduct } from '../helpers/product.ts';
import { openProductApi } from '../helpers/product-api.ts';
import { ids, wireLead } from '../helpers/wire-leads.ts';

/** Older than the window for late events, until the window is as wide as that of WIDE. */
const THREE_YEARS_AGO = Date.now() - 3 * 365 * 86_400_000;
export const WIDE = { LATE_WINDOW_DAYS: '3650' };

/** As the API shows a redrive; tests look at some of it. */
const redriveSchema = z.looseObject({
  redriveId: z.string(),
  status: z.string(),
  total: z.number(),
  counts: z.record(z.string(), z.number()),
});

const planSchema = z.looseObject({ dryRun: z.unknown(), dryRunId: z.string().nullable() });

export type ShownRedrive = z.infer<typeof redriveSchema>;

/** The product with its API over dead letters. */
export async function createRedriveHarness(env: Record<string, string> = {}) {
  const product = await createProduct({ partitions: 2, env: { BREAKER_PERCENT: '100', ...env } });
  const { pool, topics, schemaIds, kafka } = product;
  const { ask, logger } = await openProductApi({ ...product.env, ...WIDE });

  async function shown(response: Response, status: number): Promise<ShownRedrive> {
    const body: unknown = await response.json();
    expect(response.status, JSON.stringify(body)).toBe(status);
    return redriveSchema.parse(body);
  }

  const get = async (id: string) => shown(await ask('GET', `/redrives/${id}`), 200);

  const count = (query: ReturnType<typeof sql.fragment>) =>
    pool.oneFirst(sql.type(z.object({ count: z.number() }))`SELECT count(*) ${query}`);

  return {
    ...product,
    ask,
    logger,
    get,
    count: (query: ReturnType<typeof sql.fragment>) => count(query),

    /** Has a worker of today's window ingest leads that are too old for it, until all are dead letters. */
    async makeDeadLetters(events: number, over: Parameters<typeof wireLead>[2] = { timestamp: THREE_YEARS_AGO }) {
      const worker = product.startWorker();
      await product.control.start(product.settings);
      const values = ids('dead', events).map((id, index) => ({
        topic: topics.leads,
        key: id,
        partition: index % 2,
        value: wireLead(schemaIds.leads, id, over),
      }));
      await produce(kafka, values);
      await expect
        .poll(() => count(sql.fragment`FROM analytics.crm_failed_events WHERE status = 'dead'`), { timeout: 60_000 })
        .toBe(events);
      return worker;
    },

    /** Ends a worker in good order, and starts one for which the events are not too old. */
    async mend(worker: Awaited<ReturnType<typeof product.startWorker>>) {
      await product.end(worker, 'SIGTERM');
      return product.startWorker(WIDE);
    },

    plan: async (body: object) => planSchema.parse(await (await ask('POST', '/redrives/plan', body)).json()),

    request: async (body: object, operator = 'ann') => shown(await ask('POST', '/redrives', body, operator), 202),

    tell: async (id: string, what: string, operator = 'ann') =>
      shown(await ask('POST', `/redrives/${id}/${what}`, undefined, operator), 200),

    untilStatus: async (id: string, status: string): Promise<ShownRedrive> => {
      // A task that was handed to a worker which has just ended is handed out again after its own timeout. Where it fails,
      // the whole answer tells how far the redrive was.
      await expect.poll(() => get(id), { timeout: 120_000, interval: 100 }).toMatchObject({ status });
      return get(id);
    },

    /** What the events log says of all events. */
    logged: () =>
      pool.any(
        sql.type(
          z.object({ status: z.string(), retries: z.number(), first: z.string().nullable(), events: z.number() }),
        )`
        SELECT processing_status AS status, retry_count AS retries, metadata #>> '{errors,0,code}' AS first,
          count(*) AS events
        FROM analytics.crm_events_log GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
      ),

    moves: () =>
      pool.any(
        sql.type(z.object({ cause: z.string(), from: z.string(), to: z.string(), events: z.number() }))`
        SELECT cause, from_status AS "from", to_status AS "to", sum(events)::bigint AS events
        FROM analytics.crm_moves GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
      ),
  };
}
