import { CancellationScope } from '@temporalio/workflow';
import { addTotals, NO_TOTALS } from './contracts.ts';
import {
  MAX_REPLAY_LANES,
  MAX_REPLAY_RATE,
  type ReplayInput,
  type ReplayPhase,
  type ReplayProgress,
  type ReplaySliceInput,
  type ReplaySliceResult,
  type ReplaySpeed,
  type ReplayState,
} from './replay-contracts.ts';

/** A replay as it stands: which of its parts are done, and which are being read. */
export class ReplayModel {
  readonly input: ReplayInput;
  speed: ReplaySpeed;
  state: ReplayState;
  cancelled = false;
  planned: boolean;
  /** Why it can't go on. */
  failure: unknown = null;
  readonly #slices = new Map<number, CancellationScope>();
  readonly #planning = new CancellationScope();
  #workingSince: number | null = null;

  constructor(input: ReplayInput) {
    this.input = input;
    this.speed = { lanes: input.lanes, ratePerSecond: input.ratePerSecond };
    this.planned = input.state !== undefined;
    this.state = input.state ?? {
      parts: 0,
      next: 0,
      open: [],
      finished: 0,
      paused: false,
      totals: NO_TOTALS,
      workedMs: 0,
    };
  }

  /** @param divide is cancelled with the replay */
  async plan(divide: () => Promise<{ parts: number }>): Promise<void> {
    const { parts } = await this.#planning.run(divide);
    this.state.parts = parts;
    this.planned = true;
  }

  get done(): boolean {
    return this.planned && this.state.finished === this.state.parts;
  }

  get idle(): boolean {
    return this.#slices.size === 0;
  }

  /** Whether its slices shall end and no others begin. */
  get halted(): boolean {
    return this.state.paused || this.cancelled || this.failure !== null;
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
    this.#planning.cancel();
    this.interrupt();
  }

  /** @throws RangeError for a speed that it can't keep */
  checkSpeed({ lanes, ratePerSecond }: ReplaySpeed): void {
    if (!Number.isInteger(lanes) || lanes < 1 || lanes > MAX_REPLAY_LANES) {
      throw new RangeError(`lanes must be a whole number from 1 to ${MAX_REPLAY_LANES}`);
    }
    const isRate = ratePerSecond === null || (Number.isInteger(ratePerSecond) && ratePerSecond >= 1);
    if (!isRate || (ratePerSecond ?? 0) > MAX_REPLAY_RATE) {
      throw new RangeError(`the rate must be a whole number from 1 to ${MAX_REPLAY_RATE}, or null`);
    }
    if (this.cancelled || this.done) {
      throw new Error('the replay has ended');
    }
  }

  /** The slices under way keep what they did, and the next ones have the new speed. */
  setSpeed(speed: ReplaySpeed): void {
    this.speed = speed;
    this.interrupt();
  }

  /** Has the slices under way hand over as soon as their batches are written. */
  interrupt(): void {
    for (const scope of this.#slices.values()) {
      scope.cancel();
    }
  }

  /** No lane can read less than an event a second. */
  get #lanes(): number {
    const { lanes, ratePerSecond } = this.speed;
    return Math.min(lanes, ratePerSecond ?? lanes);
  }

  /** Parts that may be begun now, as many as there are lanes free: those first that were begun before. */
  startable(): number[] {
    const free = this.#lanes - this.#slices.size;
    if (this.halted || free <= 0) {
      return [];
    }
    const { open, next, parts } = this.state;
    const idle = open.filter((part) => !this.#slices.has(part));
    const fresh = Array.from({ length: Math.min(free, parts - next) }, (_, index) => next + index);
    return [...idle, ...fresh].slice(0, free);
  }

  /**
   * Runs a slice of a part that can be interrupted.
   * @param slice must not throw for an interruption: it is then as if it had not finished
   */
  async runSlice(part: number, slice: (input: ReplaySliceInput) => Promise<ReplaySliceResult | null>): Promise<void> {
    const { replayId, consumerGroup } = this.input;
    const { ratePerSecond } = this.speed;
    if (part === this.state.next) {
      this.state.next += 1;
      this.state.open.push(part);
    }
    const left = this.state.parts - this.state.finished;
    const scope = new CancellationScope();
    this.#workingSince ??= Date.now();
    this.#slices.set(part, scope);
    try {
      const share =
        ratePerSecond === null ? null : Math.max(1, Math.floor(ratePerSecond / Math.min(this.#lanes, left)));
      const result = await scope.run(() =>
        slice({ replayId, consumerGroup, part, ratePerSecond: share, sliceMs: SLICE_MS }),
      );
      this.#take(part, result);
    } finally {
      this.#slices.delete(part);
      if (this.idle && this.#workingSince !== null) {
        this.state.workedMs += Date.now() - this.#workingSince;
        this.#workingSince = null;
      }
    }
  }

  #take(part: number, result: ReplaySliceResult | null): void {
    if (result === null) {
      return;
    }
    this.state.totals = addTotals(this.state.totals, result.totals);
    if (result.finished) {
      this.state.open = this.state.open.filter((other) => other !== part);
      this.state.finished += 1;
    }
  }

  phase(): ReplayPhase {
    if (this.done) return 'finished';
    if (this.cancelled) return this.idle ? 'cancelled' : 'cancelling';
    if (!this.planned) return 'planning';
    if (this.state.paused) return this.idle ? 'paused' : 'pausing';
    return 'running';
  }

  progress(): ReplayProgress {
    const { parts, finished, totals, workedMs } = this.state;
    const now = this.#workingSince === null ? 0 : Date.now() - this.#workingSince;
    return { phase: this.phase(), ...this.speed, parts, finished, totals, workedMs: workedMs + now };
  }
}

/** How long one activity reads, in milliseconds. */
export const SLICE_MS = 60_000;
