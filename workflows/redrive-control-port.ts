/**
 * What the API needs of running redrives. `adapters/temporal/redrive-control.ts` implements it; nothing here knows
 * Temporal. What a redrive means, and whether it may run, PostgreSQL says.
 */
import type { RedriveInput, RedriveProgress } from './contracts.ts';

/** All methods throw ControlUnavailableError when Temporal can't be reached. */
export interface RedriveControlPort {
  /**
   * Makes a redrive ready, which begins when `run` is called.
   * @param organizationId the one that it is limited to, by which Temporal finds it; null without a limit
   */
  hold(redrive: Omit<RedriveInput, 'state'>, organizationId: string | null): Promise<void>;
  /**
   * Lets a redrive that is held or paused go on, with the rate that it has; starts it where there is none.
   * @param organizationId as `hold` has it
   */
  run(redrive: Omit<RedriveInput, 'state'>, organizationId: string | null): Promise<void>;
  /** Pages under way are finished, then nothing is tried. @throws RedriveNotRunningError */
  pause(redriveId: string): Promise<void>;
  /** Ends it; what it did stays done. @throws RedriveNotRunningError */
  cancel(redriveId: string): Promise<void>;
  /** Takes effect at once. @throws RedriveNotRunningError, ControlRefusedError */
  setRate(redriveId: string, ratePerSecond: number): Promise<void>;
  /** null when Temporal knows of none (any more) or no worker answers. */
  progress(redriveId: string): Promise<RedriveProgress | null>;
  /** @returns whether it has ended within the time */
  ended(redriveId: string, waitMs: number): Promise<boolean>;
}

/** No workflow runs for the redrive. */
export class RedriveNotRunningError extends Error {
  override readonly name = 'RedriveNotRunningError';
  constructor(redriveId: string) {
    super(`redrive ${redriveId} is not running`);
  }
}
