import { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll } from 'vitest';
import { temporalTestServer } from '../../stack/index.ts';
import { bundleOurs } from './bundle.ts';

/** Temporal's test server, which skips time that nobody uses, for all tests of a file. */
export function openTimeSkipping(): { env: TestWorkflowEnvironment; workflowBundle: WorkflowBundle } {
  const opened = {} as ReturnType<typeof openTimeSkipping>;
  beforeAll(async () => {
    opened.workflowBundle = await bundleOurs();
    opened.env = await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: { type: 'existing-path', path: await temporalTestServer() } },
    });
  });
  afterAll(() => opened.env?.teardown());
  return opened;
}
