/** Whether the servers we need can be reached, each within its own time limit and side by side. */
import type { Logger } from './logger.ts';
import { explainRefusal, suspectRefusal } from './tls-explain.ts';
import { within } from './within.ts';

export interface HealthCheck {
  /** Whether the service can't do its work without it; of the others, a failure only degrades. */
  needed: boolean;
  /** Resolves when the server answers. The signal aborts when the time is up. */
  check(signal: AbortSignal): Promise<unknown>;
}

export interface CheckResult {
  status: 'up' | 'down';
  needed: boolean;
  /** Rounded to whole milliseconds. */
  latencyMs: number;
  /** Why it is down, without addresses or data. */
  error?: string;
}

export interface HealthReport {
  /** `degraded`: everything needed is up, something else is not. */
  status: 'ok' | 'degraded' | 'down';
  checks: Record<string, CheckResult>;
}

export interface Health {
  /** Never rejects. Callers at the same time share one round of checks, so that probes can't load the servers. */
  report(): Promise<HealthReport>;
}

const TIMEOUT_MS = 2_000;

/**
 * Each change of a server between up and down is one log line, there with the whole error; another one follows when it
 * turns out that it does not let us in.
 */
export function createHealth(
  checks: Readonly<Record<string, HealthCheck>>,
  options: { logger?: Logger; timeoutMs?: number } = {},
): Health {
  const { logger, timeoutMs = TIMEOUT_MS } = options;
  /** Advice on those that are down; null where there is none. */
  const down = new Map<string, string | null>();
  let underWay: Promise<HealthReport> | null = null;

  function noteChange(server: string, error: unknown): void {
    if (error === null) {
      if (down.delete(server)) logger?.info('server answers again', { server });
      return;
    }
    const reason = adviceOn(server, error);
    if (!down.has(server) || (reason !== null && reason !== down.get(server))) {
      down.set(server, reason);
      logger?.warn('server does not answer', { server, ...(reason !== null && { reason }), error });
    }
  }

  return {
    report() {
      underWay ??= runAll(checks, timeoutMs, noteChange).finally(() => {
        underWay = null;
      });
      return underWay;
    },
  };
}

async function runAll(
  checks: Readonly<Record<string, HealthCheck>>,
  timeoutMs: number,
  noteOutcome: (name: string, error: unknown) => void,
): Promise<HealthReport> {
  const results = await Promise.all(
    Object.entries(checks).map(
      async ([name, check]) =>
        [name, await runOne(name, check, timeoutMs, (error) => noteOutcome(name, error))] as const,
    ),
  );
  const down = results.map(([, result]) => result).filter((result) => result.status === 'down');
  const status = down.some((result) => result.needed) ? 'down' : down.length > 0 ? 'degraded' : 'ok';
  return { status, checks: Object.fromEntries(results) };
}

async function runOne(
  server: string,
  { check, needed }: HealthCheck,
  timeoutMs: number,
  noteOutcome: (error: unknown) => void,
): Promise<CheckResult> {
  const started = performance.now();
  const latencyMs = () => Math.round(performance.now() - started);
  const abort = new AbortController();
  try {
    await within(timeoutMs, check(abort.signal), () => {
      abort.abort(new CheckTimeout(`no answer within ${timeoutMs} ms`));
      throw abort.signal.reason;
    });
    noteOutcome(null);
    return { status: 'up', needed, latencyMs: latencyMs() };
  } catch (error) {
    noteOutcome(error);
    return {
      status: 'down',
      needed,
      latencyMs: latencyMs(),
      error: adviceOn(server, error) ?? safeReason(error),
    };
  }
}

const adviceOn = (server: string, error: unknown): string | null =>
  explainRefusal(server, error) ?? suspectRefusal(server, error);

class CheckTimeout extends Error {
  override readonly name = 'CheckTimeout';
}

/** Messages of client libraries hold addresses, user names and worse, so only codes that we can explain are told. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'host unreachable',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name not found for now',
  '28P01': 'wrong user or password',
  '28000': 'user not allowed',
  '3D000': 'database does not exist',
  '57P03': 'starting up or shutting down',
  '53300': 'too many connections',
};

function safeReason(error: unknown): string {
  if (error instanceof CheckTimeout) return error.message;
  const code = codeOf(error);
  if (code !== null) return `${REASONS[code] ?? 'failed'} (${code})`;
  return `failed (${error instanceof Error ? error.name : 'unknown error'})`;
}

/** Clients wrap the error of the socket; the first code on the way down is the one that says something. */
function codeOf(error: unknown): string | null {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if ('code' in at && typeof at.code === 'string' && /^[A-Z0-9_]{3,40}$/u.test(at.code)) return at.code;
  }
  return null;
}
