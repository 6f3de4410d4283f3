import { expect, it } from 'vitest';
import { createPartitionKeeper } from '../../adapters/postgres/partitions.ts';
import { daysAgo, elsewhere, leadsOf, openMaintenance } from './maintenance-harness.ts';

it('a lane goes without new partitions while somebody reads the whole table, and the maintenance drains', async () => {
  const { pool, url, insertLeads, whereLeadsAre, step } = await openMaintenance();
  const keeper = createPartitionKeeper('day', 50);
  const late = daysAgo(50);
  const ensure = (at: Date) =>
    pool.connect((lane) => keeper.ensure(lane, new Map([['lead', new Set([at.getTime()])]])));

  await elsewhere(url, async (reader) => {
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM analytics.crm_leads_staging');
    await expect(ensure(late)).rejects.toMatchObject({ code: '55P03' });
    await expect(ensure(late)).rejects.toMatchObject({ code: '55P03' });
    await ensure(late);
    await ensure(daysAgo(51));
    await insertLeads(late, 2);
    await insertLeads(daysAgo(51), 1);
    expect(await whereLeadsAre()).toEqual({ crm_leads_staging_default: 3 });
  });

  expect((await step('drain')).counts).toMatchObject({ drained: 3 });
  expect(await whereLeadsAre()).toEqual({ [leadsOf(late)]: 2, [leadsOf(daysAgo(51))]: 1 });
});
