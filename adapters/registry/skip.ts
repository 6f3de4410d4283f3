/** Steps over the fields of a writer's schema that we don't read. */
import type { Type, types } from 'avsc';
import type { Cursor } from './cursor.ts';

export type Skip = (cursor: Cursor) => void;

/** Records nested deeper are an attack on the stack or a mistake. */
const DEEPEST = 64;

type Step = (cursor: Cursor, depth: number) => void;

/**
 * The step over what never takes a byte: null, and records of nothing else. Records leave it out, since forty of them,
 * each with the one before it twice, would be 2^40 steps over no bytes at all.
 */
const NOTHING: Step = () => {};

/** Compiles the step over one value of a type, which may refer to itself. */
export function compileSkip(type: Type): Skip {
  const known = new Map<Type, Step>();

  function compile(of: Type): Step {
    const done = known.get(of);
    if (done !== undefined) return done;
    let body = NOTHING;
    const step: Step = (cursor, depth) => {
      // Once failed, every length reads as 0 and every branch as the first: a recursive type would go on doubling.
      if (cursor.failed) return;
      if (depth > DEEPEST) cursor.fail();
      else body(cursor, depth + 1);
    };
    // Registered before its parts are compiled, so that a recursive type finds itself.
    known.set(of, step);
    body = compileBody(of);
    if (body !== NOTHING) return step;
    known.set(of, NOTHING);
    return NOTHING;
  }

  function compileBody(of: Type): Step {
    if (of.typeName.startsWith('logical:')) return compile((of as types.LogicalType).underlyingType);
    if (of.typeName.startsWith('union:')) {
      const branches = (of as types.WrappedUnionType).types.map(compile);
      return (cursor, depth) => {
        const branch = branches[cursor.readLong()];
        if (branch === undefined) cursor.fail();
        else branch(cursor, depth);
      };
    }
    switch (of.typeName) {
      case 'null':
        return NOTHING;
      case 'boolean':
        return (cursor) => cursor.skip(1);
      case 'int':
      case 'long':
      case 'enum':
        return (cursor) => void cursor.readLong();
      case 'float':
        return (cursor) => cursor.skip(4);
      case 'double':
        return (cursor) => cursor.skip(8);
      case 'bytes':
      case 'string':
        return (cursor) => cursor.skipBlock();
      case 'fixed': {
        const { size } = of as types.FixedType;
        return (cursor) => cursor.skip(size);
      }
      case 'array': {
        const item = compile((of as types.ArrayType).itemsType);
        return (cursor, depth) => skipBlocks(cursor, () => item(cursor, depth));
      }
      case 'map': {
        const value = compile((of as types.MapType).valuesType);
        return (cursor, depth) =>
          skipBlocks(cursor, () => {
            cursor.skipBlock();
            value(cursor, depth);
          });
      }
      case 'record':
      case 'error': {
        const fields = (of as types.RecordType).fields
          .map((field) => compile(field.type))
          .filter((field) => field !== NOTHING);
        if (fields.length === 0) return NOTHING;
        return (cursor, depth) => {
          for (const field of fields) field(cursor, depth);
        };
      }
      default:
        throw new Error(`avsc has a type that Avro has not: ${of.typeName}`);
    }
  }

  const skip = compile(type);
  return (cursor) => skip(cursor, 0);
}

/**
 * Arrays and maps come in blocks: a count of items, negated when the block's size in bytes follows, until a count of 0.
 * Whatever count the bytes claim, each item takes at least a byte; one that takes none is of a type that never does,
 * and then so do the rest.
 */
function skipBlocks(cursor: Cursor, skipItem: () => void): void {
  for (let count = cursor.readLong(); count !== 0 && !cursor.failed; count = cursor.readLong()) {
    if (count < 0) cursor.skipBlock();
    else skipItems(cursor, count, skipItem);
  }
}

function skipItems(cursor: Cursor, count: number, skipItem: () => void): void {
  for (let i = 0; i < count && !cursor.failed; i++) {
    const before = cursor.remaining;
    skipItem();
    if (cursor.remaining === before) return;
  }
}
