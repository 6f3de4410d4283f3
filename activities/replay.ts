import { ApplicationFailure, activityInfo } from '@temporalio/activity';
import { addTotals, type LaneTotals, NO_TOTALS } from '../workflows/contracts.ts';
import {
  MAX_REPLAY_SLICE_MS,
  type ReplayMoveInput,
  type ReplayPlanInput,
  type ReplayPlanned,
  type ReplaySliceInput,
  type ReplaySliceResult,
} from '../workflows/replay-contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import type { OpenedFile } from './file-ports.ts';
import { heartbeating } from './heartbeating.ts';
import { LogReplacedError } from './lane-ranges.ts';
import type { Store } from './ports.ts';
import { createReplayPace } from './replay-pace.ts';
import { planReplay, type ReplayPlanDeps } from './replay-plan.ts';
import type { LiveLag, Replay, ReplayRange, Replays } from './replay-ports.ts';
import { InvalidSelectionError } from './replay-ranges.ts';
import { type LaneDeps, runLane } from './run-lane.ts';

export interface ReplayDeps {
  replays: Replays;
  runs: Store['runs'];
  plan: Omit<ReplayPlanDeps, 'replays'>;
  consumerGroup: string;
  /** What a lane of a replay works with; of a file with the reader and decoder for files. */
  laneDepsFor(replay: { replayId: string; part: number; file: OpenedFile | null }): LaneDeps;
  lag: LiveLag;
  /** Live reading that is so many events behind goes first; 0 never does. */
  yieldLag: number;
  /** Told what a slice did. */
  onRead(replay: Pick<Replay, 'kind' | 'mode'>, totals: LaneTotals): void;
}

/** Makes the activities of replays and backfills, by the queue that they belong to. */
export function createReplayActivities(deps: ReplayDeps) {
  const { replays, runs } = deps;

  async function existing(replayId: string): Promise<Replay> {
    const replay = await replays.get(replayId);
    if (replay === null) {
      throw ApplicationFailure.nonRetryable(`there is no replay ${replayId}`, 'UnknownReplay');
    }
    return replay;
  }

  /** Says in PostgreSQL alone what can't be read: a history keeps what it gets, and names of files may be personal. */
  async function unreadable(replayId: string, { message }: Error, type: string): Promise<ApplicationFailure> {
    await replays.explain(replayId, message);
    return ApplicationFailure.nonRetryable('it can not be read: the replay says why', type);
  }

  return {
    /** Resolves what was asked for to parts with fixed ends. Safe to do again until it has begun. */
    planReplay: withSafeFailures(async ({ replayId }: ReplayPlanInput): Promise<ReplayPlanned> => {
      const replay = await existing(replayId);
      if (replay.status !== 'planning') {
        return { parts: await replays.divide(replayId, [], new Map()) }; // It was begun: its parts stand.
      }
      let where = '';
      try {
        return await heartbeating(
          async (signal) => {
            const plan = await planReplay({ ...deps.plan, replays }, replay, {
              signal,
              onProgress: (now) => {
                where = now;
              },
            });
            return { parts: await replays.divide(replayId, plan.parts, plan.topicIds) };
          },
          () => where,
        );
      } catch (error) {
        throw error instanceof InvalidSelectionError ? await unreadable(replayId, error, 'InvalidSelection') : error;
      }
    }),

    /** Reads one part for a while, through a lane like any other. */
    replaySlice: withSafeFailures(async (input: ReplaySliceInput): Promise<ReplaySliceResult> => {
      const replay = await existing(input.replayId);
      const part = await replays.part(input.replayId, input.part);
      if (part.length === 0) {
        throw ApplicationFailure.nonRetryable(`replay ${input.replayId} has no part ${input.part}`, 'UnknownReplay');
      }
      const ranges = part.filter(({ from, to }) => from < to);
      if (ranges.length === 0) {
        return { finished: true, totals: NO_TOTALS };
      }
      const earlier: LaneTotals = activityInfo().heartbeatDetails?.totals ?? NO_TOTALS;
      let latest: { totals: LaneTotals; trouble: string | null } = { totals: earlier, trouble: null };
      try {
        const { reason, totals } = await heartbeating(
          (signal) =>
            readPart(deps, input, replay, ranges, signal, ({ totals, trouble }) => {
              // Of files, whose names may be personal, it would be kept in the history.
              latest = { totals: addTotals(earlier, totals), trouble: ranges[0]?.file ? null : trouble };
            }),
          () => latest,
        );
        deps.onRead(replay, totals);
        return { finished: reason === 'finished', totals: addTotals(earlier, totals) };
      } catch (error) {
        throw error instanceof LogReplacedError ? await unreadable(input.replayId, error, 'LogReplaced') : error;
      }
    }),

    /** Tells PostgreSQL how a replay stands; its first word registers the run whose id the rows carry. */
    moveReplay: withSafeFailures(async ({ replayId, to, reason }: ReplayMoveInput): Promise<void> => {
      const { kind, mode } = await existing(replayId);
      if (to === 'running' && mode !== 'dry-run') {
        await runs.start({ runId: replayId, kind, scope: deps.consumerGroup });
      }
      await replays.move(replayId, to, reason ?? null);
    }),
  };
}

function readPart(
  deps: ReplayDeps,
  { replayId, consumerGroup, part: number, ratePerSecond, sliceMs }: ReplaySliceInput,
  { mode, filter }: Replay,
  ranges: readonly ReplayRange[],
  signal: AbortSignal,
  report: Parameters<typeof runLane>[2]['report'],
) {
  const lane = deps.laneDepsFor({ replayId, part: number, file: ranges[0]?.file ?? null });
  const store = mode === 'dry-run' ? { ...lane.store, openLane: () => deps.replays.openDryLane(replayId) } : lane.store;
  return runLane(
    { ...lane, store, options: { ...lane.options, maxRecords: batchSize(lane.options.maxRecords, ratePerSecond) } },
    {
      runId: replayId,
      lane: number,
      consumerGroup,
      partitions: ranges.map(({ topic, partition }) => ({ topic, partition })),
      startPosition: 'earliest',
      outOfRange: 'earliest',
      sliceMs: isCompressed(ranges) ? MAX_REPLAY_SLICE_MS : sliceMs,
      ranges: { scope: replayId, parts: ranges },
      // A dry run parks nothing and keeps no failure, like the modes that only write rows again.
      mode: mode === 'dry-run' ? 'restore' : mode,
      only: filter,
    },
    { signal, report, pace: createReplayPace({ ratePerSecond, lag: deps.lag, yieldLag: deps.yieldLag }) },
  );
}

/** Whoever takes such a file up again has to read it from its start, so that it is handed over as seldom as may be. */
function isCompressed(ranges: readonly ReplayRange[]): boolean {
  return ranges.some(({ file }) => file !== null && /\.(?:gz|zst)$/u.test(file.uri));
}

/** Some batches a second, so that a slow replay does not work in bursts. */
const BATCHES_PER_SECOND = 4;

function batchSize(most: number, ratePerSecond: number | null): number {
  return ratePerSecond === null ? most : Math.max(1, Math.min(most, Math.ceil(ratePerSecond / BATCHES_PER_SECOND)));
}
