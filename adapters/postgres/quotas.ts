import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import { BURST_SECONDS, type Quota, type QuotaRef, type Quotas } from '../../activities/quota-ports.ts';
import { ints, texts } from './column-fragments.ts';
import { guarded } from './errors.ts';
import { parkedRangeColumns, parkedRangeRow } from './streams.ts';

/** Quotas over a pool or one connection. */
export function createQuotas(connection: CommonQueryMethods): Quotas {
  return {
    list: () => guarded(() => list(connection)),
    put: (quota) => guarded(() => put(connection, quota)),
    remove: (organizationId) => guarded(() => remove(connection, organizationId)),
    take: (wanted) => guarded(() => take(connection, wanted)),
    over: (limit) => guarded(() => over(connection, limit)),
    waiting: () => guarded(() => waiting(connection)),
    ready: (limit) => guarded(() => ready(connection, limit)),
    parked: (...wanted) => guarded(() => parked(connection, ...wanted)),
  };
}

const quotaRow = z.object({
  organizationId: z.string().nullable(),
  eventsPerSecond: z.number(),
  changedBy: z.string(),
  changedAt: z.number().transform((at) => new Date(at).toISOString()),
});

const QUOTA_COLUMNS = sql.fragment`
  NULLIF(organization_id, '') AS "organizationId", events_per_second AS "eventsPerSecond", changed_by AS "changedBy",
  changed_at AS "changedAt"
`;

async function list(connection: CommonQueryMethods): Promise<Quota[]> {
  return [
    ...(await connection.any(
      sql.type(quotaRow)`SELECT ${QUOTA_COLUMNS} FROM analytics.crm_quotas ORDER BY organization_id`,
    )),
  ];
}

function put(
  connection: CommonQueryMethods,
  { organizationId, eventsPerSecond, changedBy }: Omit<Quota, 'changedAt'>,
): Promise<Quota> {
  return connection.one(sql.type(quotaRow)`
    INSERT INTO analytics.crm_quotas (organization_id, events_per_second, changed_by)
    VALUES (${organizationId ?? ''}, ${eventsPerSecond}, ${changedBy})
    ON CONFLICT (organization_id) DO UPDATE
      SET events_per_second = excluded.events_per_second, changed_by = excluded.changed_by, changed_at = clock_timestamp()
    RETURNING ${QUOTA_COLUMNS}
  `);
}

async function remove(connection: CommonQueryMethods, organizationId: string | null): Promise<boolean> {
  const { rowCount } = await connection.query(
    sql.unsafe`DELETE FROM analytics.crm_quotas WHERE organization_id = ${organizationId ?? ''}`,
  );
  return rowCount > 0;
}

/** The quota of each organization of `w`: its own, or that of all others; none without either. */
const quotaOf = sql.fragment`
  JOIN LATERAL (
    SELECT q.events_per_second AS rate
    FROM analytics.crm_quotas q
    WHERE q.organization_id IN (w.organization_id, '')
    ORDER BY q.organization_id DESC
    LIMIT 1
  ) q ON true
`;

/** What the bucket `b` holds by now, of a quota of so many events a second. */
const heldOf = (rate: FragmentSqlToken) => sql.fragment`
  LEAST(
    ${rate} * ${BURST_SECONDS}::double precision,
    b.tokens + ${rate} * GREATEST(0, EXTRACT(EPOCH FROM clock_timestamp() - b.filled_at))
  )
`;

/**
 * One statement, which keeps its locks no longer than it runs. In the order of the keys, so that lanes that want the same
 * buckets wait for each other, and never in a circle.
 */
async function take(connection: CommonQueryMethods, wanted: ReadonlyMap<string, number>): Promise<Map<string, number>> {
  const held = heldOf(sql.fragment`excluded.events_per_second`);
  const rows = await connection.any(sql.type(z.object({ organizationId: z.string(), granted: z.number() }))`
    INSERT INTO analytics.crm_quota_buckets AS b (organization_id, events_per_second, tokens, granted, filled_at)
    SELECT w.organization_id, q.rate, q.rate * ${BURST_SECONDS} - LEAST(w.wanted, q.rate * ${BURST_SECONDS}),
      LEAST(w.wanted, q.rate * ${BURST_SECONDS}), clock_timestamp()
    FROM unnest(${texts([...wanted.keys()])}, ${ints([...wanted.values()])}) AS w(organization_id, wanted)
    ${quotaOf}
    ORDER BY w.organization_id COLLATE "C"
    ON CONFLICT (organization_id) DO UPDATE SET
      events_per_second = excluded.events_per_second,
      tokens = ${held} - LEAST(excluded.granted, floor(${held})),
      granted = LEAST(excluded.granted, floor(${held})),
      filled_at = clock_timestamp()
    RETURNING b.organization_id AS "organizationId", b.granted
  `);
  const granted = new Map(wanted);
  for (const { organizationId, granted: some } of rows) {
    granted.set(organizationId, some);
  }
  return granted;
}

async function over(connection: CommonQueryMethods, limit: number) {
  return [
    ...(await connection.any(sql.type(
      z.object({
        organizationId: z.string(),
        ranges: z.number(),
        records: z.number(),
        since: z.number().transform((at) => new Date(at).toISOString()),
      }),
    )`
      SELECT organization_id AS "organizationId", count(*) AS ranges, sum(records)::bigint AS records,
        min(parked_at) AS since
      FROM analytics.crm_parked_ranges
      WHERE status = 'parked' AND organization_id IS NOT NULL
      GROUP BY organization_id
      ORDER BY min(parked_at), organization_id
      LIMIT ${limit}
    `)),
  ];
}

async function waiting(connection: CommonQueryMethods) {
  return [
    ...(await connection.any(sql.type(z.object({ topic: z.string(), records: z.number() }))`
      SELECT topic, sum(records)::bigint AS records
      FROM analytics.crm_parked_ranges
      WHERE status = 'parked' AND organization_id IS NOT NULL
      GROUP BY topic
    `)),
  ];
}

/** A bucket that is less than a second's worth full is left to what arrives now. */
async function ready(connection: CommonQueryMethods, limit: number): Promise<QuotaRef[]> {
  return [
    ...(await connection.any(sql.type(z.object({ topic: z.string(), organizationId: z.string() }))`
      SELECT w.topic, w.organization_id AS "organizationId"
      FROM (
        SELECT topic, organization_id, min(parked_at) AS since
        FROM analytics.crm_parked_ranges
        WHERE status = 'parked' AND organization_id IS NOT NULL
        GROUP BY topic, organization_id
      ) w
      LEFT ${quotaOf}
      LEFT JOIN analytics.crm_quota_buckets b ON b.organization_id = w.organization_id
      WHERE q.rate IS NULL OR b.tokens IS NULL OR ${heldOf(sql.fragment`q.rate`)} >= q.rate
      ORDER BY w.since, w.organization_id
      LIMIT ${limit}
    `)),
  ];
}

async function parked(
  connection: CommonQueryMethods,
  ...[{ topic, organizationId }, limit, exceptRun]: Parameters<Quotas['parked']>
) {
  return [
    ...(await connection.any(sql.type(parkedRangeRow)`
      SELECT ${parkedRangeColumns}
      FROM analytics.crm_parked_ranges
      WHERE organization_id = ${organizationId} AND topic = ${topic} COLLATE "C" AND status = 'parked'
        AND (${exceptRun ?? null}::uuid IS NULL OR run_id <> ${exceptRun ?? null}::uuid)
      ORDER BY partition, from_offset, parked_id
      LIMIT ${limit}
    `)),
  ];
}
