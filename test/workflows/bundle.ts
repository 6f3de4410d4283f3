import { readFile } from 'node:fs/promises';
import { bundleWorkflowCode, DefaultLogger, Runtime, type WorkflowBundle } from '@temporalio/worker';
import { built } from '../helpers/build.ts';

/** Our workflows as a worker runs them. Failures are part of the tests, and what becomes of them is asserted: no log. */
export async function bundleOurs(): Promise<WorkflowBundle> {
  const logger = new DefaultLogger('ERROR', () => undefined);
  Runtime.install({ logger, telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } } });
  if (process.env.CRM_TEST_BUILD !== undefined) {
    return { code: await readFile(built('workflow-bundle.js'), 'utf8') };
  }
  // Whoever records histories runs without a build.
  return bundleWorkflowCode({ workflowsPath: new URL('../../workflows/index.ts', import.meta.url).pathname, logger });
}
