/**
 * Whose rows the work under way may touch. The API enters a scope once it knows who asks, and the database pool obeys it
 * below all queries, so that no route and no statement has to think of it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface Scope {
  /** Ids of organizations; null for the whole installation. */
  readonly organizations: readonly string[] | null;
}

/** For work that is not done on behalf of an organization. */
export const INSTALLATION: Scope = { organizations: null };

const scopes = new AsyncLocalStorage<Scope>();

/** Does `work`, and whatever it waits for, within a scope. */
export function withinScope<T>(scope: Scope, work: () => T): T {
  return scopes.run(scope, work);
}

/** The scope of the work under way; undefined outside of any. */
export function currentScope(): Scope | undefined {
  return scopes.getStore();
}

/**
 * `work`, to be done within the scope of now whenever it is called: what an answer's stream asks for is asked for after
 * the request's handler has returned.
 */
export function keepingScope<Args extends unknown[], T>(work: (...args: Args) => T): (...args: Args) => T {
  const scope = currentScope();
  return scope === undefined ? work : (...args) => withinScope(scope, () => work(...args));
}
