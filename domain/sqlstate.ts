/**
 * What a refusal by PostgreSQL means for us. The one place that reads SQLSTATEs; classes are from PostgreSQL's
 * appendix A, the codes CF001-CF005 are raised by our own functions (migrations/000003 to 000005).
 *
 * - `data`: the rows are at fault. Bisect until the culprit is alone, charge it, write the rest.
 * - `server`: the server is at fault. Nothing is charged to an event; wait and send the same batch again.
 * - `again`: another transaction was in the way for a moment; send the same batch again at once.
 * - `locked`: another transaction keeps a row locked. Bisect like for `data`, and try the culprit again later.
 * - `fenced`: another lane holds a range now.
 * - `stale`: the rows were prepared with an older suppression list; prepare them again.
 * - `unknown`: treated as `data`: bisected, then charged to the row.
 */
export type RefusalClass = 'data' | 'server' | 'again' | 'locked' | 'fenced' | 'stale' | 'unknown';

/** Whole classes by their first two characters. */
const BY_CLASS: Readonly<Record<string, RefusalClass>> = {
  '08': 'server', // connection exception
  '22': 'data', // data exception: too long, out of range, invalid text
  '23': 'data', // integrity constraint violation
  '25': 'server', // invalid transaction state, such as a read-only standby
  '26': 'server',
  '28': 'server', // invalid authorization
  '3D': 'server', // no such database
  '3F': 'server', // no such schema: migrations not run
  '40': 'again', // serialization failure, deadlock
  '42': 'server', // no such table or column, no privilege: the installation is at fault, not the event
  '53': 'server', // insufficient resources: disk full, out of memory, too many connections
  '54': 'data', // program limit exceeded, such as a value too large for an index
  '55': 'server', // object not in prerequisite state, lock not available
  '57': 'server', // operator intervention: shutdown, cancelled
  '58': 'server', // system error outside PostgreSQL
  F0: 'server', // configuration file error
  XX: 'server', // internal error
};

/** Single codes that differ from their class. */
const BY_CODE: Readonly<Record<string, RefusalClass>> = {
  CF001: 'fenced',
  CF002: 'again',
  CF004: 'again',
  CF005: 'stale',
  CF003: 'server', // the books don't balance: a defect of ours, loud and never charged to an event
};

/** Constraints on our own bookkeeping: when one of them refuses, no event is at fault. */
const OUR_TABLES = [
  'crm_batches',
  'crm_positions',
  'crm_runs',
  'crm_sources',
  'crm_failed_events',
  'crm_moves',
  'crm_parked_ranges',
  'crm_redrives',
  'crm_overwritten_rows',
];

/**
 * @param code SQLSTATE, or a system or client code such as ECONNREFUSED, which all mean the server can't be reached
 * @param constraint name of the constraint that refused, where PostgreSQL tells
 */
export function classifyRefusal(code: string, constraint: string | null = null): RefusalClass {
  if (code === '23505' && constraint?.startsWith('crm_failed_events')) {
    return 'again'; // Another transaction recorded the failure of the same delivery.
  }
  if (constraint !== null && OUR_TABLES.some((table) => constraint.startsWith(table))) {
    return 'server';
  }
  if (!isSqlState(code)) {
    return 'server';
  }
  return BY_CODE[code] ?? BY_CLASS[code.slice(0, 2)] ?? 'unknown';
}

/**
 * The same, and it knows a lock on one row, which is the row's trouble, from one on a whole table, which is not.
 * @param refusal an error of the writer
 */
export function refusalOf(refusal: { code: string; constraint: string | null; row: boolean }): RefusalClass {
  return refusal.code === LOCK_NOT_AVAILABLE && refusal.row
    ? 'locked'
    : classifyRefusal(refusal.code, refusal.constraint);
}

const LOCK_NOT_AVAILABLE = '55P03';

/** No SQLSTATE begins with E, and every error code of the operating system does: EPIPE has five characters as well. */
function isSqlState(code: string): boolean {
  return /^[0-9A-DF-Z][0-9A-Z]{4}$/u.test(code);
}

/** Whether the connection is gone or beyond use: the socket failed, or PostgreSQL shut down or ended the session. */
export function isConnectionLoss(code: string): boolean {
  return !isSqlState(code) || ['08', '25P', '57P'].some((start) => code.startsWith(start));
}

/** Whether the server lacks room for this very statement, so that a smaller one may pass. */
export function isCapacity(code: string): boolean {
  return code === '53200' || code === '53400';
}
