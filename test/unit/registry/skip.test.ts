import type { Schema } from 'avsc';
import avsc from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSchema } from '../../../adapters/registry/avro-types.ts';
import { Cursor } from '../../../adapters/registry/cursor.ts';
import { compileSkip } from '../../../adapters/registry/skip.ts';

/** Gives up instead of hanging when bytes make us work without end. */
class MeteredCursor extends Cursor {
  #left = 100_000;

  override readLong(): number {
    this.#spend();
    return super.readLong();
  }

  override fail(): 0 {
    this.#spend();
    return super.fail();
  }

  #spend(): void {
    this.#left -= 1;
    if (this.#left === 0) throw new Error('the work has no bound');
  }
}

/** @returns whether the bytes are exactly one value of the type */
function skips(schema: unknown, bytes: Buffer): boolean {
  const cursor = new MeteredCursor();
  cursor.open(bytes, 0);
  compileSkip(parseSchema(schema as Schema))(cursor);
  return cursor.complete;
}

const record = (name: string, fields: Record<string, unknown>) => ({
  type: 'record',
  name,
  fields: Object.entries(fields).map(([field, type]) => ({ name: field, type })),
});

/** Each record has the one before it twice, so that the last has the first 2^levels times. */
function doubling(levels: number, first: object): object {
  let last: object = record('Level0', { only: first });
  for (let level = 1; level <= levels; level += 1) {
    last = record(`Level${level}`, { left: last, right: `Level${level - 1}` });
  }
  return last;
}

describe('records that have another record twice', () => {
  // Without bytes there is nothing to meter: when this breaks, the test hangs until it is ended.
  it('forty times over, of nothing but null, are no work', () => {
    expect(skips(doubling(40, { type: 'null' }), Buffer.alloc(0))).toBe(true);
    expect(skips(doubling(40, { type: 'null' }), Buffer.alloc(1))).toBe(false);
  });

  it('end with the bytes where each takes some', () => {
    expect(skips(doubling(4, { type: 'boolean' }), Buffer.alloc(16))).toBe(true);
    expect(skips(doubling(40, { type: 'boolean' }), Buffer.alloc(16))).toBe(false);
  });
});

/** 2^62 as a count of items. */
const HUGE = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];

describe('records that contain themselves twice double with each level', () => {
  it.each([
    ['always', record('Tree', { left: 'Tree', right: 'Tree' })],
    ['unless another branch is chosen', record('Tree', { left: ['Tree', 'null'], right: ['Tree', 'null'] })],
  ])('%s: refused without following them', (_, schema) => {
    expect(skips(schema, Buffer.alloc(1_000))).toBe(false);
    expect(skips(schema, Buffer.alloc(0))).toBe(false);
  });
});

describe('items of no bytes', () => {
  it.each([
    ['nulls', 'null'],
    ['empty records', record('Empty', {})],
    ['records of nothing but them', record('Outer', { inner: record('Inner', { nothing: 'null' }) })],
  ])('%s may be as many as they like', (_, items) => {
    expect(skips({ type: 'array', items }, Buffer.from([...HUGE, 0]))).toBe(true);
    expect(skips({ type: 'array', items }, Buffer.from([...HUGE, ...HUGE, ...HUGE, 0]))).toBe(true);
    expect(skips({ type: 'array', items }, Buffer.from(HUGE))).toBe(false);
  });
});

describe('lengths', () => {
  const texts = { type: 'array', items: 'string' };

  it('that are negative do not lead back', () => {
    expect(skips(texts, Buffer.from([...HUGE, 0x01, 0x00, 0x00]))).toBe(false);
    expect(skips('bytes', Buffer.from([0x01, 0x00]))).toBe(false);
  });

  it('have at most ten bytes', () => {
    expect(skips('long', Buffer.from([...Array<number>(9).fill(0x80), 0x00]))).toBe(true);
    expect(skips('long', Buffer.from([...Array<number>(10).fill(0x80), 0x00]))).toBe(false);
  });
});

it('steps over exactly what avsc writes of any type', () => {
  const nested = record('Nested', { next: ['null', 'Nested'], tags: { type: 'map', values: 'string' } });
  const schemas = [
    'null',
    'boolean',
    'int',
    'long',
    'float',
    'double',
    'bytes',
    'string',
    { type: 'fixed', name: 'Hash', size: 16 },
    { type: 'enum', name: 'Colour', symbols: ['RED', 'GREEN'] },
    { type: 'array', items: ['null', 'long', 'string'] },
    { type: 'map', values: { type: 'array', items: 'double' } },
    nested,
  ];
  fc.assert(
    fc.property(fc.constantFrom(...schemas), fc.nat(), (schema, size) => {
      const bytes = avsc.Type.forSchema(structuredClone(schema) as Schema).toBuffer(
        avsc.Type.forSchema(structuredClone(schema) as Schema).random(),
      );
      expect(skips(schema, bytes)).toBe(true);
      if (bytes.length > 0) expect(skips(schema, bytes.subarray(0, size % bytes.length))).toBe(false);
    }),
  );
});
