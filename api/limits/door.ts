/**
 * Who may knock how often. Everything that is decided here without asking anyone is decided from memory, so that a
 * flood costs next to nothing; docs/RATE-LIMITS.md says what is limited and why.
 */
import type { Limiter, Limiters, Taken } from './limiter.ts';
import { createRecent } from './recent.ts';

export type RefusalReason = 'address' | 'authentication' | 'identity' | 'open';

export interface Refusal {
  reason: RefusalReason;
  /** Per minute, that there were more than. */
  quota: number;
  retryAfterMs: number;
}

export interface Caller {
  network: string;
  /** A hash of what the request proves an identity with; null without. */
  credential: string | null;
  /** Whether the path takes no identity. */
  open: boolean;
}

/**
 * How a request may go on: `known` has proved its identity lately, `counted` is to be counted against its address,
 * and `trial` is from an address that must wait, and may show that it is not who the address waits for.
 */
export type Pass = 'known' | 'counted' | 'trial';

export interface LimitSettings {
  /** Per minute; 0 for no limit. */
  identity: number;
  address: number;
  failed: number;
}

export interface Door {
  /** From memory alone. */
  judge(caller: Caller): Pass | Refusal;
  /** Counts a request against its address; null without a limit. */
  countAddress(caller: Caller): Promise<{ taken: Taken; limiter: Limiter } | null>;
  /** To be told of each answer 401. */
  failed(caller: Caller, pass: Pass): Promise<void>;
  /** Counts a request of an identity that was proved; null without a limit. */
  countIdentity(caller: Caller, identity: string): Promise<{ taken: Taken; limiter: Limiter } | null>;
}

/** How long an identity is known after it was proved, and a failure remembered, by a hash of what was shown. */
const KNOWN_MS = 600_000;
const FAILED_MS = 60_000;
/** How often one of an address that must wait may try: bounds what checking signatures can cost. */
const TRIAL_MS = 1_000;

/** @param now milliseconds on a clock that never goes back */
export function createDoor(limiters: Limiters, settings: LimitSettings, now = () => performance.now()): Door {
  const limiterOf = (name: string, perMinute: number) => (perMinute === 0 ? null : limiters.shared(name, perMinute));
  const byIdentity = limiterOf('identity', settings.identity);
  const byAddress = limiterOf('address', settings.address);
  const byFailures = limiterOf('failed', settings.failed);
  // Of this process alone: whether it lives must be told without Redis.
  const open = settings.address === 0 ? null : limiters.local(settings.address);

  const waiting = createRecent<{ reason: RefusalReason; until: number; trialAt: number }>();
  const known = createRecent<{ until: number; refusedUntil: number }>();
  const refuted = createRecent<number>();

  const quotas = {
    identity: settings.identity,
    address: settings.address,
    open: settings.address,
    authentication: settings.failed,
  } as const satisfies Record<RefusalReason, number>;
  const refusal = (reason: RefusalReason, retryAfterMs: number): Refusal => ({
    reason,
    quota: quotas[reason],
    retryAfterMs,
  });

  const placeOf = ({ network, open: isOpen }: Caller) => `${isOpen ? 'open' : 'api'} ${network}`;

  function keepWaiting(caller: Caller, reason: RefusalReason, { resetMs }: Taken): void {
    const place = placeOf(caller);
    // Requests that were under way when the wait began must not give it more trials.
    const trialAt = waiting.get(place)?.trialAt ?? 0;
    waiting.set(place, { reason, until: now() + resetMs, trialAt });
  }

  function judge(caller: Caller): Pass | Refusal {
    const at = now();
    const { credential } = caller;
    if (credential !== null && !caller.open) {
      const identity = known.get(credential);
      if (identity !== undefined && identity.until > at) {
        const left = identity.refusedUntil - at;
        return left > 0 ? refusal('identity', left) : 'known';
      }
    }
    const wait = waiting.get(placeOf(caller));
    if (wait === undefined || wait.until <= at) return 'counted';
    const mayTry = !caller.open && credential !== null && at >= wait.trialAt && (refuted.get(credential) ?? 0) <= at;
    if (!mayTry) return refusal(wait.reason, wait.until - at);
    wait.trialAt = at + TRIAL_MS;
    return 'trial';
  }

  return {
    judge,
    async countAddress(caller) {
      const limiter = caller.open ? open : byAddress;
      if (limiter === null) return null;
      const taken = await limiter.take(caller.network);
      if (!taken.allowed) keepWaiting(caller, caller.open ? 'open' : 'address', taken);
      return { taken, limiter };
    },
    async failed(caller, pass) {
      if (caller.credential !== null) {
        known.delete(caller.credential);
        refuted.set(caller.credential, now() + FAILED_MS);
      }
      if (byFailures === null || pass === 'trial') return;
      const taken = await byFailures.take(caller.network);
      if (!taken.allowed) keepWaiting(caller, 'authentication', taken);
    },
    async countIdentity({ credential }, identity) {
      const taken = (await byIdentity?.take(identity)) ?? null;
      if (credential !== null) {
        refuted.delete(credential);
        const refusedUntil = taken === null || taken.allowed ? 0 : now() + taken.resetMs;
        known.set(credential, { until: now() + KNOWN_MS, refusedUntil });
      }
      return taken === null || byIdentity === null ? null : { taken, limiter: byIdentity };
    },
  };
}
