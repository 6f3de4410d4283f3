import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { createClient } from '../adapters/temporal/connection.ts';

const RETENTION_SECONDS = 86_400;
const ATTEMPTS = 100;
const PAUSE_MS = 200;

/** Registers a Temporal namespace and waits until the frontend, which notices after a moment, knows it. */
export async function openNamespace(address: string, namespace: string): Promise<Client> {
  const temporal = createClient({ address, namespace, tls: null, apiKey: null });
  await temporal.connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: RETENTION_SECONDS } as never, // its type asks for a Long, the wire does not
  });
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const known = await temporal.workflow.count().then(
      () => true,
      () => false,
    );
    if (known) return temporal;
    await sleep(PAUSE_MS);
  }
  throw new Error(`Temporal does not know the new namespace after ${(ATTEMPTS * PAUSE_MS) / 1000} s`);
}
