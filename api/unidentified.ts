/**
 * Requests that were refused before anybody was known for them. There may be very many, so that they are counted: one
 * entry of the audit log for an address, status and minute.
 */
import { randomUUID } from 'node:crypto';
import type { AuditTrail } from '../activities/trail-ports.ts';
import { outcomeOf } from '../domain/audit-trail.ts';
import type { Logger } from '../platform/logger.ts';

export interface Refused {
  status: number;
  problem: string | null;
  clientAddress: string | null;
}

export interface Unidentified {
  count(refused: Refused): void;
  /** Writes what was counted; each minute by itself. What PostgreSQL does not take waits for the next time. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const INTERVAL_MS = 60_000;

/** Most entries for one minute. What comes from more addresses is counted as from none. */
const MOST = 1_000;

export function createUnidentified(trail: AuditTrail, logger: Logger): Unidentified {
  const counted = new Map<string, Refused & { occurrences: number; since: number }>();

  function add(refused: Refused, occurrences: number, since: number): void {
    const full = !counted.has(keyOf(refused)) && counted.size >= MOST;
    const counts = full ? { ...refused, clientAddress: null } : refused;
    const known = counted.get(keyOf(counts));
    counted.set(keyOf(counts), {
      ...counts,
      occurrences: (known?.occurrences ?? 0) + occurrences,
      since: Math.min(known?.since ?? since, since),
    });
  }

  async function flush(): Promise<void> {
    const all = [...counted.values()];
    counted.clear();
    const written = await Promise.allSettled(
      all.map(({ since, ...refused }) =>
        trail.append({
          ...NOBODY,
          ...refused,
          outcome: outcomeOf(refused.status),
          actionId: randomUUID(),
          subject: { since: new Date(since).toISOString() },
        }),
      ),
    );
    let waiting = 0;
    for (const [index, { status }] of written.entries()) {
      const kept = all[index];
      if (status === 'fulfilled' || kept === undefined) continue;
      add(kept, kept.occurrences, kept.since);
      waiting += 1;
    }
    if (waiting > 0) logger.warn('refused requests are not in the audit log yet', { entries: waiting });
  }

  const timer = setInterval(() => void flush(), INTERVAL_MS);
  timer.unref();
  return {
    count: (refused) => add(refused, 1, Date.now()),
    flush,
    close() {
      clearInterval(timer);
      return flush();
    },
  };
}

const NOBODY = {
  kind: 'unidentified',
  principal: null,
  principalKind: null,
  permission: null,
  method: null,
  route: null,
  organizations: null,
  requestId: null,
} as const;

function keyOf({ status, problem, clientAddress }: Refused): string {
  return `${status} ${problem} ${clientAddress}`;
}
