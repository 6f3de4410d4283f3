import { readdir, readFile } from 'node:fs/promises';
import { Worker, type WorkflowBundle } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundleOurs } from '../workflows/bundle.ts';

const HISTORIES = new URL('histories/', import.meta.url);
const files = (await readdir(HISTORIES)).filter((file) => file.endsWith('.json'));

let workflowBundle: WorkflowBundle;

beforeAll(async () => {
  workflowBundle = await bundleOurs();
});

interface StoredHistory {
  events: Array<{ activityTaskScheduledEventAttributes?: { activityType: { name: string } } }>;
}

async function load(file: string): Promise<StoredHistory> {
  return JSON.parse(await readFile(new URL(file, HISTORIES), 'utf8'));
}

describe('the workflows as they are now', () => {
  it('have recorded histories to be checked against', () => {
    expect(files).not.toEqual([]);
  });

  it.each(files)('could take over the ingestion that %s recorded', async (file) => {
    await Worker.runReplayHistory({ workflowBundle }, await load(file));
  });
});

describe('a replay', () => {
  it('notices workflow code that does something else than the history says', async () => {
    const history = await load(files[0]!);
    const scheduled = history.events.find((event) => event.activityTaskScheduledEventAttributes);
    scheduled!.activityTaskScheduledEventAttributes!.activityType.name = 'somethingElse';

    await expect(Worker.runReplayHistory({ workflowBundle }, history)).rejects.toThrow(DeterminismViolationError);
  });
});
