import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AMOUNT, MAX_CHARACTERS } from '../../../domain/column-limits.ts';
import { type Entity, EVENT_TYPES } from '../../../domain/events.ts';
import { validate } from '../../../domain/validate.ts';
import { type Changes, CONTEXT, contact, lead, opportunity, RECORDED } from './sound.ts';

const SQL = readFileSync(new URL('../../../migrations/000001_staging.sql', import.meta.url), 'utf8');

const ENVELOPE_FIELDS = ['eventId', 'organizationId'];

interface TextColumn {
  field: string;
  limit: number;
}

/** The VARCHAR columns of an entity's staging table, by the names that events have for them. */
function textColumns(table: string, entity: Entity): TextColumn[] {
  const definition = new RegExp(`CREATE TABLE analytics\\.${table} \\(([^;]*)`, 'u').exec(SQL)?.[1] ?? '';
  return [...definition.matchAll(/^ {2,4}(?<column>\w+) VARCHAR\((?<limit>\d+)\)/gmu)].map(({ groups }) => {
    const { column = '', limit } = groups ?? {};
    const field = column === `${entity}_id` ? 'id' : column.replace(/_(\w)/gu, (_, letter) => letter.toUpperCase());
    return { field, limit: Number(limit) };
  });
}

const TABLES = [
  { entity: 'lead', table: 'crm_leads_staging', make: lead, columns: 13 },
  { entity: 'contact', table: 'crm_contacts_staging', make: contact, columns: 11 },
  { entity: 'opportunity', table: 'crm_opportunities_staging', make: opportunity, columns: 9 },
] as const;

describe.each(TABLES)('$table', ({ entity, table, make, columns: expected }) => {
  const columns = textColumns(table, entity);

  it('has the text columns that are tried below', () => {
    expect(columns).toHaveLength(expected);
  });

  // The event type is one of nine and the currency three letters: no text of the column's length is either.
  it.each(columns.filter(({ field }) => field !== 'eventType' && field !== 'currency'))(
    '$field takes $limit characters and no more',
    ({ field, limit }) => {
      const event = (text: string) => {
        const changes: Changes = { [field]: text };
        return make(field === 'eventId' ? {} : changes, ENVELOPE_FIELDS.includes(field) ? changes : {});
      };
      expect(validate(event('x'.repeat(limit)), RECORDED, CONTEXT)).not.toHaveProperty('code');
      expect(validate(event('x'.repeat(limit + 1)), RECORDED, CONTEXT)).toMatchObject({ code: 'too_long' });
    },
  );
});

/** What the migration says of a column, of whichever table has it: `VARCHAR(255)`, `INTEGER`. */
function typesOf(column: string): string[] {
  const types = [...SQL.matchAll(new RegExp(`^ {4}${column} (?<type>\\w+(?:\\([\\d, ]+\\))?)`, 'gmu'))];
  return [...new Set(types.map(({ groups }) => groups?.type ?? ''))];
}

describe('what is no free text', () => {
  it('every event type fits its column, in staging and in the log', () => {
    expect(typesOf('event_type')).toEqual([`VARCHAR(${MAX_CHARACTERS.eventType})`]);
    expect(Math.max(...EVENT_TYPES.map((type) => type.length))).toBeLessThanOrEqual(MAX_CHARACTERS.eventType);
  });

  it('amounts are limited by their column', () => {
    const { digitsBeforePoint, digitsAfterPoint } = AMOUNT;
    expect(typesOf('amount')).toEqual([`DECIMAL(${digitsBeforePoint + digitsAfterPoint}, ${digitsAfterPoint})`]);
  });

  it('a currency is as long as its column', () => {
    expect(typesOf('currency')).toEqual(['VARCHAR(3)']);
  });

  it.each(['score', 'probability'])('%s is an INTEGER', (column) => {
    expect(typesOf(column)).toEqual(['INTEGER']);
  });

  it.each([
    ['event_id', MAX_CHARACTERS.eventId],
    ['organization_id', MAX_CHARACTERS.organizationId],
  ])('the log takes every %s that staging takes', (column, limit) => {
    expect(typesOf(column)).toEqual([`VARCHAR(${limit})`]);
  });
});
