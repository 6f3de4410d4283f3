/**
 * Names for statements that come again and again on one connection, so that PostgreSQL plans them once. Of the
 * writer's statement for a small batch, planning is more than a quarter (see bench/RESULTS.md).
 */
import type { QuerySqlToken } from 'slonik';
import { SHARED_FROM } from './rows.ts';

/** A plan of such a statement takes the server some hundred KiB of the backend's memory. */
const MOST = 24;

/**
 * Names a statement of so many rows. Left as they are: one whose text depends on its values (see SHARED_FROM), and what is
 * beyond the first `MOST` different ones.
 */
export type StatementNames = <Query extends QuerySqlToken>(query: Query, rows: number) => Query;

/** For one connection, which must not be shared: the server forgets the names when it is given back. */
export function createStatementNames(prefix: string): StatementNames {
  const names = new Map<string, string>();
  return (query, rows) => {
    if (rows >= SHARED_FROM) return query;
    let name = names.get(query.sql);
    if (name === undefined) {
      if (names.size === MOST) return query;
      name = `${prefix}_${names.size + 1}`;
      names.set(query.sql, name);
    }
    return { ...query, name };
  };
}
