/** The writers' schemas as avsc parses them, with what it would forget of logical types. */

import type { ForSchemaOptions, Schema, Type, types } from 'avsc';
import avsc from 'avsc';

/** A type with a `logicalType`: avsc drops those that it has no class for, and with them the unit of the number. */
export class AnnotatedType extends avsc.types.LogicalType {
  /** Digits after the point of a decimal, null where the schema has no sensible number of them. */
  readonly scale: number | null;

  /** @throws Error when it annotates a type that can't carry it: avsc then takes that type as it is, as Avro demands */
  constructor(schema: Schema, options?: ForSchemaOptions) {
    super(schema, options);
    const { logicalType, scale = 0 } = schema as { logicalType: keyof typeof CARRIERS; scale?: unknown };
    const { typeName } = this.underlyingType;
    if (!CARRIERS[logicalType].includes(typeName)) throw new Error(`a ${typeName} is no ${logicalType}`);
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

const NUMBERS: readonly string[] = ['int', 'long'];
const BYTES: readonly string[] = ['bytes', 'fixed'];

/** The logical types that are kept, and the types that they may annotate. */
const CARRIERS = {
  date: NUMBERS,
  decimal: BYTES,
  'local-timestamp-micros': NUMBERS,
  'local-timestamp-millis': NUMBERS,
  'local-timestamp-nanos': NUMBERS,
  'timestamp-micros': NUMBERS,
  'timestamp-millis': NUMBERS,
  'timestamp-nanos': NUMBERS,
  'time-micros': NUMBERS,
  'time-millis': NUMBERS,
} as const;

/** Options for every schema that is read with; avsc adds to the object it is given, so give it a copy. */
export const SCHEMA_OPTIONS: Pick<ForSchemaOptions, 'logicalTypes'> = {
  logicalTypes: Object.fromEntries(Object.keys(CARRIERS).map((name) => [name, AnnotatedType])),
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
