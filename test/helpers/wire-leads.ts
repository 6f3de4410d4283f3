import avro from 'avsc';
import type { OutgoingRecord } from '../../adapters/kafka/producer.ts';
import { SCHEMAS } from '../../domain/schemas.ts';

const ENVELOPE = avro.Type.forSchema(SCHEMAS.leads as unknown as avro.Schema);
const BASE = Date.UTC(2026, 10, 20, 12);

/** A lead event in the Confluent wire format. */
export function wireLead(
  schemaId: number,
  eventId: string,
  over: { timestamp?: number; email?: string; lastName?: string; organization?: string; owner?: string } = {},
): Buffer {
  const organizationId = over.organization ?? 'org-1';
  const body = ENVELOPE.toBuffer({
    eventId,
    eventType: 'lead.created',
    organizationId,
    timestamp: over.timestamp ?? BASE,
    data: {
      id: `lead-${eventId}`,
      firstName: 'Ada',
      lastName: over.lastName ?? 'Lovelace',
      email: over.email ?? 'ada@example.com',
      phone: null,
      company: null,
      title: null,
      source: 'web',
      status: 'new',
      score: null,
      assignedTo: null,
      createdAt: BASE,
      updatedAt: BASE,
      organizationId: over.owner ?? organizationId,
    },
    metadata: null,
  });
  const header = Buffer.alloc(5);
  header.writeInt32BE(schemaId, 1);
  return Buffer.concat([header, body]);
}

/** Records for event ids, one after another into a partition. */
export function leadRecords(topic: string, schemaId: number, ids: readonly string[], partition = 0): OutgoingRecord[] {
  return ids.map((id) => ({ topic, key: id, value: wireLead(schemaId, id), partition }));
}

/** `count` ids with a prefix: a-0, a-1, … */
export function ids(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}
