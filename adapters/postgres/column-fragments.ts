/** Columns as array parameters, the form in which `unnest` takes thousands of rows in one statement. */
import { sql } from 'slonik';
import { plainArray, textArray } from './array-literal.ts';

/** Numbers, and texts that are numbers, times or ids of our own making. */
type Plain = ReadonlyArray<string | number | null>;

export const ints = (values: Plain) => sql.fragment`${plainArray(values)}::int4[]`;
export const bigints = (values: Plain) => sql.fragment`${plainArray(values)}::int8[]`;
export const uuids = (values: Plain) => sql.fragment`${plainArray(values)}::uuid[]`;
export const texts = (values: ReadonlyArray<string | null>) => sql.fragment`${textArray(values)}::text[]`;

/** Epoch milliseconds, as a parameter that the planner can prune partitions by. */
export const instants = (values: readonly number[]) =>
  sql.fragment`${textArray(values.map((value) => new Date(value).toISOString()))}::timestamptz[]`;
