/** What a running replay understands; the names are typed on command lines, so they stay. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ReplayProgress, ReplaySpeed } from './replay-contracts.ts';

/** Batches under way are written, then nothing is read until it is resumed. */
export const pauseReplaySignal = defineSignal('pause');

export const resumeReplaySignal = defineSignal('resume');

/** Batches under way are written, then the workflow completes; what it did stays done. */
export const cancelReplaySignal = defineSignal('cancel');

/** Takes effect at once. */
export const setSpeedUpdate = defineUpdate<void, [speed: ReplaySpeed]>('setSpeed');

export const replayProgressQuery = defineQuery<ReplayProgress>('progress');
