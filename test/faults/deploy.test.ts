import { expect, it } from 'vitest';
import { produce } from '../helpers/lane-harness.ts';
import { createProduct } from '../helpers/product.ts';
import { ids, leadRecords } from '../helpers/wire-leads.ts';

it('a versioned deployment hands a running ingestion over to the next build', { timeout: 180_000 }, async () => {
  const product = await createProduct({ partitions: 2 });
  const { kafka, topics, schemaIds } = product;
  const makeCurrent = (build: string) =>
    product.temporalCommand(
      ...[
        'worker',
        'deployment',
        'set-current-version',
        '--deployment-name',
        'crm-ingestion',
        '--build-id',
        build,
        '--yes',
      ],
    );
  const first = product.startWorker({ TEMPORAL_WORKER_BUILD_ID: 'build-1' });
  // The server learns of a version when its workers poll.
  await expect
    .poll(
      () =>
        makeCurrent('build-1').then(
          () => true,
          () => false,
        ),
      { timeout: 60_000, interval: 1_000 },
    )
    .toBe(true);
  await product.control.start(product.settings);
  await produce(kafka, leadRecords(topics.leads, schemaIds.leads, ids('a', 100)));
  await expect.poll(() => product.count('crm_leads_staging'), { timeout: 60_000 }).toBe(100);

  product.startWorker({ TEMPORAL_WORKER_BUILD_ID: 'build-2' });
  await expect
    .poll(
      () =>
        makeCurrent('build-2').then(
          () => true,
          () => false,
        ),
      { timeout: 60_000, interval: 1_000 },
    )
    .toBe(true);
  expect(await product.end(first, 'SIGTERM')).toBe(0);
  await produce(kafka, leadRecords(topics.leads, schemaIds.leads, ids('b', 100)));
  await expect.poll(() => product.count('crm_leads_staging'), { timeout: 60_000 }).toBe(200);
  expect(await product.statuses()).toEqual({ processed: 200 });
});
