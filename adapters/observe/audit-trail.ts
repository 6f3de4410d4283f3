/** What is told of the audit log outside of it, so that a log that was cut back can be told from one that was not. */
import type { TrailObserver } from '../../activities/trail-ports.ts';
import type { Link } from '../../domain/audit-trail.ts';
import type { Logger } from '../../platform/logger.ts';

/** Where the log ends is told so often, as long as it grows, in milliseconds. */
const INTERVAL_MS = 60_000;

export interface LoggedTrail extends TrailObserver {
  /** Tells of the end that was not told yet. */
  close(): void;
}

export function createTrailObserver(logger: Logger): LoggedTrail {
  let latest: Link | null = null;
  let timer: NodeJS.Timeout | undefined;

  function tell(): void {
    timer = undefined;
    if (latest === null) return;
    const { sequence, hash } = latest;
    latest = null;
    // One text, as audit:verify takes it.
    logger.info('the audit log stands', { at: `${sequence}:${hash}` });
  }

  return {
    stands(at) {
      latest = at;
      timer ??= setTimeout(tell, INTERVAL_MS).unref();
    },
    cutBack(seen, found) {
      logger.error('the audit log was cut back or written anew: run audit:verify', {
        seen: `${seen.sequence}:${seen.hash}`,
        found: `${found.sequence}:${found.hash}`,
      });
    },
    close() {
      clearTimeout(timer);
      tell();
    },
  };
}
