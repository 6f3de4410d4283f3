import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { msToTs } from '@temporalio/common/lib/time.js';
import { NativeConnection } from '@temporalio/worker';
import { createClient } from '../../adapters/temporal/connection.ts';
import { createIngestionWorkers } from '../../adapters/temporal/workers.ts';
import { bundleOurs } from '../workflows/bundle.ts';
import { eventually } from '../workflows/eventually.ts';

/** A namespace of the real server for one file: task queues and ingestions of others don't meet ours. */
export interface Playground {
  namespace: string;
  client: Client;
  /** Workers over fake activities for as long as `test` takes. */
  withWorkers(fake: { activities: object; dataConverter?: DataConverter }, test: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

/** @param identity how histories name the worker and the client */
export async function openPlayground(address: string, identity: string): Promise<Playground> {
  const workflowBundle = await bundleOurs();
  const namespace = `test-${randomUUID()}`;
  const client = createClient({ address, namespace, tls: null, apiKey: null });
  const { workflowService, operatorService } = client.connection;
  await workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: msToTs('1 day') });
  const connection = await NativeConnection.connect({ address });
  // The frontends notice a new namespace after a moment.
  await eventually(async () => {
    await client.workflow.count();
  });

  return {
    namespace,
    client,
    async withWorkers({ activities, dataConverter }, test) {
      const workers = await createIngestionWorkers(connection, {
        namespace,
        identity,
        activities: { control: activities, lanes: activities, background: activities, replays: activities },
        workflows: { workflowBundle },
        maxLanes: 8,
        maxReplayLanes: 4,
        buildId: null,
        ...(dataConverter !== undefined && { dataConverter }),
      });
      const running = workers.run();
      try {
        await test();
      } finally {
        workers.shutdown();
        await running;
      }
    },
    async close() {
      await operatorService.deleteNamespace({ namespace });
      await connection.close();
      await client.connection.close();
    },
  };
}
