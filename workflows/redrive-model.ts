import { CancellationScope } from '@temporalio/workflow';
import { addCounts } from '../domain/counts.ts';
import {
  NO_REDRIVE_COUNTS,
  type RedriveInput,
  type RedrivePhase,
  type RedriveProgress,
  type RedriveSliceInput,
  type RedriveSliceResult,
  type RedriveState,
} from './contracts.ts';

/** More would say "as fast as possible" in another way. */
export const MAX_REDRIVE_RATE = 100_000;

/** A redrive as it stands: what was asked of it and how far it is. */
export class RedriveModel {
  readonly redriveId: string;
  ratePerSecond: number;
  state: RedriveState;
  cancelled = false;
  done = false;
  #slice: { scope: CancellationScope; since: number } | null = null;

  constructor({ redriveId, ratePerSecond, state }: RedriveInput) {
    this.redriveId = redriveId;
    this.ratePerSecond = ratePerSecond;
    this.state = state ?? { after: 0, counts: NO_REDRIVE_COUNTS, paused: false, workedMs: 0 };
  }

  pause(): void {
    this.state.paused = true;
    this.interrupt();
  }

  resume(): void {
    this.state.paused = false;
  }

  cancel(): void {
    this.cancelled = true;
    this.interrupt();
  }

  /** @throws RangeError for a rate that it can't keep */
  checkRate(ratePerSecond: number): void {
    if (!Number.isInteger(ratePerSecond) || ratePerSecond < 1 || ratePerSecond > MAX_REDRIVE_RATE) {
      throw new RangeError(`the rate must be a whole number from 1 to ${MAX_REDRIVE_RATE}`);
    }
    if (this.cancelled || this.done) {
      throw new Error('the redrive has ended');
    }
  }

  /** The slice under way keeps what it did, and the next one has the new rate. */
  setRate(ratePerSecond: number): void {
    this.ratePerSecond = ratePerSecond;
    this.interrupt();
  }

  /** Has the slice under way hand over as soon as its pages are written. */
  interrupt(): void {
    this.#slice?.scope.cancel();
  }

  /** Runs a slice that can be interrupted. A slice that never began changes nothing. @throws what `slice` throws */
  async runSlice(slice: () => Promise<RedriveSliceResult>): Promise<void> {
    const scope = new CancellationScope();
    const since = Date.now();
    this.#slice = { scope, since };
    try {
      const { after, counts, done } = await scope.run(slice);
      this.state.after = after;
      this.state.counts = addCounts(this.state.counts, counts);
      this.done = done;
    } finally {
      this.#slice = null;
      this.state.workedMs += Date.now() - since;
    }
  }

  sliceInput(sliceMs: number): RedriveSliceInput {
    const { redriveId, ratePerSecond, state } = this;
    return { redriveId, after: state.after, ratePerSecond, sliceMs };
  }

  phase(): RedrivePhase {
    const working = this.#slice !== null;
    if (this.done) return 'finished';
    if (this.cancelled) return working ? 'cancelling' : 'cancelled';
    if (this.state.paused) return working ? 'pausing' : 'paused';
    return 'running';
  }

  progress(): RedriveProgress {
    const { counts, workedMs } = this.state;
    const now = this.#slice === null ? 0 : Date.now() - this.#slice.since;
    return { phase: this.phase(), ratePerSecond: this.ratePerSecond, counts, workedMs: workedMs + now };
  }
}
