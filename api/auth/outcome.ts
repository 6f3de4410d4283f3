import type { Principal } from '../principal.ts';

/** What became of what somebody showed. */
export type Outcome =
  | { ok: true; principal: Principal }
  /** `expired` is told to whoever shows it, `why` is for the log alone: it would help to forge the next one. */
  | { ok: false; expired: boolean; why: string };

export function refused(why: string): Outcome {
  return { ok: false, expired: false, why };
}

/** It was genuine, but is no longer. */
export const EXPIRED: Outcome = { ok: false, expired: true, why: 'expired' };
