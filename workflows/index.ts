/** All workflows: what the worker bundles. */
export { auditWorkflow } from './audit.ts';
export { erasureWorkflow } from './erasure.ts';
export { ingestionWorkflow } from './ingestion.ts';
export { maintenanceWorkflow } from './maintenance.ts';
export { parkedReplayWorkflow } from './parked-replay.ts';
export { redriveWorkflow } from './redrive.ts';
export { replayWorkflow } from './replay.ts';
export { sweepWorkflow } from './sweep.ts';
