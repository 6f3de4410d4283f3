/** The limits as requests meet them, on both sides of authentication. */
import type { IncomingMessage } from 'node:http';
import type { Context, MiddlewareHandler } from 'hono';
import type { ApiEnv } from '../env.ts';
import { problem } from '../errors.ts';
import type { NetworkOf } from './client-address.ts';
import { credentialOf } from './credential.ts';
import type { Caller, Door, Pass, Refusal } from './door.ts';
import { isOpen } from './open-paths.ts';
import { detailOf, type Refusals, rateLimitHeaders, refusalHeaders } from './refusals.ts';

export interface LimitDeps {
  door: Door;
  networkOf: NetworkOf;
  refusals: Refusals;
  /** What was decided of a request before it came here, taken for one with such a path. */
  passOf(incoming: IncomingMessage, open: boolean): Pass | undefined;
}

export interface Limits {
  /** Before anything else is done for a request. */
  before: MiddlewareHandler<ApiEnv>;
  /** Once it is known who asks. */
  after: MiddlewareHandler<ApiEnv>;
}

const UNAUTHORIZED = 401;

export function createLimits({ door, networkOf, refusals, passOf }: LimitDeps): Limits {
  function callerOf(c: Context<ApiEnv>): Caller {
    const { incoming } = c.env;
    return {
      network: networkOf(incoming),
      credential: credentialOf(incoming.headers.authorization),
      open: isOpen(c.req.path),
    };
  }

  function refuse(c: Context<ApiEnv>, refusal: Refusal): Response {
    refusals.count(refusal.reason);
    return problem(c, 'rate-limited', detailOf(refusal), { headers: refusalHeaders(refusal) });
  }

  return {
    async before(c, next) {
      const caller = callerOf(c);
      let verdict = passOf(c.env.incoming, caller.open) ?? door.judge(caller);
      if (verdict === 'counted') {
        const counted = await door.countAddress(caller);
        if (counted !== null) {
          setHeaders(c, rateLimitHeaders('address', counted.limiter.quota, counted.taken));
          if (!counted.taken.allowed) verdict = door.judge(caller);
        }
      }
      if (typeof verdict === 'object') return refuse(c, verdict);
      await next();
      if (c.res.status === UNAUTHORIZED) await door.failed(caller, verdict);
    },
    async after(c, next) {
      const { kind, name } = c.get('principal');
      // Whoever may choose a name is counted by the address.
      if (kind === 'anonymous') return next();
      const counted = await door.countIdentity(callerOf(c), `${kind} ${name}`);
      if (counted === null) return next();
      const { taken, limiter } = counted;
      const { quota } = limiter;
      if (!taken.allowed) return refuse(c, { reason: 'identity', quota, retryAfterMs: taken.resetMs });
      setHeaders(c, rateLimitHeaders('identity', quota, taken));
      return next();
    },
  };
}

function setHeaders(c: Context<ApiEnv>, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
}
