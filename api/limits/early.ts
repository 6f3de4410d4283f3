/** Refuses what must be refused before the request enters the application: a flood of it costs a few microseconds each. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { problemOf } from '../errors.ts';
import type { NetworkOf } from './client-address.ts';
import { EXPOSED } from './cors.ts';
import { credentialOf } from './credential.ts';
import type { Door, Pass, Refusal } from './door.ts';
import type { HoldBack } from './hold-back.ts';
import { isOpen } from './open-paths.ts';
import { detailOf, type Refusals, refusalHeaders } from './refusals.ts';

export interface EarlyDeps {
  door: Door;
  networkOf: NetworkOf;
  refusals: Refusals;
  /** null answers always at once: a proxy's connections are needed for others. */
  holdBack: HoldBack | null;
  /** Of pages that must be able to read the answer. */
  corsOrigins: readonly string[];
}

export interface Early {
  /** Answers a request that is refused, now or later, and returns true; or leaves it alone. */
  refuse(incoming: IncomingMessage, outgoing: ServerResponse): boolean;
  /** What was decided of a request that was left alone, taken for one with such a path. */
  passOf(incoming: IncomingMessage, open: boolean): Pass | undefined;
}

export function createEarlyRefusal({ door, networkOf, refusals, holdBack, corsOrigins }: EarlyDeps): Early {
  const passes = new WeakMap<IncomingMessage, { pass: Pass; open: boolean }>();
  return {
    passOf(incoming, open) {
      const decided = passes.get(incoming);
      // A path may be written so that only the application knows what it means.
      return decided?.open === open ? decided.pass : undefined;
    },
    refuse(incoming, outgoing) {
      const { url = '/', headers } = incoming;
      const open = isOpen(url);
      const network = networkOf(incoming);
      const verdict = door.judge({ network, credential: credentialOf(headers.authorization), open });
      if (typeof verdict !== 'object') {
        passes.set(incoming, { pass: verdict, open });
        return false;
      }
      refusals.count(verdict.reason);
      const answer = () => sendRefusal(incoming, outgoing, verdict, corsOrigins);
      if (holdBack === null) answer();
      else holdBack({ network, incoming, outgoing, answer });
      return true;
    },
  };
}

function sendRefusal(
  { url = '/', headers, method }: IncomingMessage,
  outgoing: ServerResponse,
  refusal: Refusal,
  corsOrigins: readonly string[],
): void {
  const [path = url] = url.split('?', 1);
  const requestId = randomUUID();
  const body = JSON.stringify(problemOf('rate-limited', detailOf(refusal), path, requestId));
  outgoing.writeHead(429, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
    ...refusalHeaders(refusal),
    ...corsHeaders(headers.origin, corsOrigins),
    // Nobody reads the body that comes with it.
    ...(method !== 'GET' && method !== 'HEAD' && { connection: 'close' }),
  });
  outgoing.end(method === 'HEAD' ? undefined : body);
}

function corsHeaders(origin: string | undefined, allowed: readonly string[]) {
  if (origin === undefined || !allowed.includes(origin)) return {};
  const exposed = EXPOSED.join(',');
  return { 'access-control-allow-origin': origin, 'access-control-expose-headers': exposed, vary: 'origin' };
}
