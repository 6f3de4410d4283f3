import { randomUUID } from 'node:crypto';
import { type CommonQueryMethods, sql } from 'slonik';
import { onTestFinished } from 'vitest';
import type { ClaimedRange, LaneStore, Store } from '../../activities/ports.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { createStore } from '../../adapters/postgres/store.ts';
import { formerHashOf } from '../../domain/former-content-hash.ts';
import type { StagedEvent } from '../../domain/staging.ts';
import { createTestDatabase } from './database.ts';

/**
 * A store over a database of its own, with a run to write under.
 * @param settings of its lanes' connections, such as `-c lock_timeout=1s`
 */
export async function createTestStore({ settings = '' }: { settings?: string } = {}) {
  const { pool, url } = await createTestDatabase();
  const store = createStore(pool, {
    partitionInterval: 'day',
    openLanePool: () =>
      createDatabasePool({
        url: `${url}?options=${encodeURIComponent(settings)}`,
        ca: null,
        poolSize: 1,
        applicationName: 'crm-test-lane',
      }),
  });
  const runId = randomUUID();
  await store.runs.start({ runId, kind: 'live', scope: 'group' });
  return { pool, url, store, runId };
}

export async function openTestLane(store: Store, held?: readonly ClaimedRange[]): Promise<LaneStore> {
  const lane = await store.openLane(held);
  onTestFinished(() => lane.writer.close());
  return lane;
}

/** Claims partitions 0 … n-1 of a topic for a lane. */
export async function claimPartitions(lane: LaneStore, runId: string, topic: string, partitions = 1) {
  const claimed = await lane.positions.claim({
    scope: 'group',
    runId,
    owner: randomUUID(),
    ranges: Array.from({ length: partitions }, (_, partition) => ({
      topic,
      partition,
      initial: 0,
      rangeStart: 0,
      endOffset: null,
      topicId: null,
    })),
  });
  return claimed.toSorted((a, b) => a.partition - b.partition);
}

/** Has the ledger know events as releases up to 0.4.0 wrote them. */
export async function ledgerFormerly(pool: CommonQueryMethods, ...events: StagedEvent[]): Promise<void> {
  for (const event of events) {
    await pool.query(sql.unsafe`
      UPDATE analytics.crm_event_ledger SET content_hash = ${formerHashOf(event).toString()}::bigint
      WHERE event_id = ${event.eventId}`);
  }
}
