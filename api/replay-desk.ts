/**
 * Replays and backfills as people ask for them. A request is kept in PostgreSQL before Temporal hears of it, so that one
 * that could not be started is seen, and started by `resume`.
 */
import { randomUUID } from 'node:crypto';
import { FileUnavailableError, InvalidFileError } from '../activities/file-ports.ts';
import { LogUnavailableError } from '../activities/ports.ts';
import { planReplay, type ReplayPlanDeps } from '../activities/replay-plan.ts';
import type { Replay, ReplayRequest, ReplayStanding, Replays } from '../activities/replay-ports.ts';
import { InvalidSelectionError } from '../activities/replay-ranges.ts';
import { ControlUnavailableError } from '../workflows/control-port.ts';
import type { ReplayProgress, ReplaySpeed } from '../workflows/replay-contracts.ts';
import { type ReplayControlPort, ReplayNotRunningError } from '../workflows/replay-control-port.ts';
import { ProblemError } from './errors.ts';
import { isInScope } from './tenancy.ts';

export interface ReplayDeskDeps {
  replays: Replays;
  control: ReplayControlPort;
  plan: Omit<ReplayPlanDeps, 'replays'>;
  consumerGroup: string;
}

/** What a request would read. */
export interface ReplayPreview {
  /** Of a log: the ranges that Kafka has of what was asked for. */
  ranges: Array<{ topic: string; partition: number; from: number; to: number; offsets: number; lost: number }>;
  /** Of files. */
  files: Array<{ uri: string; bytes: number }>;
  /** At most so many events; null for files, whose lines are counted when they are read. */
  offsets: number | null;
  lost: number;
  /** At its rate, or as fast as the last ones were; null when nothing tells. */
  estimatedSeconds: number | null;
}

export type ReplayDesk = ReturnType<typeof createReplayDesk>;

type Asked = Pick<ReplayRequest, 'selection' | 'lanes' | 'ratePerSecond'>;

const NOT_ABORTED = { signal: new AbortController().signal, onProgress: () => {} };

export function createReplayDesk({ replays, control, plan, consumerGroup }: ReplayDeskDeps) {
  async function existing(replayId: string): Promise<Replay> {
    const replay = await replays.get(replayId);
    // The same for one that there is not and for one that is not theirs.
    if (replay === null || !isInScope(limitOf(replay))) {
      throw new ProblemError('unknown-replay', `There is no replay ${replayId}.`);
    }
    return replay;
  }

  async function unfinished(replayId: string): Promise<Replay> {
    const replay = await existing(replayId);
    if (replay.finishedAt !== null) {
      throw new ProblemError('refused', `The replay has ended, it is ${replay.status}.`);
    }
    return replay;
  }

  /** Tells a replay something. @throws ProblemError when it has no workflow to tell */
  async function tell(replayId: string, what: () => Promise<void>): Promise<Replay> {
    await unfinished(replayId);
    try {
      await what();
    } catch (error) {
      if (!(error instanceof ReplayNotRunningError)) throw error;
      throw new ProblemError('refused', 'The replay never began or is just ending. Look at it again, or resume it.');
    }
    return existing(replayId);
  }

  const run = ({ replayId, lanes, ratePerSecond, filter }: Replay) =>
    control.run({ replayId, consumerGroup, lanes, ratePerSecond }, filter?.organizationId ?? null);

  async function ranges({ selection, lanes }: Asked): Promise<ReplayPreview['ranges']> {
    // In any order the same is read, and each window would be a question to Kafka.
    const whole = selection.by === 'windows' ? ({ ...selection, by: 'time' } as const) : selection;
    const { parts } = await refusing(() => planReplay({ ...plan, replays }, { selection: whole, lanes }, NOT_ABORTED));
    return [...Map.groupBy(parts.flat(), ({ topic, partition }) => `${topic}/${partition}`).values()].map((same) => ({
      topic: same[0]?.topic ?? '',
      partition: same[0]?.partition ?? 0,
      from: Math.min(...same.map(({ from }) => from)),
      to: Math.max(...same.map(({ to }) => to)),
      offsets: same.reduce((sum, { from, to }) => sum + to - from, 0),
      lost: same.reduce((sum, { lost }) => sum + lost, 0),
    }));
  }

  async function secondsFor(offsets: number, ratePerSecond: number | null): Promise<number | null> {
    const perSecond = ratePerSecond ?? (await replays.usualSpeed());
    return perSecond === null ? null : Math.ceil(offsets / perSecond);
  }

  return {
    async plan(asked: Asked): Promise<ReplayPreview> {
      const { selection, ratePerSecond } = asked;
      if (selection.by === 'files') {
        const { location, reading } = selection;
        const files = await refusing(() => plan.files.list(location, reading.format, NOT_ABORTED.signal));
        return { ranges: [], files, offsets: null, lost: 0, estimatedSeconds: null };
      }
      const found = await ranges(asked);
      const offsets = found.reduce((sum, range) => sum + range.offsets, 0);
      return {
        ranges: found,
        files: [],
        offsets,
        lost: found.reduce((sum, { lost }) => sum + lost, 0),
        estimatedSeconds: await secondsFor(offsets, ratePerSecond),
      };
    },

    async create(request: ReplayRequest, by: string): Promise<Replay> {
      if (request.source === 'kafka') {
        await ranges(request); // What can't be read is refused while somebody listens.
      }
      const replay = await replays.create({ ...request, replayId: randomUUID(), requestedBy: by });
      try {
        await run(replay);
      } catch (error) {
        if (!(error instanceof ControlUnavailableError)) throw error;
        throw new ProblemError(
          'control-unavailable',
          `Temporal does not answer. The request is kept as replay ${replay.replayId}: resume or cancel that one, and send no other.`,
        );
      }
      return replay;
    },

    list: (limit: number) => replays.list(limit),

    async get(
      replayId: string,
    ): Promise<{ replay: Replay; standing: ReplayStanding; progress: ReplayProgress | null }> {
      const replay = await existing(replayId);
      return { replay, standing: await replays.standing(replayId), progress: await control.progress(replayId) };
    },

    pause: (replayId: string) => tell(replayId, () => control.pause(replayId)),

    async resume(replayId: string): Promise<Replay> {
      await run(await unfinished(replayId));
      return existing(replayId);
    },

    async cancel(replayId: string): Promise<Replay> {
      await unfinished(replayId);
      try {
        await control.cancel(replayId);
      } catch (error) {
        if (!(error instanceof ReplayNotRunningError)) throw error;
        await replays.move(replayId, 'cancelled', null);
      }
      return existing(replayId);
    },

    setSpeed: (replayId: string, speed: ReplaySpeed) =>
      tell(replayId, async () => {
        await control.setSpeed(replayId, speed);
        await replays.setSpeed(replayId, speed);
      }),
  };
}

/**
 * Whose a replay is: of the organization that it is limited to, null for the installation's. So are all of files, whose
 * names may tell of anybody.
 */
export function limitOf({ source, filter }: Pick<Replay, 'source' | 'filter'>): string | null {
  return source === 'files' ? null : (filter?.organizationId ?? null);
}

/** Has what can't be read answered as the refusal that it is. */
async function refusing<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof InvalidSelectionError || error instanceof InvalidFileError) {
      throw new ProblemError('invalid-selection', `It can not be read: ${error.message}.`);
    }
    throw error instanceof FileUnavailableError ? new LogUnavailableError(error.message) : error;
  }
}
