// Large events. Our columns have limits, the longest has 500 characters: what makes an event larger than that is a field
// of its writer's schema that we don't know. It is read from Kafka, carried and stepped over, but not stored.
import type { AvroRecord } from '../../domain/schemas.ts';

/** The last field, so that it is added to an encoded event by appending. */
const FIELD = { name: 'attachment', type: 'bytes', doc: 'What only the source understands.' } as const;

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/** A writer's schema with one field more. */
export function widened(schema: AvroRecord): AvroRecord {
  return { ...schema, fields: [...schema.fields, FIELD] };
}

/**
 * Makes encoded events as large as wanted; those that are larger already stay so.
 * @param bytes of the whole message
 * @returns a function that takes an event encoded without the field and gives it with the field
 */
export function widener(bytes: number): (value: Buffer) => Buffer {
  const content = Buffer.alloc(bytes, LETTERS);
  return (value) => {
    const wanted = Math.max(0, bytes - value.length);
    const length = varint(wanted);
    const rest = Math.max(0, wanted - length.length);
    return Buffer.concat([value, varint(rest), content.subarray(0, rest)]);
  };
}

/** Avro's `long` for a number from 0 on. */
function varint(number: number): Buffer {
  const digits: number[] = [];
  let rest = number * 2;
  while (rest > 127) {
    digits.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...digits, rest]);
}
