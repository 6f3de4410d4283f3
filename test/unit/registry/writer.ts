import avsc, { type Schema } from 'avsc';
import type { Decoded, EventDecoder } from '../../../activities/ports.ts';
import { parseSchema } from '../../../adapters/registry/avro-types.ts';
import { createDecoder } from '../../../adapters/registry/decoder.ts';
import { type AvroRecord, SCHEMAS, type TopicRole } from '../../../domain/schemas.ts';

export type AvroJson = Record<string, unknown>;

/** Bytes in the Confluent wire format. */
export function framed(schemaId: number, avro: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.writeInt32BE(schemaId, 1);
  return Buffer.concat([header, avro]);
}

/** A decoder whose registry holds these schemas under the ids 1, 2, …, all of them asked for already. */
export async function decoderOf(...schemas: unknown[]): Promise<(value: Buffer) => Decoded> {
  const decoder: EventDecoder = createDecoder({
    schemaById: async (id) =>
      id <= schemas.length
        ? { found: true, type: parseSchema(schemas[id - 1] as Schema) }
        : { found: false, code: 'unknown_schema', detail: 'none' },
  });
  for (let id = 1; id <= schemas.length; id += 1) await decoder.decode(framed(id, Buffer.alloc(0)));
  return (value) => {
    const decoded = decoder.decode(value);
    if (decoded instanceof Promise) throw new Error('the decoder asked the registry again');
    return decoded;
  };
}

/** Encodes as a source would that writes with this schema: avsc without any of our code. */
export function encodeAs(schema: unknown, value: object): Buffer {
  return avsc.Type.forSchema(structuredClone(schema) as Schema).toBuffer(value);
}

/** A copy of a topic's schema for a test to change. */
export function schemaOf(role: TopicRole): AvroRecord {
  return structuredClone(SCHEMAS[role]);
}

/** The schema with other fields. */
export function withFields(schema: AvroRecord, change: (fields: AvroJson[]) => AvroJson[]): AvroJson {
  return { ...schema, fields: change(structuredClone(schema.fields) as unknown as AvroJson[]) };
}

/** The schema with other fields in the record that is `data`. */
export function withDataFields(
  role: 'leads' | 'contacts' | 'opportunities',
  change: (fields: AvroJson[]) => AvroJson[],
) {
  return withFields(schemaOf(role), (fields) =>
    fields.map((field) =>
      field.name === 'data' ? { ...field, type: withFields(field.type as AvroRecord, change) } : field,
    ),
  );
}

/** Replaces the type of one field. */
export function retyped(name: string, type: unknown) {
  return (fields: AvroJson[]) => fields.map((field) => (field.name === name ? { name, doc: field.doc, type } : field));
}

/** Drops fields. */
export function without(...names: string[]) {
  return (fields: AvroJson[]) => fields.filter(({ name }) => !names.includes(name as string));
}
