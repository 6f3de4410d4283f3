// The same events once more, in the form that a JDBC sink can write: flat records, with the entity as JSON text.
import avsc from 'avsc';
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import type { KafkaClient } from '../../adapters/kafka/client.ts';
import { createEventProducer } from '../../adapters/kafka/producer.ts';
import { createRegistryClient, type RegistryOptions } from '../../adapters/registry/client.ts';
import type { AvroField, AvroRecord, AvroSchema } from '../../domain/schemas.ts';
import type { SoundEvent } from '../../scripts/lib/story.ts';
import { type BacklogSettings, shapeOf } from '../backlog.ts';
import { eventsOf } from '../events/generated.ts';

const CHUNK_RECORDS = 2_000;
const MAGIC_AND_ID_BYTES = 5;

const field = (name: string, type: AvroSchema, doc: string): AvroField => ({ name, type, doc });
const optional = (name: string, doc: string): AvroField => ({ ...field(name, ['null', 'string'], doc), default: null });

/** Fields are named like the columns of the table, which is how the sink finds them. */
const FLAT_EVENT: AvroRecord = {
  type: 'record',
  name: 'FlatCRMEvent',
  namespace: 'crm.bench',
  doc: 'A CRM event whose entity is JSON text.',
  fields: [
    field('event_id', 'string', 'Unique id given by the source.'),
    field('event_type', 'string', 'What happened.'),
    field('organization_id', 'string', 'The organization that the event belongs to.'),
    field('event_timestamp', { type: 'long', logicalType: 'timestamp-millis' }, 'When it happened.'),
    optional('source', 'The sending system.'),
    optional('version', 'The sending system’s version of the event.'),
    optional('correlation_id', 'Ties together the events of one business action.'),
    field('data', 'string', 'The entity as it is after the event, as JSON.'),
  ],
};

/** A flat record as it is read. */
export interface FlatEvent {
  event_id: string;
  event_type: string;
  organization_id: string;
  /** Epoch milliseconds. */
  event_timestamp: number;
  source: string | null;
  version: string | null;
  correlation_id: string | null;
  /** JSON. */
  data: string;
}

/** Makes and fills the topic of the rival and of `same`. */
export async function fillPeerTopic(
  kafka: KafkaClient,
  registry: RegistryOptions,
  topic: string,
  settings: BacklogSettings,
): Promise<void> {
  await createKafkaAdmin(kafka).createTopics([{ topic, partitions: settings.partitions }]);
  const schemaId = await createRegistryClient(registry).register(topic, FLAT_EVENT);
  const type = avsc.Type.forSchema(FLAT_EVENT as unknown as avsc.Schema);
  const events = eventsOf(shapeOf(settings));
  const producer = await createEventProducer(kafka);
  try {
    for (let at = 0; at < events.length; at += CHUNK_RECORDS) {
      await producer.send(
        events.slice(at, at + CHUNK_RECORDS).map(({ event }) => ({
          topic,
          key: event.data.id,
          value: encode(type, schemaId, event),
        })),
      );
    }
  } finally {
    await producer.close();
  }
}

function encode(type: avsc.Type, schemaId: number, event: SoundEvent): Buffer {
  const flat: FlatEvent = {
    event_id: event.eventId,
    event_type: event.eventType,
    organization_id: event.organizationId,
    event_timestamp: event.timestamp,
    source: event.metadata?.source ?? null,
    version: event.metadata?.version ?? null,
    correlation_id: event.metadata?.correlationId ?? null,
    data: JSON.stringify(event.data),
  };
  const header = Buffer.alloc(MAGIC_AND_ID_BYTES);
  header.writeInt32BE(schemaId, 1);
  return Buffer.concat([header, type.toBuffer(flat)]);
}
