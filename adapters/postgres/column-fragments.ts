/** Columns as array parameters, the form in which `unnest` takes thousands of rows in one statement. */
import { sql } from 'slonik';
import {
  dateArray,
  int4Array,
  int8Array,
  jsonbArray,
  newUuidArray,
  textArray,
  timestampArray,
} from './binary-array.ts';

type Values<Value> = ReadonlyArray<Value | null>;

export const ints = (values: Values<number>) => sql.fragment`${sql.binary(int4Array(values))}::int4[]`;
export const bigints = (values: Values<number | bigint>) => sql.fragment`${sql.binary(int8Array(values))}::int8[]`;
export const texts = (values: Values<string>) => sql.fragment`${sql.binary(textArray(values))}::text[]`;
/** @param values texts of JSON */
export const jsonbs = (values: Values<string>) => sql.fragment`${sql.binary(jsonbArray(values))}::jsonb[]`;
/** @param values days since 1970-01-01 */
export const dates = (values: Values<number>) => sql.fragment`${sql.binary(dateArray(values))}::date[]`;
/** Epoch milliseconds, as a parameter that the planner can prune partitions by. */
export const instants = (values: Values<number>) => sql.fragment`${sql.binary(timestampArray(values))}::timestamptz[]`;
export const newUuids = (count: number) => sql.fragment`${sql.binary(newUuidArray(count))}::uuid[]`;
