import {
  createPool,
  createTypeParserPreset,
  type DatabasePool,
  type Interceptor,
  SchemaValidationError,
  sql,
} from 'slonik';
import { guarded } from './errors.ts';
import { sendLargeParametersAsTheyAre } from './large-parameters.ts';
import { obeyScope } from './scoped-pool.ts';
import { type DatabaseTls, databaseTls } from './tls.ts';

export interface DatabaseOptions extends DatabaseTls {
  /** postgres://user:password@host:port/database, `sslmode` allowed. */
  url: string;
  /** Most connections at once; each lane holds one. */
  poolSize: number;
  applicationName: string;
  /**
   * Whether it obeys the scope of the work under way, and refuses work that is in none: for the API. A worker is bound to
   * no organization.
   */
  scoped?: boolean;
}

/** Slonik checks rows against the type of a query only through such an interceptor. */
const checkRows: Interceptor = {
  name: 'check-rows',
  transformRow: (context, query, row, _fields) => {
    const validated = context.resultParser?.['~standard'].validate(row);
    if (validated === undefined) {
      return row;
    }
    if (validated instanceof Promise) {
      throw new TypeError('row types must validate synchronously');
    }
    if (validated.issues) {
      throw new SchemaValidationError(query, row, validated.issues);
    }
    return validated.value as typeof row;
  },
};

/** Offsets, ids and counts as plain numbers; see activities/ports.ts on their range. */
function parseBigint(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new RangeError('a bigint of the database is beyond 2^53');
  }
  return value;
}

/** A row or table that stays locked for longer is trouble to be told apart, not something to wait for silently. */
const LOCK_TIMEOUT_MS = 3_000;

/**
 * A pool that never retries by itself (what a failed write means is decided in one place, see activities/persist.ts) and
 * never leaves a statement or a transaction hanging on the server.
 */
export async function createDatabasePool(options: DatabaseOptions): Promise<DatabasePool> {
  sendLargeParametersAsTheyAre();
  const { url, ssl } = databaseTls(new URL(options.url), options);
  url.searchParams.set('application_name', options.applicationName);
  const settings = url.searchParams.get('options') ?? '';
  // First, so that what the operator set stands. Statements here read few rows of many partitions: what compiling each
  // partition's part costs is never earned back.
  url.searchParams.set('options', `-c lock_timeout=${LOCK_TIMEOUT_MS} -c jit=off ${settings}`.trim());
  return createPool(url.href, {
    maxPoolSize: options.poolSize,
    captureStackTrace: false,
    connectionTimeout: 5_000,
    // A lane keeps its connection for as long as it reads; its lease names the backend.
    maximumConnectionAge: 'DISABLE_TIMEOUT',
    connectionRetryLimit: 0,
    queryRetryLimit: 0,
    transactionRetryLimit: 0,
    statementTimeout: 60_000,
    idleInTransactionSessionTimeout: 30_000,
    interceptors: options.scoped === true ? [obeyScope(), checkRows] : [checkRows],
    typeParsers: [
      ...createTypeParserPreset().filter((parser) => parser.name !== 'int8'),
      { name: 'int8', parse: parseBigint },
    ],
    ...(ssl !== null && { ssl }),
  });
}

/** Resolves when PostgreSQL answers. @throws WriteError when it can't be reached */
export async function pingDatabase(pool: DatabasePool): Promise<void> {
  await guarded(() => pool.query(sql.unsafe`SELECT 1`));
}
