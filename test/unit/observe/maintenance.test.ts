import { expect, it } from 'vitest';
import { createMaintenanceObserver } from '../../../adapters/observe/maintenance.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { recordingLogger } from '../platform/recording-logger.ts';

it('what a maintenance does is counted, and what somebody should look at is a warning', async () => {
  const metrics = createMetrics();
  const logger = recordingLogger();
  const observer = createMaintenanceObserver(metrics, logger);
  observer.measured([{ table: 'crm_leads_staging', partitions: 9, defaultRows: 3 }]);
  observer.stepped('drain', { counts: { found: 3, drained: 3 }, statements: [], notes: ['3 rows were there'] });
  observer.stepped('retire', { counts: { droppedRows: 5, archivedRows: 7 }, statements: [], notes: [] });
  observer.stepped('expire', { counts: { rows: 2 }, statements: [], notes: [] });
  observer.concluded('failed', 12.5, ['ledger: Kafka is away']);

  const text = await metrics.registry.metrics();
  for (const line of [
    'crm_partitions{table="crm_leads_staging"} 9',
    'crm_default_rows{table="crm_leads_staging"} 3',
    'crm_incidents_total{kind="default_rows"} 1',
    'crm_retired_rows_total{how="dropped"} 5',
    'crm_retired_rows_total{how="archived"} 7',
    'crm_retired_rows_total{how="deleted"} 2',
    'crm_maintenance_runs_total{outcome="failed"} 1',
    'crm_maintenance_seconds 12.5',
  ]) {
    expect(text).toContain(line);
  }
  expect(logger.lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
    '3 rows were there',
  ]);
  expect(logger.lines.at(-1)).toMatchObject({ level: 'error', fields: { reasons: 'ledger: Kafka is away' } });
});
