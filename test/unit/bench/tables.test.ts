import { describe, expect, it } from 'vitest';
import { renderWork, type WrittenTable } from '../../../bench/tables.ts';

const plain: WrittenTable = {
  name: 'crm_runs',
  partitions: 1,
  indexes: ['unique (run_id)'],
  constraints: 0,
  rowSecurity: false,
  logged: true,
  writes: 1_000,
  bytes: { rows: 0, indexes: 0 },
};

const lineOf = (over: Partial<WrittenTable>) => renderWork({ tables: [{ ...plain, ...over }], settings: [] })[1];

describe('renderWork', () => {
  it('tells what each table has, and nothing that it has not', () => {
    expect(lineOf({})).toBe('- `crm_runs`: 1,000 rows; unique (run_id)');
    expect(lineOf({ partitions: 8, constraints: 2, rowSecurity: true, logged: false, indexes: [] })).toBe(
      '- `crm_runs`: 1,000 rows, 8 partitions, checks and foreign keys: 2, row security, unlogged; no index',
    );
  });

  it('ends with the settings that decide how durable a commit is', () => {
    expect(renderWork({ tables: [plain], settings: ['fsync on', 'synchronous_commit on'] }).at(-1)).toBe(
      'fsync on, synchronous_commit on.',
    );
  });
});
