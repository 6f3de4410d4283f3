/** Columns as array parameters, the form in which `unnest` takes thousands of rows in one statement. */
import { sql } from 'slonik';
import { int4Array, int8Array, textArray, timestampArray } from './binary-array.ts';

type Values<Value> = ReadonlyArray<Value | null>;

export const ints = (values: Values<number>) => sql.fragment`${sql.binary(int4Array(values))}::int4[]`;
export const bigints = (values: Values<number | bigint>) => sql.fragment`${sql.binary(int8Array(values))}::int8[]`;
export const texts = (values: Values<string>) => sql.fragment`${sql.binary(textArray(values))}::text[]`;
/** Epoch milliseconds, as a parameter that the planner can prune partitions by. */
export const instants = (values: Values<number>) => sql.fragment`${sql.binary(timestampArray(values))}::timestamptz[]`;
