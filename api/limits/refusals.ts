/** What is said of requests that limits refuse: in figures, in the log now and then, and to whoever asks. */
import type { Logger } from '../../platform/logger.ts';
import type { Metrics } from '../../platform/metrics.ts';
import type { Refusal, RefusalReason } from './door.ts';
import { type Taken, WINDOW_SECONDS } from './limiter.ts';

type Reason = RefusalReason | 'connections';

export interface Refusals {
  count(reason: Reason): void;
  close(): void;
}

const REASONS: readonly Reason[] = ['address', 'authentication', 'identity', 'open', 'connections'];
const SUMMARY_MS = 60_000;

/** Counts them. A line for each would be a second flood: a minute after the first, one line says how many there were. */
export function createRefusals(metrics: Metrics, logger: Logger): Refusals {
  const counters = new Map(REASONS.map((reason) => [reason, metrics.httpRefused.labels(reason)]));
  const since = new Map<Reason, number>();
  let timer: NodeJS.Timeout | null = null;

  function summarize(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (since.size > 0) logger.warn('requests were refused by limits', { refused: Object.fromEntries(since) });
    since.clear();
  }

  return {
    count(reason) {
      counters.get(reason)?.inc();
      since.set(reason, (since.get(reason) ?? 0) + 1);
      timer ??= setTimeout(summarize, SUMMARY_MS).unref();
    },
    close: summarize,
  };
}

const DETAILS: Readonly<Record<RefusalReason, string>> = {
  address: 'Your address has sent too many requests.',
  open: 'Your address has sent too many requests.',
  authentication: 'Too many requests from your address came without an identity that could be proved.',
  identity: 'Your identity has sent too many requests.',
};

export function detailOf({ reason, retryAfterMs }: Refusal): string {
  return `${DETAILS[reason]} Try again in ${seconds(retryAfterMs)} s.`;
}

/** Of an answer 429. */
export function refusalHeaders({ reason, quota, retryAfterMs }: Refusal) {
  const taken = { remaining: 0, resetMs: retryAfterMs };
  return { 'retry-after': String(seconds(retryAfterMs)), ...rateLimitHeaders(reason, quota, taken) };
}

/** The fields RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers), for the limit that a request met. */
export function rateLimitHeaders(name: string, quota: number, { remaining, resetMs }: Omit<Taken, 'allowed'>) {
  return {
    'ratelimit-policy': `"${name}";q=${quota};w=${WINDOW_SECONDS}`,
    ratelimit: `"${name}";r=${remaining};t=${seconds(resetMs)}`,
  };
}

const seconds = (ms: number) => Math.max(1, Math.ceil(ms / 1_000));
