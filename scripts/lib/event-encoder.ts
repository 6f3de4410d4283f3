/** Events as a source system's serializer writes them: Avro in the Confluent wire format. */
import avsc from 'avsc';
import type { DecimalText, WireEvent } from '../../domain/events.ts';
import { ENTITY_RECORDS, NAMESPACE, SCHEMAS, type TopicRole } from '../../domain/schemas.ts';

export interface EventEncoder {
  /** @throws Error when the event does not fit the schema of the role's topic */
  encode(role: TopicRole, event: WireEvent): Buffer;
}

/** @param schemaIds what the registry gave the schemas of the topics */
export function createEventEncoder(schemaIds: Readonly<Record<TopicRole, number>>): EventEncoder {
  const types: Record<TopicRole, avsc.Type> = {
    events: typeOf('events'),
    leads: typeOf('leads'),
    contacts: typeOf('contacts'),
    opportunities: typeOf('opportunities'),
  };
  return {
    encode(role, { entity, ...event }) {
      // avsc wants the branch of a union of records named.
      const data = role === 'events' ? { [`${NAMESPACE}.${ENTITY_RECORDS[entity].name}`]: event.data } : event.data;
      const header = Buffer.alloc(5);
      header.writeInt32BE(schemaIds[role], 1);
      return Buffer.concat([header, types[role].toBuffer({ ...event, data })]);
    },
  };
}

function typeOf(role: TopicRole): avsc.Type {
  return avsc.Type.forSchema(SCHEMAS[role] as unknown as avsc.Schema, { logicalTypes: { decimal: AmountType } });
}

/** Avro's decimal of scale 2 from exact text. */
class AmountType extends avsc.types.LogicalType {
  protected override _toValue(amount: unknown): Buffer | undefined {
    return typeof amount === 'string' ? amountBytes(amount) : undefined;
  }

  protected override _fromValue(bytes: unknown): unknown {
    return bytes;
  }
}

/**
 * The amount in hundredths as a two's complement big-endian integer of as few bytes as will do.
 * @param amount with two digits after the point
 */
export function amountBytes(amount: DecimalText): Buffer {
  const hundredths = BigInt(amount.replace('.', ''));
  let length = 1;
  while (BigInt.asIntN(length * 8, hundredths) !== hundredths) length += 1;
  const digits = BigInt.asUintN(length * 8, hundredths).toString(16);
  return Buffer.from(digits.padStart(length * 2, '0'), 'hex');
}
