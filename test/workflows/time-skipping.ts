import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Runtime, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterAll, beforeAll } from 'vitest';
import { temporalTestServer } from '../../stack/index.ts';

/** Our workflows as a worker runs them. Failures are part of the tests, and what becomes of them is asserted: no log. */
export async function bundleOurs(): Promise<WorkflowBundleWithSourceMap> {
  const logger = new DefaultLogger('ERROR', () => undefined);
  Runtime.install({ logger, telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } } });
  return bundleWorkflowCode({ workflowsPath: new URL('../../workflows/index.ts', import.meta.url).pathname, logger });
}

/** Temporal's test server, which skips time that nobody uses, for all tests of a file. */
export function openTimeSkipping(): { env: TestWorkflowEnvironment; workflowBundle: WorkflowBundleWithSourceMap } {
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
