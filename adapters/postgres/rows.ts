/** Columns of equal length as rows, for a FROM clause. */
import { type BinarySqlToken, type FragmentSqlToken, sql } from 'slonik';
import {
  dateArray,
  int4Array,
  int8Array,
  jsonbArray,
  newUuidArray,
  textArray,
  timestampArray,
} from './binary-array.ts';

export type Column =
  | { type: 'int' | 'instant' | 'date'; values: ReadonlyArray<number | null> }
  | { type: 'bigint'; values: ReadonlyArray<number | bigint | null> }
  | { type: 'text' | 'numeric' | 'jsonb'; values: ReadonlyArray<string | null> }
  /** So many new ones. */
  | { type: 'uuid'; count: number };

/**
 * From so many rows on, a value that all of them share is sent once. Below, the text depends on the columns' names and
 * types alone, so that the statements of small batches can be prepared.
 */
export const SHARED_FROM = 250;

/**
 * Columns by their names; all must be as long. `unnest(a, b, …)` in the FROM clause would copy each column into a store
 * of its own first; in a SELECT list all advance together, row by row, at half the price.
 * @throws TypeError for a name that would have to be quoted
 */
export function rowsOf(columns: Readonly<Record<string, Column>>): FragmentSqlToken {
  // One template for all, put together here: slonik reads fragments within fragments again at each level, which took
  // three times as long for a batch of some events. Names are the only text in it that is not written in this file.
  const texts: string[] = [];
  const arrays: BinarySqlToken[] = [];
  let text = '(SELECT ';
  for (const [name, column] of Object.entries(columns)) {
    if (!PLAIN_NAME.test(name)) throw new TypeError(`${name} is no name of a column`);
    const [before, array, after] = selected(column);
    texts.push(text + before);
    arrays.push(sql.binary(array));
    text = `${after} AS "${name}", `;
  }
  texts.push(text.replace(/, $/, ')'));
  return sql.fragment(Object.freeze(Object.assign(texts, { raw: Object.freeze([...texts]) })), ...arrays);
}

const PLAIN_NAME = /^[a-z_]+$/;

/** What comes before the array in the SELECT list, and after it. */
type Selected = [before: string, array: Buffer, after: string];

function selected(column: Column): Selected {
  if (column.type === 'uuid') return ['unnest(', newUuidArray(column.count), '::uuid[])'];
  const { values } = column;
  const [first] = values;
  const shared = values.length >= SHARED_FROM && values.every((value: unknown) => value === first);
  const [array, type] = arrayOf(shared ? ({ ...column, values: [first] } as typeof column) : column);
  const cast = column.type === 'numeric' ? '::numeric' : '';
  return shared ? ['(', array, `::${type}[])[1]${cast}`] : ['unnest(', array, `::${type}[])${cast}`];
}

/** @returns the array and the type of its values */
function arrayOf(column: Exclude<Column, { type: 'uuid' }>): [Buffer, string] {
  switch (column.type) {
    case 'int':
      return [int4Array(column.values), 'int4'];
    case 'bigint':
      return [int8Array(column.values), 'int8'];
    case 'instant':
      return [timestampArray(column.values), 'timestamptz'];
    case 'date':
      return [dateArray(column.values), 'date'];
    case 'jsonb':
      return [jsonbArray(column.values), 'jsonb'];
    default:
      return [textArray(column.values), 'text'];
  }
}
