/** What keeps the books small and makes their faults known. Several workers may try at once: one does, the others let it. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { BooksCheck, BooksIncident } from '../../activities/books-ports.ts';
import type { Identity } from '../../domain/books.ts';
import { bigints, ints, texts } from './column-fragments.ts';
import { guarded } from './errors.ts';

/** Does it in a transaction, unless somebody else is at it. The lock comes first, so that what follows sees their work. */
function alone<T>(
  connection: CommonQueryMethods,
  keep: (transaction: CommonQueryMethods) => Promise<T>,
): Promise<T | null> {
  return guarded(() =>
    connection.transaction(async (transaction) => {
      const mine = await transaction.oneFirst(sql.type(z.object({ mine: z.boolean() }))`
        SELECT pg_try_advisory_xact_lock(hashtext('analytics.keep_books')) AS mine
      `);
      return mine ? keep(transaction) : null;
    }),
  );
}

/**
 * Folds rows of the chain. Of a run of batches that join without a gap the first row takes the others in, so that it
 * stays where it was in the order of epochs and offsets. Batches of several epochs may be one row: every claim raises
 * the epoch, while only a jump, which is never folded, ends one anywhere else than where the next begins.
 * @see BooksKeeper.fold
 */
export async function foldChain(connection: CommonQueryMethods, before: Date, maxRows: number): Promise<number> {
  const gone = await alone(connection, (transaction) =>
    transaction.oneFirst(sql.type(z.object({ gone: z.number() }))`
      WITH old AS (
        SELECT b.position_id, b.epoch, b.from_offset, b.next_offset, b.run_id, b.kind,
          date_trunc('hour', b.committed_at, 'UTC') AS hour, lag(b.next_offset) OVER chain AS ended,
          lag(b.run_id) OVER chain AS last_run, lag(b.kind) OVER chain AS last_kind,
          lag(date_trunc('hour', b.committed_at, 'UTC')) OVER chain AS last_hour
        FROM analytics.crm_batches b
        WHERE b.committed_at < date_trunc('hour', ${before.toISOString()}::timestamptz, 'UTC')
        WINDOW chain AS (PARTITION BY b.position_id ORDER BY b.epoch, b.from_offset)
      ),
      numbered AS (
        SELECT position_id, epoch, from_offset, kind,
          count(*) FILTER (
            WHERE (kind, last_kind, ended, last_run, last_hour)
              IS DISTINCT FROM ('batch', 'batch', from_offset, run_id, hour)
          ) OVER (PARTITION BY position_id ORDER BY epoch, from_offset) AS island
        FROM old
      ),
      island AS (
        SELECT position_id, island, sum(count(*)) OVER (ORDER BY position_id, island) - count(*) AS taken_before
        FROM numbered
        WHERE kind = 'batch'
        GROUP BY position_id, island
        HAVING count(*) > 1
      ),
      member AS MATERIALIZED (
        SELECT n.position_id, n.epoch, n.from_offset, n.island,
          row_number() OVER (PARTITION BY n.position_id, n.island ORDER BY n.epoch, n.from_offset) AS place
        FROM numbered n
        JOIN island i ON i.position_id = n.position_id AND i.island = n.island
        WHERE i.taken_before < ${maxRows}
      ),
      folded AS MATERIALIZED (
        SELECT m.position_id, m.island, max(b.next_offset) AS next_offset, sum(b.records)::bigint AS records,
          sum(b.stored)::bigint AS stored, sum(b.skipped)::bigint AS skipped, sum(b.conflicts)::bigint AS conflicts,
          sum(b.changed)::bigint AS changed,
          sum(b.filtered)::bigint AS filtered, sum(b.failed)::bigint AS failed, sum(b.dead)::bigint AS dead,
          sum(b.tombstones)::bigint AS tombstones, sum(b.absent)::bigint AS absent, sum(b.parked)::bigint AS parked,
          sum(b.batches)::int AS batches, max(b.committed_at) AS committed_at
        FROM member m
        JOIN analytics.crm_batches b USING (position_id, epoch, from_offset)
        GROUP BY m.position_id, m.island
      ),
      first AS (
        UPDATE analytics.crm_batches b
        SET next_offset = f.next_offset, records = f.records, stored = f.stored, skipped = f.skipped,
            conflicts = f.conflicts, changed = f.changed, filtered = f.filtered, failed = f.failed, dead = f.dead,
            tombstones = f.tombstones, absent = f.absent, parked = f.parked, batches = f.batches,
            committed_at = f.committed_at
        FROM member m
        JOIN folded f ON f.position_id = m.position_id AND f.island = m.island
        WHERE m.place = 1 AND b.position_id = m.position_id AND b.epoch = m.epoch AND b.from_offset = m.from_offset
        RETURNING 1
      ),
      rest AS (
        DELETE FROM analytics.crm_batches b
        USING member m
        WHERE m.place > 1 AND b.position_id = m.position_id AND b.epoch = m.epoch AND b.from_offset = m.from_offset
        RETURNING 1
      )
      SELECT count(*) AS gone FROM rest
    `),
  );
  return gone ?? 0;
}

/** @see BooksKeeper.note */
export async function noteIncidents(
  connection: CommonQueryMethods,
  { breaks, identities }: BooksCheck,
): Promise<BooksIncident[]> {
  const broken = identities.filter(({ booked, counted }) => booked !== counted);
  if (breaks.length + broken.length === 0) {
    return [];
  }
  const noted = await alone(connection, async (transaction) => [
    ...(await noteBreaks(transaction, breaks)),
    ...(await noteImbalances(transaction, broken)),
  ]);
  return noted ?? [];
}

const freshRow = z.object({ ord: z.number() });

async function noteBreaks(connection: CommonQueryMethods, breaks: BooksCheck['breaks']): Promise<BooksIncident[]> {
  const fresh = await connection.anyFirst(sql.type(freshRow)`
    WITH found AS MATERIALIZED (
      SELECT ord, 'books_' || kind AS kind, topic COLLATE "C" AS topic, partition, from_offset, to_offset,
        jsonb_build_object('incarnation', incarnation, 'chain', scope) AS details
      FROM unnest(
        ${texts(breaks.map(({ kind }) => kind))}, ${texts(breaks.map(({ topic }) => topic))},
        ${ints(breaks.map(({ incarnation }) => incarnation))}, ${ints(breaks.map(({ partition }) => partition))},
        ${texts(breaks.map(({ scope }) => scope))}, ${bigints(breaks.map(({ from }) => from))},
        ${bigints(breaks.map(({ to }) => to))}
      ) WITH ORDINALITY AS b(kind, topic, incarnation, partition, scope, from_offset, to_offset, ord)
    ),
    fresh AS MATERIALIZED (
      SELECT * FROM found f
      WHERE NOT EXISTS (
        SELECT 1 FROM analytics.crm_incidents i
        WHERE i.kind = f.kind AND i.topic = f.topic AND i.partition = f.partition AND i.from_offset = f.from_offset
          AND i.to_offset = f.to_offset AND i.details = f.details
      )
    ),
    noted AS (
      INSERT INTO analytics.crm_incidents (kind, topic, partition, from_offset, to_offset, details)
      SELECT kind, topic, partition, from_offset, to_offset, details FROM fresh
    )
    SELECT ord FROM fresh
  `);
  return breaks
    .filter((_, index) => fresh.includes(index + 1))
    .map(({ kind, ...where }) => ({ kind: kind === 'gap' ? 'books_gap' : 'books_overlap', ...where }));
}

/** Both sides of an identity grow with every event; what makes it another imbalance is the difference. */
async function noteImbalances(connection: CommonQueryMethods, broken: readonly Identity[]): Promise<BooksIncident[]> {
  const fresh = await connection.anyFirst(sql.type(freshRow)`
    WITH fresh AS MATERIALIZED (
      SELECT ord, jsonb_build_object('identity', name, 'booked', booked, 'counted', counted) AS details
      FROM unnest(
        ${texts(broken.map(({ name }) => name))}, ${bigints(broken.map(({ booked }) => booked))},
        ${bigints(broken.map(({ counted }) => counted))}
      ) WITH ORDINALITY AS b(name, booked, counted, ord)
      WHERE NOT EXISTS (
        SELECT 1 FROM analytics.crm_incidents i
        WHERE i.kind = 'books_imbalance' AND i.details ->> 'identity' = b.name
          AND (i.details ->> 'booked')::bigint - (i.details ->> 'counted')::bigint = b.booked - b.counted
      )
    ),
    noted AS (
      INSERT INTO analytics.crm_incidents (kind, details) SELECT 'books_imbalance', details FROM fresh
    )
    SELECT ord FROM fresh
  `);
  return broken
    .filter((_, index) => fresh.includes(index + 1))
    .map(({ name, booked, counted }) => ({ kind: 'books_imbalance', identity: name, booked, counted }));
}
