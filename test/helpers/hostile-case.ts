/** What hostile requests are made of that are written by hand; the groups are in files beside this one. */
import { type HeaderLines, requestBytes } from './hostile-socket.ts';

export interface HostileCase {
  name: string;
  bytes: Buffer | readonly Buffer[];
  /** That the answer may have; empty when the server may as well close without a word. */
  statuses: readonly number[];
  /** What was sent and may come back, as JSON writes it. */
  echo?: string;
}

export const API = '/api/v1/crm-ingestion';
export const JSON_TYPE = ['content-type', 'application/json'] as const;

export type Body = string | Buffer;

/** A case of one request. */
export function sent(
  name: string,
  statuses: readonly number[],
  [method, target]: readonly [string, string],
  more: { headers?: HeaderLines; body?: Body } = {},
): HostileCase {
  return { name, statuses, bytes: requestBytes(method, target, more) };
}

/** The same, with a body that says that it is JSON. */
export const json = (name: string, statuses: readonly number[], route: readonly [string, string], body: Body) =>
  sent(name, statuses, route, { headers: [JSON_TYPE], body });

export const LANES = ['PUT', `${API}/lanes`] as const;
export const SEEK = ['POST', `${API}/seek`] as const;
export const HOLD = ['PUT', `${API}/legal-holds/org-1`] as const;
export const PLAN = ['POST', `${API}/redrives/plan`] as const;
export const CORRECTION = ['PUT', `${API}/dead-letters/1/correction`] as const;
export const REPLAY_PLAN = ['POST', `${API}/replays/plan`] as const;
export const BACKFILL_PLAN = ['POST', `${API}/backfills/plan`] as const;
export const ERASURES = ['POST', `${API}/erasures`] as const;
export const STATUS = ['GET', `${API}/status`] as const;
export const LIVE = ['GET', '/health/live'] as const;

/** The same, with headers and without a body. */
export const header = (
  name: string,
  statuses: readonly number[],
  headers: HeaderLines,
  route: readonly [string, string] = LIVE,
): HostileCase => sent(name, statuses, route, { headers });
