/** What was parked is read again once nothing speaks against it. */

import type { LaneTotals, ReadyStreams } from '../workflows/contracts.ts';
import {
  addTotals,
  NO_TOTALS,
  type ParkedReplayInput,
  type ParkedReplayResult,
  type SweepInput,
} from '../workflows/contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import { heartbeating } from './heartbeating.ts';
import { LogReplacedError } from './lane-ranges.ts';
import type { LaneObserver, Store } from './ports.ts';
import { type LaneDeps, runLane } from './run-lane.ts';
import type { ParkedRange, Stream } from './stream-ports.ts';

export interface ParkedDeps {
  store: Pick<Store, 'streams'>;
  registry: SchemaLookup;
  observer: Pick<LaneObserver, 'incident'>;
  laneDepsFor(input: { lane: number; runId: string }): LaneDeps;
  /** Told how many records are parked, by stream. */
  onParked(streams: readonly Stream[]): void;
}

export interface SchemaLookup {
  /** Whether the registry has a schema with this id now. @throws RegistryUnavailableError */
  knows(schemaId: number): Promise<boolean>;
}

/** Ranges looked at in one go. */
const PAGE = 1_000;
/** Ranges of a stream with less than this between them are read in one go; what lies between is not of the stream. */
const NEAR = 10_000;

export function createParked({ store, registry, observer, laneDepsFor, onParked }: ParkedDeps) {
  const { streams } = store;
  return {
    /** Lets streams flow whose schema is known by now. @returns those with something parked that may be read again */
    sweepParked: withSafeFailures(async (_input: SweepInput): Promise<ReadyStreams> => {
      const ready: ReadyStreams['ready'] = [];
      const all = await streams.list();
      onParked(all);
      for (const stream of all) {
        if (stream.state === 'schema_unknown' && (await registry.knows(stream.schemaId))) {
          const reason = `the registry knows schema ${stream.schemaId} now`;
          await streams.move(stream, 'flowing', { from: ['schema_unknown'], reason, who: null });
          stream.state = 'flowing';
        }
        if (stream.parked.ranges > 0 && (stream.state === 'flowing' || stream.state === 'let_through')) {
          ready.push({ topic: stream.topic, schemaId: stream.schemaId });
        }
      }
      return { ready };
    }),

    /** Reads parked ranges of one stream for a while, through the writer like any others. */
    replayParked: withSafeFailures((input: ParkedReplayInput): Promise<ParkedReplayResult> => {
      let totals: LaneTotals = NO_TOTALS;
      return heartbeating(
        async (signal) => {
          const until = AbortSignal.any([signal, AbortSignal.timeout(input.sliceMs)]);
          while (!until.aborted) {
            const waiting = await streams.parked(input, PAGE);
            const group = nearOnes(waiting);
            if (group.length === 0) {
              return { finished: true, totals };
            }
            const result = await replay(group, input, until);
            totals = addTotals(totals, result);
          }
          return { finished: false, totals };
        },
        () => totals,
      );
    }),
  };

  async function replay(
    group: readonly ParkedRange[],
    input: ParkedReplayInput,
    signal: AbortSignal,
  ): Promise<LaneTotals> {
    const [first] = group as [ParkedRange];
    const { topic, partition, sourceId } = first;
    const to = Math.max(...group.map((range) => range.to));
    const ids = group.map(({ parkedId }) => parkedId);
    try {
      const { reason, totals } = await runLane(
        laneDepsFor({ lane: 0, runId: input.runId }),
        {
          ...input,
          lane: 0,
          partitions: [{ topic, partition }],
          startPosition: 'earliest',
          outOfRange: 'earliest',
          ranges: { scope: input.runId, parts: [{ topic, partition, sourceId, from: first.from, to }] },
          schemaId: input.schemaId,
        },
        { signal, report: () => {} },
      );
      if (reason === 'finished') {
        await streams.settleParked(ids, 'replayed');
      }
      return totals;
    } catch (error) {
      if (!(error instanceof LogReplacedError)) {
        throw error;
      }
      observer.incident('parked_lost', { topic, partition, from: first.from, to });
      await streams.settleParked(ids, 'discarded');
      return NO_TOTALS;
    }
  }
}

/** The first ranges of one partition that lie close together. They are in the order of partitions and offsets. */
function nearOnes(ranges: readonly ParkedRange[]): ParkedRange[] {
  const group: ParkedRange[] = [];
  let end = 0;
  for (const range of ranges) {
    const [first] = group;
    const apart = first !== undefined && (range.partition !== first.partition || range.sourceId !== first.sourceId);
    if (apart || (first !== undefined && range.from > end + NEAR)) {
      break;
    }
    group.push(range);
    end = Math.max(end, range.to);
  }
  return group;
}
