import type { Replay, Replays } from '../../../activities/replay-ports.ts';
import { createReplayDesk } from '../../../api/replay-desk.ts';
import { NO_TOTALS } from '../../../workflows/contracts.ts';
import { ControlUnavailableError } from '../../../workflows/control-port.ts';
import type { ReplayProgress } from '../../../workflows/replay-contracts.ts';
import { type ReplayControlPort, ReplayNotRunningError } from '../../../workflows/replay-control-port.ts';

const TOPIC = 'crm.leads';

/** Replays that live in memory: our own ports, for the behaviour of HTTP alone. The log has the offsets 100 to 1,100. */
export function createMemoryReplays({ temporal = true, usualSpeed = null as number | null } = {}) {
  const rows = new Map<string, Replay>();
  /** By replay: what its workflow has been told. */
  const workflows = new Map<string, ReplayProgress>();

  const set = (replayId: string, change: Partial<Replay>) => {
    const row = rows.get(replayId);
    if (row !== undefined) rows.set(replayId, { ...row, ...change });
  };

  const replays: Replays = {
    async create(request) {
      const replay: Replay = {
        ...request,
        status: 'planning',
        reason: null,
        total: 1_000,
        lost: 0,
        report: null,
        requestedAt: '2026-11-24T00:00:00.000Z',
        startedAt: null,
        finishedAt: null,
      };
      rows.set(replay.replayId, replay);
      return replay;
    },
    get: async (replayId) => rows.get(replayId) ?? null,
    list: async (limit) => [...rows.values()].toReversed().slice(0, limit),
    divide: async () => 1,
    part: async () => [],
    explain: async (replayId, reason) => set(replayId, { reason }),
    setSpeed: async (replayId, speed) => set(replayId, speed),
    move: async (replayId, to) => set(replayId, { status: to, finishedAt: '2026-11-24T00:01:00.000Z' }),
    standing: async () => ({ done: 250, total: 1_000, counts: { ...NO_TOTALS, stored: 250 } }),
    touched: async () => [],
    usualSpeed: async () => usualSpeed,
    openDryLane: () => Promise.reject(new Error('not in memory')),
  };

  function workflow(replayId: string): ReplayProgress {
    const found = workflows.get(replayId);
    if (found === undefined) throw new ReplayNotRunningError(replayId);
    return found;
  }

  const control: ReplayControlPort = {
    async run({ replayId, lanes, ratePerSecond }) {
      if (!temporal) throw new ControlUnavailableError('Temporal does not answer');
      const fresh = { lanes, ratePerSecond, parts: 4, finished: 1, totals: NO_TOTALS, workedMs: 1_000 };
      workflows.set(replayId, { ...(workflows.get(replayId) ?? fresh), phase: 'running' });
      set(replayId, { status: 'running' });
    },
    async pause(replayId) {
      workflows.set(replayId, { ...workflow(replayId), phase: 'paused' });
      set(replayId, { status: 'paused' });
    },
    async cancel(replayId) {
      workflows.set(replayId, { ...workflow(replayId), phase: 'cancelled' });
      await replays.move(replayId, 'cancelled', null);
    },
    async setSpeed(replayId, speed) {
      workflows.set(replayId, { ...workflow(replayId), ...speed });
    },
    progress: async (replayId) => workflows.get(replayId) ?? null,
  };

  const desk = createReplayDesk({
    replays,
    control,
    consumerGroup: 'group',
    plan: {
      reader: {
        partitions: async (topics) => (topics.includes(TOPIC) ? [{ topic: TOPIC, partition: 0 }] : []),
        bounds: async (partitions) => partitions.map((at) => ({ ...at, earliest: 100, end: 1_100, topicId: null })),
        offsetsAt: async (partitions) => partitions.map((at) => ({ ...at, offset: 600 })),
      },
      topics: [TOPIC, 'crm.events'],
      files: { list: async () => [{ uri: 'file:///leads.ndjson', bytes: 5 }], scan: () => Promise.reject(new Error()) },
      chunkBytes: 1,
    },
  });
  return { desk, rows, workflows };
}
