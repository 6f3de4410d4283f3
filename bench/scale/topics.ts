// Topics of one shape: so many partitions, organizations, and bytes in an event.
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import type { KafkaClient } from '../../adapters/kafka/client.ts';
import { createRegistryClient, type RegistryOptions } from '../../adapters/registry/client.ts';
import { type AvroRecord, SCHEMAS, TOPIC_ROLES, type TopicRole } from '../../domain/schemas.ts';
import { createEventEncoder } from '../../scripts/lib/event-encoder.ts';
import { createEventFactory, type GeneratedEvent } from '../../scripts/lib/event-factory.ts';
import { type RoleRecord, sendRecords } from '../../scripts/lib/send-records.ts';
import { sparse } from './sparse.ts';
import { widened, widener } from './wide.ts';

export type Topics = Readonly<Record<TopicRole, string>>;

export interface Shape {
  events: number;
  /** The same seed, organizations, days and time give the same events. */
  seed: string;
  days: number;
  /** Epoch milliseconds: no event is later. */
  now: number;
  /** Of each topic. */
  partitions: number;
  organizations: number;
  /** `sparse` is without what is optional, `plain` as the generator makes them; a number of bytes is filled up. */
  size: 'sparse' | 'plain' | number;
  /** As they come from a CRM, by their times; else story by story, their times anywhere in the days. */
  inOrder?: boolean;
  /** Ids as UUIDs of version 7, which begin with the event's time; else random ones. */
  growingIds?: boolean;
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
  const client = createRegistryClient(registry);
  const schemas = typeof size === 'number' ? byRole((role) => widened(SCHEMAS[role])) : SCHEMAS;
  const ids = { events: 0, leads: 0, contacts: 0, opportunities: 0 };
  for (const role of TOPIC_ROLES) ids[role] = await client.register(topics[role], schemas[role] as AvroRecord);
  await sendRecords(recordsOf(shape, ids), { kafka, topics });
  return topics;
}

export function deleteTopics(kafka: KafkaClient, topics: Topics): Promise<void> {
  return createKafkaAdmin(kafka).deleteTopics(Object.values(topics));
}

/** The events of a shape, in the order in which they are sent. */
export function eventsOf({
  events,
  inOrder = false,
  growingIds = false,
  ...settings
}: Pick<Shape, 'events' | 'inOrder' | 'growingIds' | 'seed' | 'organizations' | 'days' | 'now'>): GeneratedEvent[] {
  const factory = createEventFactory(settings);
  const made = Array.from({ length: events }, (_, index) => factory.eventAt(index));
  const generated = growingIds ? made.map(withGrowingId) : made;
  return inOrder ? generated.sort((one, other) => one.event.timestamp - other.event.timestamp) : generated;
}

/** The layout is that of RFC 9562, 5.7: 48 bits of milliseconds, the version, random bits. */
function withGrowingId({ role, event }: GeneratedEvent): GeneratedEvent {
  const time = event.timestamp.toString(16).padStart(12, '0');
  return { role, event: { ...event, eventId: `${time.slice(0, 8)}-${time.slice(8)}-7${event.eventId.slice(15)}` } };
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
