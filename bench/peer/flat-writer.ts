// A batch into the one table, by key, with the positions moved in the same statement.
import { type DatabasePoolConnection, sql } from 'slonik';
import { z } from 'zod';
import type { LogRange, LogSlice, TopicPartition } from '../../activities/ports.ts';
import { ints } from '../../adapters/postgres/column-fragments.ts';
import { rowsOf } from '../../adapters/postgres/rows.ts';
import type { FlatColumns } from './flat-decoder.ts';
import { FLAT_POSITIONS, PEER_TABLE } from './table.ts';

const table = sql.identifier([PEER_TABLE]);
const positions = sql.identifier([FLAT_POSITIONS]);

/** Where each partition goes on from. */
export async function claimFlat(
  connection: DatabasePoolConnection,
  partitions: readonly TopicPartition[],
): Promise<LogRange[]> {
  const wanted = ints(partitions.map(({ partition }) => partition));
  await connection.query(sql.unsafe`
    INSERT INTO ${positions} (partition, next_offset) SELECT unnest(${wanted}), 0 ON CONFLICT DO NOTHING
  `);
  const row = z.object({ partition: z.number(), next_offset: z.number() });
  const rows = await connection.any(sql.type(row)`SELECT * FROM ${positions} WHERE partition = ANY (${wanted})`);
  const topic = partitions[0]?.topic ?? '';
  return rows.map(({ partition, next_offset: from }) => ({ topic, partition, from, to: null }));
}

/** Writes a batch. A position that stands elsewhere makes the statement divide by zero, and all of it is undone. */
export async function writeFlat(
  connection: DatabasePoolConnection,
  slices: readonly LogSlice[],
  columns: FlatColumns,
): Promise<void> {
  const moves = rowsOf({
    partition: { type: 'int', values: slices.map(({ partition }) => partition) },
    from_offset: { type: 'bigint', values: slices.map(({ from }) => from) },
    next_offset: { type: 'bigint', values: slices.map(({ next }) => next) },
  });
  const rows = rowsOf({
    event_id: { type: 'text', values: columns.eventId },
    event_type: { type: 'text', values: columns.eventType },
    organization_id: { type: 'text', values: columns.organizationId },
    event_timestamp: { type: 'instant', values: columns.eventTimestamp },
    source: { type: 'text', values: columns.source },
    version: { type: 'text', values: columns.version },
    correlation_id: { type: 'text', values: columns.correlationId },
    data: { type: 'jsonb', values: columns.data },
  });
  await connection.query(sql.unsafe`
    WITH moved AS (
      UPDATE ${positions} p SET next_offset = s.next_offset
      FROM ${moves} s
      WHERE p.partition = s.partition AND p.next_offset = s.from_offset
      RETURNING 1
    )
    INSERT INTO ${table} (
      event_id, event_type, organization_id, event_timestamp, source, version, correlation_id, data
    )
    SELECT * FROM ${rows} r
    WHERE (SELECT 1 / (count(*) = ${slices.length})::int FROM moved) = 1
    ON CONFLICT (event_id, event_timestamp) DO NOTHING
  `);
}
