import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { classifyRefusal, isCapacity, isConnectionLoss, type RefusalClass } from '../../../domain/sqlstate.ts';

describe('whom a refusal is charged to', () => {
  it.each<[RefusalClass, string, string]>([
    ['data', '22001', 'text too long'],
    ['data', '22003', 'number out of range'],
    ['data', '22007', 'invalid time'],
    ['data', '22021', 'NUL or not UTF-8'],
    ['data', '22P02', 'invalid text representation'],
    ['data', '23502', 'null where none may be'],
    ['data', '23514', 'check constraint, or no partition'],
    ['data', '54000', 'too large for an index'],
    ['again', '40001', 'serialization failure'],
    ['again', '40P01', 'deadlock'],
    ['again', 'CF002', 'another transaction committed one of the ids'],
    ['fenced', 'CF001', 'another lane holds the range'],
    ['server', 'CF003', 'the books do not balance'],
    ['server', '08006', 'connection failure'],
    ['server', '25006', 'read-only standby'],
    ['server', '28P01', 'wrong password'],
    ['server', '3D000', 'no such database'],
    ['server', '3F000', 'no such schema'],
    ['server', '42501', 'no privilege'],
    ['server', '42P01', 'no such table'],
    ['server', '42703', 'no such column'],
    ['server', '53100', 'disk full'],
    ['server', '53200', 'out of memory or of locks'],
    ['server', '53300', 'too many connections'],
    ['server', '55P03', 'lock not available'],
    ['server', '57014', 'statement cancelled'],
    ['server', '57P01', 'shutdown'],
    ['server', '58030', 'input or output error'],
    ['server', 'XX000', 'internal error'],
    ['unknown', 'P0001', 'raised by a trigger of somebody'],
    ['unknown', '21000', 'a class that is not listed'],
    ['unknown', 'ZZ999', 'a class that PostgreSQL has not'],
  ])('%s: %s, %s', (expected, code) => {
    expect(classifyRefusal(code)).toBe(expected);
  });

  // EPIPE and EPERM have five characters, like a SQLSTATE: charged to an event, a broken socket would lose it.
  it.each(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EPERM', 'ENOENT', 'ETIMEDOUT', 'connection_lost', ''])(
    'server: %j, which is no SQLSTATE',
    (code) => {
      expect(classifyRefusal(code)).toBe('server');
      expect(isConnectionLoss(code)).toBe(true);
    },
  );
});

describe('constraints', () => {
  const MIGRATION = new URL('../../../migrations/000002_exactly_once.sql', import.meta.url);
  const named = [...readFileSync(MIGRATION, 'utf8').matchAll(/CONSTRAINT (?<name>crm_batches\w+)/gu)];

  it('of the books are named in the migration', () => {
    expect(named.length).toBeGreaterThanOrEqual(3);
  });

  it.each([
    ...named.map(({ groups }) => groups?.name ?? ''),
    'crm_batches_pkey',
    'crm_positions_next_offset_check',
    'crm_positions_run_id_fkey',
    'crm_sources_topic_incarnation_key',
    'crm_runs_kind_check',
  ])('%s is of our own bookkeeping, so no event is at fault', (constraint) => {
    expect(classifyRefusal('23514', constraint)).toBe('server');
  });

  it.each(['crm_leads_staging_pkey', 'crm_event_ledger_3_pkey', 'crm_events_log_processing_status_check'])(
    '%s is refused by the data of a row',
    (constraint) => {
      expect(classifyRefusal('23505', constraint)).toBe('data');
    },
  );
});

describe('the connection', () => {
  it.each(['08000', '08006', '25P02', '25P03', '25P04', '57P01', '57P02', '57P03'])(
    'is beyond use after %s',
    (code) => {
      expect(isConnectionLoss(code)).toBe(true);
    },
  );

  it.each(['22001', '23505', '25006', '40P01', '53200', '57014', 'CF001', 'XX000'])('goes on after %s', (code) => {
    expect(isConnectionLoss(code)).toBe(false);
  });
});

it('a smaller statement may pass where locks, memory or a configured limit ran out, not where the disk did', () => {
  expect(['53000', '53100', '53200', '53300', '53400'].filter(isCapacity)).toEqual(['53200', '53400']);
});
