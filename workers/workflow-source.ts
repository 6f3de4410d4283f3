import { fileURLToPath } from 'node:url';
import type { IngestionWorkersOptions } from '../adapters/temporal/workers.ts';

/** Where the workflows are: bundled once by `npm run build`, or as sources, which the worker bundles when it starts. */
export function workflowSource(): IngestionWorkersOptions['workflows'] {
  const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  return import.meta.url.endsWith('.ts')
    ? { workflowsPath: at('../workflows/index.ts') }
    : { workflowBundle: { codePath: at('../workflow-bundle.js') } };
}
