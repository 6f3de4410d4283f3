/** How a step of partition maintenance works: alone on its database, with each change either made or only told. */
import { type CommonQueryMethods, type DatabasePool, sql } from 'slonik';
import { z } from 'zod';
import { MaintenanceBusyError, type StepOptions, type StepReport } from '../../activities/maintenance-ports.ts';
import { guarded } from './errors.ts';

type Query = Parameters<CommonQueryMethods['query']>[0];
type RowOf<Q extends Query> = Q extends { readonly parser: infer Row extends z.ZodType } ? z.output<Row> : unknown;

export interface MaintenanceSession {
  /** For questions. Its transactions are the step's own. */
  connection: CommonQueryMethods;
  dryRun: boolean;
  maintenanceWindow: boolean;
  signal: AbortSignal;
  /** Runs a change, over `within` when it is a part of a transaction; in a dry run tells it and returns no rows. */
  change<Q extends Query>(query: Q, within?: CommonQueryMethods): Promise<ReadonlyArray<RowOf<Q>>>;
  count(what: string, by: number): void;
  note(sentence: string): void;
}

/** Held for as long as a step takes, by its connection: it ends with the worker. */
const LOCK = sql.fragment`hashtext('analytics.crm_maintenance')`;

const flag = sql.type(z.object({ mine: z.boolean() }));

/**
 * Does a step over a connection of its own while nobody else does one.
 * @throws MaintenanceBusyError, WriteError
 */
export async function alone(
  pool: DatabasePool,
  { dryRun, maintenanceWindow, signal, progress }: StepOptions,
  step: (session: MaintenanceSession) => Promise<void>,
): Promise<StepReport> {
  const done = await guarded(() =>
    pool.connect(async (connection) => {
      if (!(await connection.oneFirst(flag`SELECT pg_try_advisory_lock(${LOCK}) AS mine`))) {
        return null;
      }
      const report: StepReport = { counts: {}, statements: [], notes: [] };
      let progressed = 0;
      try {
        await step({
          connection,
          dryRun,
          maintenanceWindow,
          signal,
          async change<Q extends Query>(query: Q, within: CommonQueryMethods = connection) {
            if (dryRun) {
              report.statements.push(written(query));
              return [];
            }
            const { rows } = await within.query(query);
            // The pool checks each row against the parser of its query.
            return rows as ReadonlyArray<RowOf<Q>>;
          },
          count(what, by) {
            report.counts[what] = (report.counts[what] ?? 0) + by;
            progressed += by;
            progress(progressed);
          },
          note: (sentence) => report.notes.push(sentence),
        });
        return report;
      } finally {
        // A connection that broke has given the lock back by itself.
        await connection.query(sql.unsafe`SELECT pg_advisory_unlock(${LOCK})`).catch(() => {});
      }
    }),
  );
  if (done === null) {
    throw new MaintenanceBusyError();
  }
  return done;
}

/** A statement as a person would type it. */
function written({ sql: text, values }: Query): string {
  return text
    .replaceAll(/\$slonik_(\d+)/gu, (_, place) => literal(values[Number(place) - 1]))
    .replaceAll(/\s+/gu, ' ')
    .trim();
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  return typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : `'${String(value).replaceAll("'", "''")}'`;
}

/** For what nobody waits for, in milliseconds: the pool's own limit on statements is too short for a large partition. */
export const LEISURELY = { lockMs: 3_000, statementMs: 3_600_000 };

/** Runs `work` in a transaction that may wait for locks, and take, only so long, in milliseconds. */
export function within<T>(
  connection: CommonQueryMethods,
  limits: { lockMs: number; statementMs: number },
  work: (transaction: CommonQueryMethods) => Promise<T>,
): Promise<T> {
  return connection.transaction(async (transaction) => {
    await transaction.query(sql.unsafe`
      SELECT set_config('lock_timeout', ${String(limits.lockMs)}, true),
        set_config('statement_timeout', ${String(limits.statementMs)}, true)
    `);
    return work(transaction);
  });
}
