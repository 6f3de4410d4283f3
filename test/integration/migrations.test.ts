import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { migrate } from '../../adapters/postgres/migrate.ts';
import { createPartitionsAhead, ensurePartition } from '../../adapters/postgres/partitions.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { createEmptyDatabase, createTestDatabase } from '../helpers/database.ts';

describe('migrations', () => {
  it('bring an empty database up, once, also when several processes start together', async () => {
    const database = { url: await createEmptyDatabase(`crm_test_migrate_${process.pid}`), ca: null };
    const applied = await Promise.all([migrate(database), migrate(database), migrate(database), migrate(database)]);
    const files = (await readdir('migrations')).map((file) => file.replace(/\.sql$/u, '')).toSorted();
    expect(applied.flat().toSorted()).toEqual(files);
    expect(await migrate(database)).toEqual([]);
  });
});

describe('partitions', () => {
  const bounds = sql.type(z.object({ partition: z.string(), lower_bound: z.number(), upper_bound: z.number() }))`
    SELECT partition, lower_bound, upper_bound FROM analytics.crm_partitions
    WHERE parent = 'crm_leads_staging' AND NOT is_default ORDER BY lower_bound
  `;

  it('are made ahead, day by day in UTC, whatever the session says', async () => {
    const { pool } = await createTestDatabase();
    await pool.query(sql.unsafe`SET TimeZone = 'Pacific/Auckland'`);
    const from = Date.UTC(2026, 10, 24, 13, 30);
    expect(await createPartitionsAhead(pool, from, 2, 'day')).toBe(12);
    expect(await createPartitionsAhead(pool, from, 2, 'day')).toBe(0);
    expect(await pool.any(bounds)).toEqual([
      {
        partition: 'crm_leads_staging_p20261124',
        lower_bound: Date.UTC(2026, 10, 24),
        upper_bound: Date.UTC(2026, 10, 25),
      },
      {
        partition: 'crm_leads_staging_p20261125',
        lower_bound: Date.UTC(2026, 10, 25),
        upper_bound: Date.UTC(2026, 10, 26),
      },
      {
        partition: 'crm_leads_staging_p20261126',
        lower_bound: Date.UTC(2026, 10, 26),
        upper_bound: Date.UTC(2026, 10, 27),
      },
    ]);
  });

  it('of another interval fill the space that is left', async () => {
    const { pool } = await createTestDatabase();
    await ensurePartition(pool, 'crm_leads_staging', Date.UTC(2026, 10, 10), 'day');
    expect(await ensurePartition(pool, 'crm_leads_staging', Date.UTC(2026, 10, 20), 'month')).toBe(true);
    expect(await ensurePartition(pool, 'crm_leads_staging', Date.UTC(2026, 10, 3), 'month')).toBe(true);
    expect(await ensurePartition(pool, 'crm_leads_staging', Date.UTC(2026, 10, 10), 'month')).toBe(false);
    expect((await pool.any(bounds)).map(({ lower_bound, upper_bound }) => [lower_bound, upper_bound])).toEqual([
      [Date.UTC(2026, 10, 1), Date.UTC(2026, 10, 10)],
      [Date.UTC(2026, 10, 10), Date.UTC(2026, 10, 11)],
      [Date.UTC(2026, 10, 11), Date.UTC(2026, 11, 1)],
    ]);
  });

  it('are made once when lanes meet the same new day, while another transaction inserts', async () => {
    const { pool, url } = await createTestDatabase();
    const other = await createDatabasePool({ url, ca: null, poolSize: 8, applicationName: 'crm-test' });
    const day = Date.UTC(2026, 10, 24);
    await ensurePartition(pool, 'crm_leads_staging', day - 86_400_000, 'day');
    const made = await pool.transaction(async (open) => {
      await open.query(sql.unsafe`
        INSERT INTO analytics.crm_leads_staging (id, event_id, lead_id, organization_id, event_timestamp, event_type, ingestion_id)
        VALUES (${randomUUID()}, 'a', 'b', 'c', '2026-11-23 12:00:00Z', 'lead.created', ${randomUUID()})
      `);
      return Promise.all(Array.from({ length: 6 }, () => ensurePartition(other, 'crm_leads_staging', day, 'day')));
    });
    await other.end();
    expect(made.filter(Boolean)).toHaveLength(1);
  });
});
