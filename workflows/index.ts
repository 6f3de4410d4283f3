/** All workflows: what the worker bundles. */
export { ingestionWorkflow } from './ingestion.ts';
