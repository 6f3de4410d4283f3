import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PRIVACY_OF_COLUMNS, storedPersonalData } from '../../../domain/pii-columns.ts';

const ddl = readFileSync(new URL('../../../migrations/000001_staging.sql', import.meta.url), 'utf8');

describe('the privacy of columns', () => {
  it.each(Object.entries(PRIVACY_OF_COLUMNS))('knows every column of %s, and no other', (table, columns) => {
    const body = new RegExp(`CREATE TABLE analytics\\.${table} \\(([^;]+)\\) PARTITION`, 'u').exec(ddl)?.[1] ?? '';
    const made = [...body.matchAll(/^ {4}([a-z_]+) [A-Z]/gmu)].map(([, name]) => name);
    expect(made.length).toBeGreaterThan(10);
    expect(Object.keys(columns).toSorted()).toEqual(made.toSorted());
  });

  it('has names, addresses and numbers of people, and what people write', () => {
    const personal = Object.values(PRIVACY_OF_COLUMNS).map((columns) =>
      Object.keys(columns).filter((name) => columns[name] !== 'open'),
    );
    expect(personal).toEqual([
      ['first_name', 'last_name', 'email', 'phone', 'company', 'title', 'assigned_to'],
      ['first_name', 'last_name', 'email', 'phone', 'company', 'title'],
      ['name'],
    ]);
  });

  it('tells where a field is stored', () => {
    expect(storedPersonalData().get('email')).toEqual({
      privacy: 'email',
      columns: ['crm_leads_staging.email', 'crm_contacts_staging.email'],
    });
    expect(storedPersonalData().has('id')).toBe(false);
  });
});
