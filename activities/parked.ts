/** What was parked is read again once nothing speaks against it. */
import {
  addTotals,
  type LaneTotals,
  NO_TOTALS,
  type ParkedReplayInput,
  type ParkedReplayResult,
  type ReadyQuotas,
  type ReadyStreams,
  type SweepInput,
} from '../workflows/contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import { heartbeating } from './heartbeating.ts';
import { LogReplacedError } from './lane-ranges.ts';
import { type LaneObserver, RegistryUnavailableError, type Store } from './ports.ts';
import { createPatientQuotaGate } from './quota-gate.ts';
import type { Quotas } from './quota-ports.ts';
import type { QuotaRules } from './quota-rules.ts';
import { type LaneDeps, runLane } from './run-lane.ts';
import type { ParkedRange, Stream } from './stream-ports.ts';

export interface ParkedDeps {
  store: Pick<Store, 'streams'>;
  quotas: Pick<Quotas, 'parked' | 'ready' | 'take' | 'waiting'>;
  quotaRules: QuotaRules;
  registry: SchemaLookup;
  observer: Pick<LaneObserver, 'incident'>;
  laneDepsFor(input: { lane: number; runId: string }): LaneDeps;
  /** Told how many records are parked, by stream. */
  onParked(streams: readonly Stream[]): void;
  /** Told how many records wait for a quota, by topic. */
  onOverQuota(waiting: ReadonlyArray<{ topic: string; records: number }>): void;
}

export interface SchemaLookup {
  /** Whether the registry has a schema with this id now. @throws RegistryUnavailableError */
  knows(schemaId: number): Promise<boolean>;
}

/** Organizations whose ranges one sweep has read again. */
const MOST_READY = 100;
/** Of a quota: a batch has to fit into a slice of time. */
const BATCH_SECONDS = 20;
/** Ranges looked at in one go. */
const PAGE = 1_000;
/** Ranges of a stream with less than this between them are read in one go; what lies between is not of the stream. */
const NEAR = 10_000;

export function createParked(deps: ParkedDeps) {
  const { store, quotas, quotaRules, registry, observer, laneDepsFor, onParked, onOverQuota } = deps;
  const { streams } = store;
  return {
    /** Lets streams flow whose schema is known by now. @returns those with something parked that may be read again */
    sweepParked: withSafeFailures((_input: SweepInput): Promise<ReadyStreams> => {
      const ready: ReadyStreams['ready'] = [];
      return heartbeating(
        async (signal) => {
          const all = await streams.list();
          onParked(all);
          for (const stream of all) {
            if (signal.aborted) break;
            if (stream.parked.ranges > 0 && (mayFlow(stream.state) || (await nowKnown(stream)))) {
              ready.push({ topic: stream.topic, schemaId: stream.schemaId });
            }
          }
          return { ready };
        },
        () => ready.length,
      );
    }),

    /** @returns the organizations whose quota has room again for what waits of them */
    sweepQuotas: withSafeFailures((_input: SweepInput): Promise<ReadyQuotas> => {
      return heartbeating(async () => {
        onOverQuota(await quotas.waiting());
        return { ready: await quotas.ready(MOST_READY) };
      });
    }),

    /** Reads parked ranges of one stream or organization for a while, through the writer like any others. */
    replayParked: withSafeFailures((input: ParkedReplayInput): Promise<ParkedReplayResult> => {
      let totals: LaneTotals = NO_TOTALS;
      return heartbeating(
        async (signal) => {
          const until = AbortSignal.any([signal, AbortSignal.timeout(input.sliceMs)]);
          while (!until.aborted) {
            // What this very run had to park again waits for another one.
            const group = nearOnes(await waitingOf(input));
            if (group.length === 0 || !(await flows(input))) {
              return { finished: true, totals };
            }
            totals = addTotals(totals, await replay(group, input, until));
          }
          return { finished: false, totals };
        },
        () => totals,
      );
    }),
  };

  /** Asks the registry about a stream that waits for it. */
  async function nowKnown(stream: Stream): Promise<boolean> {
    if (stream.state !== 'schema_unknown') {
      return false;
    }
    try {
      if (!(await registry.knows(stream.schemaId))) return false;
    } catch (error) {
      if (error instanceof RegistryUnavailableError) return false; // The others need no answer; the next sweep asks again.
      throw error;
    }
    const reason = `the registry knows schema ${stream.schemaId} now`;
    await streams.move(stream, 'flowing', { from: ['schema_unknown'], reason, who: null });
    return true;
  }

  function waitingOf({ runId, organizationId, ...of }: ParkedReplayInput): Promise<ParkedRange[]> {
    return organizationId === undefined
      ? streams.parked(of, PAGE, runId)
      : quotas.parked({ topic: of.topic, organizationId }, PAGE, runId);
  }

  /** What a lane works with that reads ranges of an organization again: no faster than its quota. */
  async function withinQuota(lane: LaneDeps, organizationId: string): Promise<LaneDeps> {
    await quotaRules.refresh();
    const most = (quotaRules.rateOf(organizationId) ?? Number.POSITIVE_INFINITY) * BATCH_SECONDS;
    return {
      ...lane,
      quotas: createPatientQuotaGate({ rules: quotaRules, quotas }),
      options: { ...lane.options, maxRecords: Math.min(lane.options.maxRecords, most) },
    };
  }

  async function flows({ topic, schemaId, organizationId }: ParkedReplayInput): Promise<boolean> {
    if (organizationId !== undefined) return true; // Each of its records passes the gate of its own stream.
    const apart = (await streams.states()).find((stream) => stream.topic === topic && stream.schemaId === schemaId);
    return apart === undefined || mayFlow(apart.state);
  }

  async function replay(
    group: readonly ParkedRange[],
    input: ParkedReplayInput,
    signal: AbortSignal,
  ): Promise<LaneTotals> {
    const [first] = group as [ParkedRange];
    const { topic, partition, sourceId } = first;
    const to = Math.max(...group.map((range) => range.to));
    const { organizationId, schemaId, ...rest } = input;
    const lane = laneDepsFor({ lane: 0, runId: input.runId });
    try {
      const { totals, watermarks } = await runLane(
        organizationId === undefined ? lane : await withinQuota(lane, organizationId),
        {
          ...rest,
          lane: 0,
          partitions: [{ topic, partition }],
          startPosition: 'earliest',
          outOfRange: 'earliest',
          // A position of its own: the first range of a group stays the same when a slice is tried again.
          ranges: {
            scope: `${input.runId}/${first.parkedId}`,
            parts: [{ topic, partition, sourceId, from: first.from, to }],
          },
          ...(organizationId === undefined ? { schemaId } : { only: { organizationId } }),
        },
        { signal, report: () => {} },
      );
      // The position may end before the group does: it keeps the end that it was made with.
      const next = watermarks[0]?.next ?? first.from;
      await streams.settleParked(idsUpTo(group, next), 'replayed');
      return totals;
    } catch (error) {
      if (!(error instanceof LogReplacedError)) {
        throw error;
      }
      observer.incident('parked_lost', { topic, partition, from: first.from, to });
      await streams.settleParked(idsUpTo(group, to), 'discarded');
      return NO_TOTALS;
    }
  }
}

const mayFlow = (state: Stream['state']) => state === 'flowing' || state === 'let_through';

function idsUpTo(group: readonly ParkedRange[], next: number): number[] {
  return group.filter(({ to }) => to <= next).map(({ parkedId }) => parkedId);
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
