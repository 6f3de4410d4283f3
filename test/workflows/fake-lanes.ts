import { ApplicationFailure } from '@temporalio/activity';
import { heartbeating } from '../../activities/heartbeating.ts';
import type { Activities } from '../../activities/index.ts';
import {
  type LaneInput,
  type LaneProgress,
  type LaneResult,
  NO_TOTALS,
  type PartitionId,
  type SeekInput,
} from '../../workflows/contracts.ts';
import { describePartitions } from '../../workflows/deal.ts';

/** What the ingestion workflow has done for it. */
type IngestionActivities = Pick<
  Activities,
  'startRun' | 'finishRun' | 'seekPosition' | 'mirrorPositions' | 'watchPartitions' | 'lane'
>;

export function leads(...partitions: number[]): PartitionId[] {
  return partitions.map((partition) => ({ topic: 'crm.leads', partition }));
}

/** A lane activity that runs now, as a test sees and directs it. */
export interface FakeSlice {
  input: LaneInput;
  /** Partitions as `crm.leads[0,1]`. */
  reads: string;
  endSlice(stored: number): void;
  fail(error: Error): void;
}

/** Stands in for Kafka and PostgreSQL under the real workflow: activities whose outcome a test decides. */
export class FakeLanes {
  /** All slices that were ever started, as `lane 0: crm.leads[0,1]`. */
  readonly started: string[] = [];
  readonly running = new Set<FakeSlice>();
  readonly calls: string[] = [];
  /** Partitions that two lanes read at the same time: never any. */
  readonly readTwice: string[] = [];
  readonly seeks: Array<SeekInput & { readBy: number }> = [];
  /** What each slice counts when it is cancelled. */
  storedWhenCancelled = 1;
  /** Ends each slice as soon as it begins, with one event stored, while true. */
  quick = false;
  /** Lanes that fail as soon as they begin. */
  readonly failing = new Map<number, Error>();
  /** What each running lane heartbeats that it has stored. */
  progress = 0;
  /** Set to make cancelled lanes wait before they hand over. */
  handover: Promise<void> | null = null;
  startRunFailure: Error | null = null;
  mirrorFailure: Error | null = null;
  #partitions: PartitionId[];
  #watchers = new Set<() => void>();

  constructor(partitions: PartitionId[]) {
    this.#partitions = partitions;
  }

  setPartitions(partitions: PartitionId[]): void {
    this.#partitions = partitions;
    for (const look of this.#watchers) look();
  }

  /** What is read now, in order of lanes, as `lane 0: crm.leads[0,1]`. */
  get reading(): string[] {
    return [...this.running].map(describe).sort();
  }

  lane(number: number): FakeSlice {
    const slice = [...this.running].find(({ input }) => input.lane === number);
    if (slice === undefined) throw new Error(`lane ${number} does not run`);
    return slice;
  }

  readonly activities: IngestionActivities = {
    startRun: async () => {
      this.calls.push('startRun');
      if (this.startRunFailure) throw this.startRunFailure;
    },
    finishRun: async () => {
      this.calls.push('finishRun');
    },
    seekPosition: async (input) => {
      const { topic, partition, to } = input.request;
      const readBy = [...this.running].filter((slice) => isRead(slice, input.request)).length;
      this.seeks.push({ ...input, readBy });
      if (to === 13) throw ApplicationFailure.nonRetryable('crm.leads[0] has the offsets 20 to 90: 13 is none of them');
      return { topic, partition, from: 7, to: typeof to === 'number' ? to : 0 };
    },
    mirrorPositions: async () => {
      this.calls.push('mirrorPositions');
      if (this.mirrorFailure) throw this.mirrorFailure;
      await heartbeating((signal) => aborted(signal));
    },
    watchPartitions: async ({ known }) =>
      await heartbeating(async (signal) => {
        while (this.#partitions.length === known.length && !signal.aborted) {
          await Promise.race([this.#change(), aborted(signal)]);
        }
        return this.#partitions;
      }),
    lane: async (input) =>
      await heartbeating(
        (signal) => this.#read(input, signal),
        () => progressOf(input, this.progress),
      ),
  };

  async #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#watchers.add(resolve);
    await promise;
    this.#watchers.delete(resolve);
  }

  async #read(input: LaneInput, signal: AbortSignal): Promise<LaneResult> {
    const ended = Promise.withResolvers<LaneResult>();
    const slice: FakeSlice = {
      input,
      reads: describePartitions(input.partitions),
      endSlice: (stored) => ended.resolve(resultOf(input, 'slice-ended', stored)),
      fail: (error) => ended.reject(error),
    };
    for (const partition of input.partitions) {
      if ([...this.running].some((other) => isRead(other, partition))) {
        this.readTwice.push(describePartitions([partition]));
      }
    }
    this.running.add(slice);
    this.started.push(describe(slice));
    if (this.quick) slice.endSlice(1);
    const failure = this.failing.get(input.lane);
    if (failure) slice.fail(failure);
    const handedOver = aborted(signal).then(async () => {
      await this.handover;
      return resultOf(input, 'cancelled', this.storedWhenCancelled);
    });
    try {
      return await Promise.race([ended.promise, handedOver]);
    } finally {
      this.running.delete(slice);
    }
  }
}

function describe({ input, reads }: FakeSlice): string {
  return `lane ${input.lane}: ${reads}`;
}

function isRead({ input }: FakeSlice, { topic, partition }: PartitionId): boolean {
  return input.partitions.some((other) => other.topic === topic && other.partition === partition);
}

function resultOf({ partitions }: LaneInput, reason: LaneResult['reason'], stored: number): LaneResult {
  return { reason, totals: { ...NO_TOTALS, stored }, watermarks: partitions.map((at) => ({ ...at, next: 0 })) };
}

function progressOf({ lane, partitions }: LaneInput, stored: number): LaneProgress {
  const watermarks = partitions.map((at) => ({ ...at, next: stored, end: stored }));
  return { lane, worker: 'fake', totals: { ...NO_TOTALS, stored }, watermarks, trouble: null };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
