// Our own write alone: ledger, staging, events log, positions and chain, fed from memory.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Batch, ClaimedRange, LaneStore } from '../../activities/ports.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { createStore } from '../../adapters/postgres/store.ts';
import type { BacklogLane } from '../backlog.ts';
import { type Books, readBooks } from './books.ts';
import { bestConnections, dealOut, describeChoice } from './connections.ts';
import { assertWritten, type Contestant, type Measurement } from './contestant.ts';

const APPLICATION_NAME = 'crm-bench';
const SCOPE = 'bench-writer';

/** @param candidates numbers of connections, of which the best is taken */
export function createWriter(
  lanes: readonly BacklogLane[],
  expected: number,
  candidates: readonly number[],
): Contestant {
  let connections = candidates[0] ?? 1;

  async function write(databaseUrl: string, count: number): Promise<Measurement> {
    const cpuSeconds = await writeLanes(databaseUrl, dealOut(lanes, count));
    const { stored, events, seconds } = await booksOf(databaseUrl);
    assertWritten('writer', stored, expected);
    const cpuPerMillion = (cpuSeconds / expected) * 1_000_000;
    return { events, seconds, cpuPerMillion, peakRssBytes: null, historyEvents: null };
  }

  return {
    name: 'writer',
    async warmUp(fresh, signal) {
      connections = await bestConnections(candidates, fresh, write, signal);
      return describeChoice(connections, candidates);
    },
    run: (databaseUrl) => write(databaseUrl, connections),
  };
}

/** @returns CPU seconds of this process */
async function writeLanes(databaseUrl: string, shares: ReadonlyArray<readonly BacklogLane[]>): Promise<number> {
  const open = (poolSize: number) =>
    createDatabasePool({ url: databaseUrl, ca: null, poolSize, applicationName: APPLICATION_NAME });
  const pool = await open(2);
  const store = createStore(pool, { partitionInterval: 'day', openLanePool: () => open(1) });
  const opened: LaneStore[] = [];
  try {
    const runId = randomUUID();
    await store.runs.start({ runId, kind: 'live', scope: SCOPE });
    const prepared: Array<{ store: LaneStore; batches: Batch[] }> = [];
    for (const share of shares) {
      const laneStore = await store.openLane();
      opened.push(laneStore);
      const batches: Batch[] = [];
      for (const lane of share) batches.push(...(await claimBatches(laneStore, lane, runId)));
      prepared.push({ store: laneStore, batches });
    }
    const before = process.cpuUsage();
    await Promise.all(prepared.map(writeAll));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000_000;
  } finally {
    await Promise.all(opened.map(({ writer }) => writer.close()));
    await pool.end();
  }
}

/** The lane's batches under positions of this database. */
async function claimBatches({ positions }: LaneStore, lane: BacklogLane, runId: string): Promise<Batch[]> {
  const ranges = await positions.claim({
    scope: SCOPE,
    runId,
    owner: randomUUID(),
    ranges: lane.partitions.map((at) => ({ ...at, initial: 0, rangeStart: 0, endOffset: null, topicId: null })),
  });
  const byName = new Map(ranges.map((range) => [`${range.topic}/${range.partition}`, range]));
  return lane.batches.map(({ slices, deliveries }) => ({
    runId,
    mode: 'ingest',
    suppression: 0,
    slices: slices.map((slice) => ({
      ...slice,
      range: byName.get(`${slice.range.topic}/${slice.range.partition}`) as ClaimedRange,
    })),
    deliveries: [...deliveries],
  }));
}

async function writeAll({ store, batches }: { store: LaneStore; batches: readonly Batch[] }): Promise<void> {
  for (const batch of batches) await store.writer.write(batch);
}

async function booksOf(databaseUrl: string): Promise<Books> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return await readBooks(client, SCOPE);
  } finally {
    await client.end();
  }
}
