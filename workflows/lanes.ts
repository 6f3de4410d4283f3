import { CancellationScope } from '@temporalio/workflow';
import type { PartitionId } from './contracts.ts';
import { overlaps, samePartitions } from './deal.ts';

/** Lane number → what it shall read; lanes that shall not run are absent. */
export type WantedLanes = ReadonlyMap<number, readonly PartitionId[]>;

interface RunningLane {
  partitions: readonly PartitionId[];
  scope: CancellationScope;
}

/**
 * The lanes that run. `settle` brings them closer to what is wanted without ever waiting: a lane that shall read
 * something else is cancelled, and one is started only when nobody else reads any of its partitions any more. Called
 * again whenever a lane has ended, it arrives.
 */
export class Lanes {
  readonly #running = new Map<number, RunningLane>();
  readonly #read: (lane: number, partitions: readonly PartitionId[]) => Promise<void>;

  /** @param read reads until its cancellation scope is cancelled or it gives up; must not throw */
  constructor(read: (lane: number, partitions: readonly PartitionId[]) => Promise<void>) {
    this.#read = read;
  }

  get idle(): boolean {
    return this.#running.size === 0;
  }

  isRunning(lane: number): boolean {
    return this.#running.has(lane);
  }

  isRead(partition: PartitionId): boolean {
    return [...this.#running.values()].some(({ partitions }) => overlaps(partitions, [partition]));
  }

  /** Whether exactly the wanted lanes run. */
  match(wanted: WantedLanes): boolean {
    return (
      this.#running.size === wanted.size &&
      [...this.#running].every(([lane, { partitions }]) => samePartitions(partitions, wanted.get(lane) ?? []))
    );
  }

  /** Whether `settle` has something to do. */
  unsettled(wanted: WantedLanes): boolean {
    return this.#toCancel(wanted).length > 0 || this.#toStart(wanted).length > 0;
  }

  settle(wanted: WantedLanes): void {
    for (const { scope } of this.#toCancel(wanted)) {
      scope.cancel();
    }
    for (const [lane, partitions] of this.#toStart(wanted)) {
      this.#start(lane, partitions);
    }
  }

  #toCancel(wanted: WantedLanes): RunningLane[] {
    return [...this.#running]
      .filter(([lane, { partitions, scope }]) => {
        return !scope.consideredCancelled && !samePartitions(partitions, wanted.get(lane) ?? []);
      })
      .map(([, running]) => running);
  }

  #toStart(wanted: WantedLanes): Array<[lane: number, partitions: readonly PartitionId[]]> {
    return [...wanted].filter(([lane, partitions]) => {
      return (
        !this.#running.has(lane) && ![...this.#running.values()].some((other) => overlaps(other.partitions, partitions))
      );
    });
  }

  #start(lane: number, partitions: readonly PartitionId[]): void {
    const scope = new CancellationScope();
    this.#running.set(lane, { partitions, scope });
    void scope.run(() => this.#read(lane, partitions)).finally(() => this.#running.delete(lane));
  }
}
