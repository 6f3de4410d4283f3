import { writeFile } from 'node:fs/promises';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

/** Keeps the history of one run as `histories/NAME.json`, for replay.test.ts. */
export async function saveHistory(client: Client, workflowId: string, runId: string, name: string): Promise<void> {
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const file = new URL(`histories/${name}.json`, import.meta.url);
  await writeFile(file, `${JSON.stringify(JSON.parse(historyToJSON(history)), withoutPlaces)}\n`);
}

/** Where it was recorded is nobody's business, and no replay looks at it. */
function withoutPlaces(key: string, value: unknown): unknown {
  if (key === 'identity') return 'recorder';
  return key === 'stackTrace' ? '' : value;
}
