import { ApplicationFailure, activityInfo, CancelledFailure, Context } from '@temporalio/activity';
import type { Activities } from '../../activities/index.ts';
import { NO_TOTALS } from '../../workflows/contracts.ts';
import type { ReplayMoveInput, ReplaySliceInput, ReplaySliceResult } from '../../workflows/replay-contracts.ts';

/** A slice that is under way until a test ends it, or until it is cancelled. */
class FakeSlice {
  readonly input: ReplaySliceInput;
  readonly attempt: number;
  readonly result = Promise.withResolvers<ReplaySliceResult>();
  ended = false;
  constructor(input: ReplaySliceInput, attempt: number) {
    this.input = input;
    this.attempt = attempt;
  }

  /** Hands over after so many more events. */
  end(stored: number, finished: boolean): void {
    this.ended = true;
    this.result.resolve({ finished, totals: { ...NO_TOTALS, stored } });
  }

  fail(error: Error): void {
    this.ended = true;
    this.result.reject(error);
  }
}

/** The activities of replays over parts that are numbers alone. A cancelled slice hands over after one event. */
export class FakeReplay {
  readonly slices: FakeSlice[] = [];
  readonly moves: Array<Omit<ReplayMoveInput, 'replayId'>> = [];
  /** What a cancelled slice waits for before it hands over. */
  handOver: () => Promise<void> = async () => {};
  /** What planning comes to; a test may hold it back or let it fail. */
  plan: () => Promise<{ parts: number }>;

  constructor(parts: number) {
    this.plan = async () => ({ parts });
  }

  get working(): FakeSlice[] {
    return this.slices.filter(({ ended }) => !ended);
  }

  /** Parts that are being read, in the order in which they were begun. */
  get reading(): number[] {
    return this.working.map(({ input }) => input.part);
  }

  of(part: number): FakeSlice {
    const slice = this.working.find(({ input }) => input.part === part);
    if (slice === undefined) throw new Error(`part ${part} is not being read`);
    return slice;
  }

  readonly activities: Pick<Activities, 'planReplay' | 'replaySlice' | 'moveReplay'> = {
    planReplay: () => beating(Promise.race([this.plan(), Context.current().cancelled])),
    replaySlice: (input) => {
      const slice = new FakeSlice(input, activityInfo().attempt);
      this.slices.push(slice);
      Context.current().cancelled.catch((error: unknown) => {
        if (!(error instanceof CancelledFailure)) return;
        void this.handOver().then(() => {
          if (!slice.ended) slice.end(1, false);
        });
      });
      return beating(slice.result.promise);
    },
    moveReplay: async ({ replayId: _, ...move }) => {
      this.moves.push(move);
    },
  };
}

/** A cancellation reaches an activity with the answer to a heartbeat. */
async function beating<T>(work: Promise<T>): Promise<T> {
  const { heartbeat } = Context.current();
  const timer = setInterval(heartbeat, 50);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

export const unmendable = (type: string) => ApplicationFailure.nonRetryable(`it is ${type}`, type);
