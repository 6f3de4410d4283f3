/** The writers' schemas as avsc parses them, with what it would forget of logical types. */

import type { ForSchemaOptions, Schema, Type, types } from 'avsc';
import avsc from 'avsc';

/** A type with a `logicalType`: avsc drops those that it has no class for, and with them the unit of the number. */
export class AnnotatedType extends avsc.types.LogicalType {
  /** Digits after the point of a decimal, null where the schema has no sensible number of them. */
  readonly scale: number | null;

  constructor(schema: Schema, options?: ForSchemaOptions) {
    super(schema, options);
    const { scale = 0 } = schema as { scale?: unknown };
    this.scale = isScale(scale) ? scale : null;
  }

  protected override _fromValue(value: unknown): unknown {
    return value;
  }

  protected override _toValue(value: unknown): unknown {
    return value;
  }
}

/** More digits after the point are a mistake in the schema, and printing them would fill the memory. */
const LARGEST_SCALE = 38;

function isScale(scale: unknown): scale is number {
  return typeof scale === 'number' && Number.isInteger(scale) && scale >= 0 && scale <= LARGEST_SCALE;
}

const KEPT = [
  'date',
  'decimal',
  'local-timestamp-micros',
  'local-timestamp-millis',
  'local-timestamp-nanos',
  'timestamp-micros',
  'timestamp-millis',
  'timestamp-nanos',
  'time-micros',
  'time-millis',
] as const;

/** Options for every schema that is read with; avsc adds to the object it is given, so give it a copy. */
export const SCHEMA_OPTIONS: Pick<ForSchemaOptions, 'logicalTypes'> = {
  logicalTypes: Object.fromEntries(KEPT.map((name) => [name, AnnotatedType])),
};

/** @throws Error when it is no schema of Avro */
export function parseSchema(schema: Schema): Type {
  return avsc.Type.forSchema(schema, { ...SCHEMA_OPTIONS });
}

export function isRecord(type: Type): type is types.RecordType {
  return avsc.Type.isType(type, 'record');
}

export function isUnion(type: Type): type is types.UnwrappedUnionType | types.WrappedUnionType {
  return avsc.Type.isType(type, 'union');
}

export function isAnnotated(type: Type): type is AnnotatedType {
  return type instanceof AnnotatedType;
}

/** The name without its namespace. */
export function simpleName(type: Type): string {
  return (type.name ?? '').replace(/^.*\./u, '');
}
