import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { createMaintenanceWork } from '../../adapters/postgres/maintenance.ts';
import { createPartitionCatalog } from '../../adapters/postgres/partition-catalog.ts';
import { createPartitionsAhead, type PartitionInterval } from '../../adapters/postgres/partitions.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { createStore } from '../../adapters/postgres/store.ts';
import { batchOf, lead } from '../helpers/batches.ts';
import { claimPartitions, createTestStore, openTestLane } from '../helpers/lane-store.ts';
import { DAY_MS, daysAgo, openMaintenance } from './maintenance-harness.ts';

it('another interval works on live tables: the writer goes on over partitions of both sizes', async () => {
  const { pool, url, runId } = await createTestStore();
  const openLanePool = () => createDatabasePool({ url, ca: null, poolSize: 1, applicationName: 'crm-test-lane' });
  let offset = 0;
  let epoch = 0;
  /** One lead for each day, as a worker writes them that was started with the interval. */
  async function write(partitionInterval: PartitionInterval, ...days: number[]): Promise<void> {
    const lane = await openTestLane(createStore(pool, { partitionInterval, openLanePool }));
    const [range] = await claimPartitions(lane, runId, 'crm.leads');
    epoch += 1;
    expect(range).toMatchObject({ epoch, nextOffset: offset });
    const leads = days.map((day, index) => lead(`${offset + index}`, { eventTimestamp: day + DAY_MS / 2 }));
    const { slices } = await lane.writer.write(batchOf(range!, leads, runId));
    expect(slices).toMatchObject([{ stored: days.length }]);
    offset += days.length;
  }
  const day = (month: number, of: number) => Date.UTC(2026, month - 1, of);

  await write('day', day(9, 10), day(9, 11));
  await createPartitionsAhead(pool, day(9, 11), 2, 'day');
  await createPartitionsAhead(pool, day(9, 11), 1, 'month');
  await write('month', day(9, 11), day(9, 2), day(9, 20), day(10, 5), day(11, 7));
  await write('day', day(11, 8), day(12, 24));

  const partitions = await pool.any(sql.type(z.object({ partition: z.string(), rows: z.number() }))`
    SELECT tableoid::regclass::text AS partition, count(*) AS rows FROM analytics.crm_leads_staging GROUP BY 1 ORDER BY 1
  `);
  expect(
    partitions.map(({ partition, rows }) => [partition.replace('analytics.crm_leads_staging_p', ''), rows]),
  ).toEqual([
    ['20260901_20260910', 1],
    ['20260910', 1],
    ['20260911', 2],
    ['20260914_20261001', 1],
    ['20261001_20261101', 1],
    ['20261101_20261201', 2],
    ['20261224', 1],
  ]);
});

it('a hundred partitions are made, retired and made no more of', async () => {
  const { pool, rules, step } = await openMaintenance();
  const work = createMaintenanceWork(pool, { interval: 'day', ahead: 0 });
  const catalog = createPartitionCatalog(pool, 'day');
  const table = 'crm_contacts_staging';
  expect(await catalog.create(table, { from: daysAgo(100).getTime(), to: daysAgo(1).getTime() })).toBe(100);
  await rules.put({
    table,
    organizationId: null,
    keepDays: 20,
    afterwards: 'drop',
    late: 'quarantine',
    changedBy: 'ann',
  });

  const { statements } = await step('retire', { dryRun: true });
  expect(statements).toHaveLength(80);
  expect(statements[0]).toBe(
    `SELECT analytics.crm_retire_partition('${table}', '${table}_p${daysAgo(100).toISOString().slice(0, 10).replaceAll('-', '')}', 'detached')`,
  );
  expect((await step('retire')).counts).toEqual({ detached: 80, dropped: 80, droppedRows: 0 });
  expect(await work.measure()).toContainEqual({ table, partitions: 21, defaultRows: 0 });
});
