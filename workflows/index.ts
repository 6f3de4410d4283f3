/** All workflows: what the worker bundles. */
export { ingestionWorkflow } from './ingestion.ts';
export { sweepWorkflow } from './sweep.ts';
