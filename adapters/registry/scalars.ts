/** How single values of a writer's schema are read as the kinds of value that our records have. */
import type { Type, types } from 'avsc';
import { type FieldKind, kindOfField } from '../../domain/field-kinds.ts';
import type { AvroSchema } from '../../domain/schemas.ts';
import { isAnnotated, isUnion } from './avro-types.ts';
import type { Cursor } from './cursor.ts';
import { decimalText } from './decimal.ts';

export type Scalar = string | number | null;
export type ReadScalar = (cursor: Cursor) => Scalar;

/** A schema from which our records can't be read. */
export class IncompatibleSchema extends Error {
  override readonly name = 'IncompatibleSchema';
}

const WANTED: Record<FieldKind, string> = {
  text: 'a string',
  integer: 'an int',
  time: 'a timestamp-millis',
  day: 'a date',
  decimal: 'a decimal',
};

/**
 * Compiles the reading of one field. Any field may be a union with null, also where ours is not: the event that leaves
 * it out is the one to refuse, not every event of the schema.
 * @param field path for people, such as `data.email`
 * @throws IncompatibleSchema when values of the writer's type are not what the field holds
 */
export function compileScalar(writer: Type, ours: AvroSchema, field: string): ReadScalar {
  const kind = kindOfField(ours);
  if (!isUnion(writer)) return compileKind(writer, kind, field);
  const branches = writer.types.map((type) => (type.typeName === 'null' ? readNull : compileKind(type, kind, field)));
  return (cursor) => {
    const branch = branches[cursor.readLong()];
    if (branch !== undefined) return branch(cursor);
    cursor.fail();
    return null;
  };
}

function compileKind(type: Type, kind: FieldKind, field: string): ReadScalar {
  const read = COMPILE[kind](type, field);
  if (read === null) throw new IncompatibleSchema(`${field}: must be ${WANTED[kind]} in the message's schema`);
  return read;
}

/** For each kind, how a type is read as it, or null where that would be a guess. */
const COMPILE: Record<FieldKind, (type: Type, field: string) => ReadScalar | null> = {
  text(type, field) {
    if (type.typeName === 'string' || type.typeName === 'bytes') return (cursor) => cursor.readText(field);
    if (type.typeName === 'enum') return readSymbol((type as types.EnumType).symbols);
    return null;
  },
  integer: (type) => (isWhole(type) ? readLong : null),
  time(type) {
    if (isWhole(type) || type.typeName === 'logical:timestamp-millis') return readLong;
    // As in Avro, a number without its unit would be read a thousand times too large.
    if (type.typeName === 'logical:timestamp-micros') return (cursor) => Math.floor(cursor.readLong() / 1000);
    return null;
  },
  day: (type) => (type.typeName === 'int' || type.typeName === 'logical:date' ? readLong : null),
  decimal(type) {
    if (type.typeName !== 'logical:decimal' || !isAnnotated(type)) return null;
    const { scale, underlyingType } = type;
    // Taken for 0, a scale that can't be read would make an amount a hundred times too large.
    if (scale === null) return null;
    if (underlyingType.typeName === 'fixed') {
      const { size } = underlyingType as types.FixedType;
      return (cursor) => decimalText(cursor.readFixed(size), scale);
    }
    return underlyingType.typeName === 'bytes' ? (cursor) => decimalText(cursor.readBytes(), scale) : null;
  },
};

function isWhole(type: Type): boolean {
  return type.typeName === 'int' || type.typeName === 'long';
}

function readNull(): null {
  return null;
}

function readLong(cursor: Cursor): number {
  return cursor.readLong();
}

function readSymbol(symbols: readonly string[]): ReadScalar {
  return (cursor) => {
    const symbol = symbols[cursor.readLong()];
    if (symbol !== undefined) return symbol;
    cursor.fail();
    return null;
  };
}
