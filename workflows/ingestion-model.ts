import {
  addTotals,
  type IngestionInput,
  type IngestionPhase,
  type IngestionSettings,
  type IngestionState,
  type IngestionStatus,
  type LaneInput,
  type LaneResult,
  NO_TOTALS,
  type PartitionId,
} from './contracts.ts';
import { deal, overlaps, samePartitions } from './deal.ts';
import type { WantedLanes } from './lanes.ts';

/** What an ingestion knows and decides, without any of Temporal: what the signals mean and which lanes shall read. */
export class Ingestion {
  readonly settings: IngestionSettings;
  readonly state: IngestionState;
  /** Whether the run is known in PostgreSQL, without which no row may carry its id. */
  registered: boolean;
  stopping = false;
  /** Lanes end so that the workflow can continue as new. */
  handingOver = false;
  /** Partitions whose position is being moved: nobody may read them. */
  #held: PartitionId[] = [];

  constructor({ settings, state }: IngestionInput, run: { id: string; startedAt: string }) {
    this.settings = { ...settings };
    this.registered = state !== undefined;
    this.state = state ?? {
      runId: run.id,
      startedAt: run.startedAt,
      paused: false,
      partitions: [],
      assignments: [],
      parked: [],
      totals: NO_TOTALS,
      slices: 0,
      lastError: null,
    };
  }

  pause(): void {
    this.state.paused = true;
  }

  resume(): void {
    this.state.paused = false;
    this.state.parked = [];
    this.state.lastError = null;
  }

  stop(): void {
    this.stopping = true;
  }

  setPartitions(partitions: PartitionId[]): void {
    this.state.partitions = partitions;
    this.#deal();
  }

  setLanes(lanes: number): void {
    this.settings.lanes = lanes;
    this.#deal();
  }

  hold(partition: PartitionId): void {
    this.#held.push(partition);
  }

  /** Ends a hold; a lane that was parked with this partition is tried again. */
  release(partition: PartitionId): void {
    const index = this.#held.findIndex((held) => overlaps([held], [partition]));
    this.#held.splice(index, 1);
    this.state.parked = this.state.parked.filter(({ lane }) => !overlaps(this.#dealtTo(lane), [partition]));
  }

  park(lane: number, reason: string): void {
    this.state.parked.push({ lane, reason });
    this.state.lastError = `lane ${lane}: ${reason}`;
  }

  endSlice(result: LaneResult): void {
    this.state.totals = addTotals(this.state.totals, result.totals);
    this.state.slices += 1;
  }

  wanted(): WantedLanes {
    if (!this.registered || this.state.paused || this.stopping || this.handingOver) {
      return new Map();
    }
    const out = new Set(this.state.parked.map(({ lane }) => lane));
    return new Map(
      [...this.state.assignments.entries()].filter(
        ([lane, partitions]) => partitions.length > 0 && !out.has(lane) && !overlaps(partitions, this.#held),
      ),
    );
  }

  laneInput(lane: number, partitions: readonly PartitionId[]): LaneInput {
    const { consumerGroup, startPosition, outOfRange, sliceMs } = this.settings;
    return {
      runId: this.state.runId,
      lane,
      consumerGroup,
      partitions: [...partitions],
      startPosition,
      outOfRange,
      sliceMs,
    };
  }

  /** @param idle whether no lane runs */
  phase(idle: boolean): IngestionPhase {
    if (this.stopping) {
      return 'stopping';
    }
    if (this.state.paused) {
      return idle ? 'paused' : 'pausing';
    }
    return this.registered ? 'running' : 'starting';
  }

  status(phase: IngestionPhase): IngestionStatus {
    return { phase, settings: this.settings, state: this.state };
  }

  #dealtTo(lane: number): readonly PartitionId[] {
    return this.state.assignments[lane] ?? [];
  }

  #deal(): void {
    const before = this.state.assignments;
    this.state.assignments = deal(this.state.partitions, this.settings.lanes, before);
    this.state.parked = this.state.parked.filter(({ lane }) => samePartitions(before[lane] ?? [], this.#dealtTo(lane)));
  }
}
