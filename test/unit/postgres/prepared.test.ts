import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { createStatementNames } from '../../../adapters/postgres/prepared.ts';

const statement = (column: string) => sql.unsafe`SELECT ${sql.identifier([column])}`;

it('names the same statement alike, another one differently, and no more than a connection should hold', () => {
  const named = createStatementNames('crm');
  const names = (column: string) => named(statement(column), 249).name;
  expect([names('a'), names('b'), names('a')]).toEqual(['crm_1', 'crm_2', 'crm_1']);
  const all = Array.from({ length: 30 }, (_, nth) => names(`c${nth}`));
  expect(all.slice(0, 22)).toEqual(Array.from({ length: 22 }, (_, nth) => `crm_${nth + 3}`));
  expect(all.slice(22)).toEqual(Array.from({ length: 8 }, () => undefined));
  expect(names('c0')).toBe('crm_3');
  expect(named(statement('c0'), 250).name).toBeUndefined();
});
