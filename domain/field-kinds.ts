/** What a field of our published schemas holds, for those who read or write it in another form than Avro. */
import type { AvroSchema } from './schemas.ts';

export type FieldKind = 'text' | 'integer' | 'time' | 'day' | 'decimal';

/** @throws Error for a schema that none of our fields has yet */
export function kindOfField(schema: AvroSchema): FieldKind {
  if (schema === 'string') return 'text';
  if (schema === 'int') return 'integer';
  if (Array.isArray(schema)) return kindOfField(schema[1]);
  if (typeof schema === 'object' && 'logicalType' in schema) {
    if (schema.logicalType === 'timestamp-millis') return 'time';
    if (schema.logicalType === 'date') return 'day';
    if (schema.logicalType === 'decimal') return 'decimal';
  }
  throw new Error(`no kind for ${JSON.stringify(schema)}: teach it to kindOfField`);
}
