/** Columns of equal length as rows, for a FROM clause. */
import { type BinarySqlToken, type FragmentSqlToken, sql } from 'slonik';
import { BinaryArray, DATE, INT4, INT8, JSONB, NEW_UUID, TEXT, TIMESTAMP, type ValueType } from './binary-array.ts';

export type Column =
  | { type: 'int' | 'instant' | 'date'; values: ReadonlyArray<number | null> }
  | { type: 'bigint'; values: ReadonlyArray<number | bigint | null> }
  | { type: 'text' | 'numeric' | 'jsonb'; values: ReadonlyArray<string | null> }
  /** A new one for each of these. */
  | { type: 'uuid'; values: readonly unknown[] };

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
  const rows = new Rows();
  rows.add(columns);
  const fragment = rows.end((array) => Buffer.from(array));
  rows.release();
  return fragment;
}

/** Rows that come together piece by piece, each of them already in the form in which it is sent. */
export class Rows {
  readonly #columns = new Map<string, Piecemeal>();

  /** @param columns the same ones each time, all as long */
  add(columns: Readonly<Record<string, Column>>): void {
    for (const [name, column] of Object.entries(columns)) {
      let known = this.#columns.get(name);
      if (known === undefined) {
        if (!PLAIN_NAME.test(name)) throw new TypeError(`${name} is no name of a column`);
        known = new Piecemeal(column.type);
        this.#columns.set(name, known);
      }
      known.add(column.values);
    }
  }

  /**
   * All of them, for a FROM clause.
   * @param kept what is sent of an array that is written over after `release`; left out, the array itself
   */
  end(kept: (array: Buffer) => Buffer = (array) => array): FragmentSqlToken {
    // One template for all, put together here: slonik reads fragments within fragments again at each level, which took
    // three times as long for a batch of some events. Names are the only text in it that is not written in this file.
    const texts: string[] = [];
    const arrays: BinarySqlToken[] = [];
    let text = '(SELECT ';
    for (const [name, column] of this.#columns) {
      const [before, array, after] = column.end();
      texts.push(text + before);
      arrays.push(sql.binary(kept(array)));
      text = `${after} AS "${name}", `;
    }
    texts.push(text.replace(/, $/, ')'));
    return sql.fragment(Object.freeze(Object.assign(texts, { raw: Object.freeze([...texts]) })), ...arrays);
  }

  /** They were sent, and nobody looks at them any more. */
  release(): void {
    for (const column of this.#columns.values()) column.release();
  }
}

const PLAIN_NAME = /^[a-z_]+$/;

/** What comes before the array in the SELECT list, and after it. */
type Selected = [before: string, array: Buffer, after: string];

const ARRAYS: Readonly<Record<Column['type'], { type: ValueType<never>; after: string; cast?: string }>> = {
  int: { type: INT4, after: '::int4[])' },
  bigint: { type: INT8, after: '::int8[])' },
  instant: { type: TIMESTAMP, after: '::timestamptz[])' },
  date: { type: DATE, after: '::date[])' },
  text: { type: TEXT, after: '::text[])' },
  numeric: { type: TEXT, after: '::text[])', cast: '::numeric' },
  jsonb: { type: JSONB, after: '::jsonb[])' },
  uuid: { type: NEW_UUID, after: '::uuid[])' },
};

/** One column. A value that all share is no array while that is so. */
class Piecemeal {
  readonly #type: Column['type'];
  readonly #array: BinaryArray<unknown>;
  #count = 0;
  #isShared: boolean;
  #shared: unknown;

  constructor(type: Column['type']) {
    this.#type = type;
    this.#array = new BinaryArray(ARRAYS[type].type as ValueType<unknown>);
    this.#isShared = type !== 'uuid';
  }

  add(values: readonly unknown[]): void {
    if (this.#isShared) {
      if (this.#count === 0) this.#shared = values[0];
      const shared = this.#shared;
      if (!values.every((value) => value === shared)) this.#spellOut();
    }
    if (!this.#isShared) this.#array.add(values);
    this.#count += values.length;
  }

  end(): Selected {
    const { after, cast = '' } = ARRAYS[this.#type];
    if (this.#isShared && this.#count >= SHARED_FROM) {
      return ['(', this.#array.add([this.#shared]).end(), `${after}[1]${cast}`];
    }
    if (this.#isShared) this.#spellOut();
    return ['unnest(', this.#array.end(), `${after}${cast}`];
  }

  #spellOut(): void {
    this.#isShared = false;
    this.#array.add(new Array<unknown>(this.#count).fill(this.#shared));
  }

  release(): void {
    this.#array.release();
  }
}
