// Writes leads as a lane does, without Kafka: the writer's statement alone.
import { randomUUID } from 'node:crypto';
import type { Batch, Delivery } from '../activities/ports.ts';
import { createDatabasePool } from '../adapters/postgres/pool.ts';
import { createStore } from '../adapters/postgres/store.ts';
import type { StagedLead } from '../domain/staging.ts';

export interface LeadWriter {
  /** @returns milliseconds */
  write(events: number): Promise<number>;
  close(): Promise<void>;
}

/** Claims a range of its own. Every lead is new and of today. */
export async function openLeadWriter(url: string): Promise<LeadWriter> {
  const open = (poolSize: number) => createDatabasePool({ url, ca: null, poolSize, applicationName: 'crm-bench' });
  const pool = await open(1);
  const store = createStore(pool, { partitionInterval: 'day', openLanePool: () => open(1) });
  const runId = randomUUID();
  await store.runs.start({ runId, kind: 'live', scope: 'bench' });
  const lane = await store.openLane();
  const [range] = await lane.positions.claim({
    scope: 'bench',
    runId,
    owner: 'bench',
    ranges: [{ topic: 'crm.leads', partition: 0, initial: 0, rangeStart: 0, endOffset: null, topicId: null }],
  });
  if (range === undefined) throw new Error('the range could not be claimed');
  let next = 0;

  function batchOf(events: number): Batch {
    const now = Date.now();
    const deliveries = Array.from({ length: events }, (_, index): Delivery => {
      const record = { offset: next + index, timestamp: now, key: null, value: Buffer.from('bench'), headers: [] };
      return { slice: 0, kind: 'stage', schemaId: 1, record, event: leadOf(`${next + index}`, now) };
    });
    const slice = { range: range as NonNullable<typeof range>, from: next, next: next + events, records: events };
    return {
      runId,
      mode: 'ingest',
      suppression: 0,
      slices: [{ ...slice, absent: 0, last: null, firstTimestamp: null }],
      deliveries,
    };
  }

  return {
    async write(events) {
      const batch = batchOf(events);
      const begun = performance.now();
      await lane.writer.write(batch);
      next += events;
      return performance.now() - begun;
    },
    async close() {
      await lane.writer.close();
      await pool.end();
    },
  };
}

function leadOf(eventId: string, now: number): StagedLead {
  return {
    entity: 'lead',
    eventId,
    eventType: 'lead.created',
    organizationId: 'org-1',
    eventTimestamp: now,
    createdAt: now,
    updatedAt: now,
    metadata: '{"source":"bench"}',
    contentHash: 42,
    leadId: `lead-${eventId}`,
    firstName: 'Ada',
    lastName: 'Lovelace',
    email: 'ada@example.com',
    phone: null,
    company: null,
    title: null,
    source: 'web',
    status: 'new',
    score: 7,
    assignedTo: null,
  };
}
