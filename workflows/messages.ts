/** What a running ingestion understands; the names are typed on command lines, so they stay. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { IngestionStatus, SeekRequest, SeekResult } from './contracts.ts';

/** Lanes stop reading within 2 s; everything else stays. */
export const pauseSignal = defineSignal('pause');

/** Goes on at the next offset and tries parked lanes again. */
export const resumeSignal = defineSignal('resume');

/** Batches under way commit, then the workflow completes. */
export const stopSignal = defineSignal('stop');

export const statusQuery = defineQuery<IngestionStatus>('status');

/** Deals the partitions to another number of lanes; answers when the new deal is read. */
export const setLanesUpdate = defineUpdate<void, [lanes: number]>('setLanes');

/** Moves the position of one partition; answers when it has moved. */
export const seekUpdate = defineUpdate<SeekResult, [request: SeekRequest]>('seek');
