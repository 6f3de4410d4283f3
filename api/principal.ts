/** Who asks, and what they may see or do. The authentication hook says; routes declare what they need by `permits`. */
import type { MiddlewareHandler } from 'hono';
import { ALL_PERMISSIONS, type Permission } from '../domain/permissions.ts';
import type { ApiEnv } from './env.ts';

export interface Principal {
  /** As requests, corrections and approvals are signed. */
  name: string;
  /** How they proved it. */
  kind: 'anonymous' | 'token' | 'api-key';
  permissions: ReadonlySet<Permission>;
  /** The organizations that they are bound to; null for the whole installation. */
  organizations: readonly string[] | null;
}

/** Longest name that the tables take. */
export const MAX_NAME = 255;

/**
 * Lets everyone in who reaches the port: for a laptop. People call themselves what they like by the header `x-operator`.
 * @param showPersonalData whether everyone may see personal data
 */
export function allowEveryone(showPersonalData: boolean): MiddlewareHandler<ApiEnv> {
  const permissions = new Set(ALL_PERMISSIONS.filter((permission) => permission !== 'pii:read' || showPersonalData));
  return async (c, next) => {
    const name = c.req.header('x-operator')?.trim().slice(0, MAX_NAME);
    c.set('principal', { name: name ? name : 'anonymous', kind: 'anonymous', permissions, organizations: null });
    await next();
  };
}
