// Topics of one shape: so many partitions, organizations, and bytes in an event.
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import type { KafkaClient } from '../../adapters/kafka/client.ts';
import { createRegistryClient, type RegistryOptions } from '../../adapters/registry/client.ts';
import { type AvroRecord, SCHEMAS, TOPIC_ROLES, type TopicRole } from '../../domain/schemas.ts';
import { createEventEncoder } from '../../scripts/lib/event-encoder.ts';
import { type RoleRecord, sendRecords } from '../../scripts/lib/send-records.ts';
import { type EventsShape, eventsOf } from './generated.ts';
import { sparse } from './sparse.ts';
import { widened, widener } from './wide.ts';

export type Topics = Readonly<Record<TopicRole, string>>;

export interface Shape extends EventsShape {
  /** Of each topic. */
  partitions: number;
  /** `sparse` is without what is optional, `plain` as the generator makes them; a number of bytes is filled up. */
  size: 'sparse' | 'plain' | number;
}

/** Makes topics whose names end with `suffix`, and fills them. */
export async function fillTopics(
  { kafka, registry }: { kafka: KafkaClient; registry: RegistryOptions },
  suffix: string,
  shape: Shape,
): Promise<Topics> {
  const topics = byRole((role) => `crm.${role}.${suffix}`);
  const { partitions, size } = shape;
  await createKafkaAdmin(kafka).createTopics(Object.values(topics).map((topic) => ({ topic, partitions })));
  try {
    const client = createRegistryClient(registry);
    const schemas = typeof size === 'number' ? byRole((role) => widened(SCHEMAS[role])) : SCHEMAS;
    const ids = { events: 0, leads: 0, contacts: 0, opportunities: 0 };
    for (const role of TOPIC_ROLES) ids[role] = await client.register(topics[role], schemas[role] as AvroRecord);
    await sendRecords(recordsOf(shape, ids), { kafka, topics });
    return topics;
  } catch (error) {
    await deleteTopics(kafka, topics);
    throw error;
  }
}

export function deleteTopics(kafka: KafkaClient, topics: Topics): Promise<void> {
  return createKafkaAdmin(kafka).deleteTopics(Object.values(topics));
}

function* recordsOf({ size, ...shape }: Shape, schemaIds: Readonly<Record<TopicRole, number>>): Generator<RoleRecord> {
  const encoder = createEventEncoder(schemaIds);
  const widen = typeof size === 'number' ? widener(size) : (value: Buffer) => value;
  for (const { role, event } of eventsOf(shape)) {
    const sent = size === 'sparse' ? sparse(event) : event;
    yield { role, key: sent.data.id, value: widen(encoder.encode(role, sent)) };
  }
}

function byRole<T>(make: (role: TopicRole) => T): Record<TopicRole, T> {
  return {
    events: make('events'),
    leads: make('leads'),
    contacts: make('contacts'),
    opportunities: make('opportunities'),
  };
}
