/** What a running redrive understands; the names are typed on command lines, so they stay. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { RedriveProgress } from './contracts.ts';

/** Pages under way are finished, then nothing is tried until it is resumed. */
export const pauseRedriveSignal = defineSignal('pause');

export const resumeRedriveSignal = defineSignal('resume');

/** Pages under way are finished, then the workflow completes; what it did stays done. */
export const cancelRedriveSignal = defineSignal('cancel');

/** Takes effect at once. */
export const setRateUpdate = defineUpdate<void, [ratePerSecond: number]>('setRate');

export const redriveProgressQuery = defineQuery<RedriveProgress>('progress');
