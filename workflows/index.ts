/** All workflows: what the worker bundles. */
export { ingestionWorkflow } from './ingestion.ts';
export { parkedReplayWorkflow } from './parked-replay.ts';
export { sweepWorkflow } from './sweep.ts';
