import { activityInfo, CancelledFailure, Context } from '@temporalio/activity';
import type { Activities } from '../../activities/index.ts';
import {
  NO_REDRIVE_COUNTS,
  type RedriveMoveInput,
  type RedriveSliceInput,
  type RedriveSliceResult,
} from '../../workflows/contracts.ts';

/** A slice that is under way until a test ends it, or until it is cancelled. */
class FakeSlice {
  readonly input: RedriveSliceInput;
  readonly attempt: number;
  readonly result = Promise.withResolvers<RedriveSliceResult>();
  ended = false;
  constructor(input: RedriveSliceInput, attempt: number) {
    this.input = input;
    this.attempt = attempt;
  }

  /** Hands over after so many more events. */
  end(events: number, done = false): void {
    this.ended = true;
    this.result.resolve({
      after: this.input.after + events,
      counts: { ...NO_REDRIVE_COUNTS, processed: events },
      done,
    });
  }

  fail(error: Error): void {
    this.ended = true;
    this.result.reject(error);
  }
}

/** The activities of redrives, whose events are numbers alone. A cancelled slice hands over after one event. */
export class FakeRedrive {
  readonly slices: FakeSlice[] = [];
  readonly moves: Array<RedriveMoveInput['to']> = [];
  readonly discards: number[] = [];

  get working(): FakeSlice[] {
    return this.slices.filter(({ ended }) => !ended);
  }

  get latest(): FakeSlice {
    const slice = this.slices.at(-1);
    if (slice === undefined) throw new Error('no slice has begun');
    return slice;
  }

  readonly activities: Pick<Activities, 'redriveSlice' | 'discardSlice' | 'moveRedrive'> = {
    redriveSlice: (input) => this.#slice(input),
    discardSlice: (input) => {
      this.discards.push(input.after);
      return this.#slice(input);
    },
    moveRedrive: async ({ to }) => {
      this.moves.push(to);
    },
  };

  async #slice(input: RedriveSliceInput): Promise<RedriveSliceResult> {
    const slice = new FakeSlice(input, activityInfo().attempt);
    this.slices.push(slice);
    const { cancelled, heartbeat } = Context.current();
    const timer = setInterval(heartbeat, 50);
    cancelled.catch((error: unknown) => {
      if (error instanceof CancelledFailure && !slice.ended) slice.end(1);
    });
    try {
      return await slice.result.promise;
    } finally {
      clearInterval(timer);
    }
  }
}
