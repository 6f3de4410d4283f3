/**
 * What the API needs of running replays. `adapters/temporal/replay-control.ts` implements it; nothing here knows
 * Temporal. What a replay means, and how it went, PostgreSQL says.
 */
import type { ReplayInput, ReplayProgress, ReplaySpeed } from './replay-contracts.ts';

/** All methods throw ControlUnavailableError when Temporal can't be reached. */
export interface ReplayControlPort {
  /**
   * Lets a replay begin, or go on after a pause; starts it where there is none.
   * @param organizationId the one that it is limited to, by which Temporal finds it; null without a limit
   */
  run(replay: Omit<ReplayInput, 'state'>, organizationId: string | null): Promise<void>;
  /** Batches under way are written, then nothing is read. @throws ReplayNotRunningError */
  pause(replayId: string): Promise<void>;
  /** Ends it; what it did stays done. @throws ReplayNotRunningError */
  cancel(replayId: string): Promise<void>;
  /** Takes effect at once. @throws ReplayNotRunningError, ControlRefusedError */
  setSpeed(replayId: string, speed: ReplaySpeed): Promise<void>;
  /** null when Temporal knows of none (any more) or no worker answers. */
  progress(replayId: string): Promise<ReplayProgress | null>;
}

/** No workflow runs for the replay. */
export class ReplayNotRunningError extends Error {
  override readonly name = 'ReplayNotRunningError';
  constructor(replayId: string) {
    super(`replay ${replayId} is not running`);
  }
}
