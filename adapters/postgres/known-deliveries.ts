/**
 * Deliveries that stage nothing, since their ids are known: those that are read again, and those of events that their
 * source sent again. Where many are, it costs half to ask the ledger first and to write the rest as new; where none are,
 * it would be one question too many.
 */
import { type DatabasePoolConnection, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Batch, BatchResult, Delivery } from '../../activities/ports.ts';
import type { CRMEventType } from '../../domain/events.ts';
import { formerHashOf } from '../../domain/former-content-hash.ts';
import type { StagedEvent } from '../../domain/staging.ts';
import { bigints } from './column-fragments.ts';
import { countByType } from './event-counts.ts';
import type { StatementNames } from './prepared.ts';
import { rowsOf, SHARED_FROM } from './rows.ts';

/** What was taken out of a batch. */
export interface Known {
  /** By slice. */
  skipped: number[];
  /** By slice. */
  conflicts: number[];
  events: BatchResult['events'];
  /** Those that get a row in the log: live ones that came to another place than the delivery that won the id. */
  resent: readonly Resent[];
}

interface Resent {
  delivery: StagedDelivery;
  reason: 'duplicate' | 'conflict';
}

type StagedDelivery = Extract<Delivery, { event: StagedEvent }>;

/** Indexes into the deliveries. */
const foundRow = z.object({
  known: z.array(z.number()),
  /** Of these: another delivery won the id. */
  elsewhere: z.array(z.number()),
  /** Of these: with another hash, or for another organization. */
  unlike: z.array(z.number()),
  /** The ledger's hash of each of these; null: another organization. */
  hashes: z.array(z.string().nullable()),
});

/** @returns what is left of the batch, in which each id is new as far as the ledger knows, and what was taken out */
export async function takeOutKnown(
  connection: DatabasePoolConnection,
  named: StatementNames,
  batch: Batch,
): Promise<{ rest: Batch; known: Known }> {
  const { mode, deliveries } = batch;
  const staged = [...deliveries.entries()].filter(
    (entry): entry is [number, StagedDelivery] => entry[1].kind === 'stage',
  );
  const question = lookUp(batch, staged);
  const found = await connection.one(staged.length < SHARED_FROM ? named(question) : question);
  const taken = new Set(found.known);
  const elsewhere = new Set(found.elsewhere);
  const conflicts = new Set(found.unlike.filter((index, at) => !isOfFormerHash(deliveries[index], found.hashes[at])));
  // Of a replay, which logs none of them, the statement itself finds these.
  for (const [index, isConflict] of mode === 'ingest' ? losers(staged, taken) : []) {
    taken.add(index);
    elsewhere.add(index);
    if (isConflict) conflicts.add(index);
  }
  const duplicates = [...taken].filter((index) => !conflicts.has(index));
  return {
    rest: { ...batch, deliveries: deliveries.filter((_, index) => !taken.has(index)) },
    known: {
      skipped: countBySlice(batch, taken),
      conflicts: countBySlice(batch, conflicts),
      events: [
        ...countByType(typesOf(batch, duplicates), 'skipped'),
        ...countByType(typesOf(batch, conflicts), 'conflict'),
      ],
      resent:
        mode === 'ingest'
          ? staged
              .filter(([index]) => elsewhere.has(index))
              .map(([index, delivery]) => ({ delivery, reason: conflicts.has(index) ? 'conflict' : 'duplicate' }))
          : [],
    },
  };
}

/** Those that lose to an earlier delivery of their batch, and whether it has another content. */
function losers(
  staged: ReadonlyArray<[index: number, delivery: StagedDelivery]>,
  taken: ReadonlySet<number>,
): Array<[index: number, isConflict: boolean]> {
  const winners = new Map<string, StagedEvent>();
  const found: Array<[number, boolean]> = [];
  for (const [index, { event }] of staged) {
    if (taken.has(index)) continue;
    const winner = winners.get(event.eventId);
    if (winner === undefined) winners.set(event.eventId, event);
    else {
      const { organizationId, contentHash } = winner;
      found.push([index, organizationId !== event.organizationId || contentHash !== event.contentHash]);
    }
  }
  return found;
}

/** Whether the ledger has the content under the hash of an earlier release, which is dear: few have to be asked. */
function isOfFormerHash(delivery: Delivery | undefined, hash: string | null | undefined): boolean {
  return delivery?.kind === 'stage' && typeof hash === 'string' && BigInt(hash) === formerHashOf(delivery.event);
}

function countBySlice({ slices, deliveries }: Batch, indexes: Iterable<number>): number[] {
  const counts = new Array<number>(slices.length).fill(0);
  for (const index of indexes) {
    const slice = deliveries[index]?.slice ?? 0;
    counts[slice] = (counts[slice] ?? 0) + 1;
  }
  return counts;
}

function typesOf({ deliveries }: Batch, indexes: Iterable<number>): CRMEventType[] {
  return [...indexes].flatMap((index) => {
    const delivery = deliveries[index];
    return delivery?.kind === 'stage' ? [delivery.event.eventType] : [];
  });
}

/** The counts as a step `known`, with their sums for slice `s`. */
export function knownStep({ skipped, conflicts }: Pick<Known, 'skipped' | 'conflicts'>): FragmentSqlToken {
  return sql.fragment`
    known AS MATERIALIZED (
      SELECT * FROM unnest(${bigints(skipped)}, ${bigints(conflicts)}) WITH ORDINALITY AS k(skipped, conflicts, slice)
    )
  `;
}

/** As the column says it. */
const METADATA: Readonly<Record<Resent['reason'], string>> = {
  duplicate: '{"reason":"duplicate"}',
  conflict: '{"reason":"conflict"}',
};

/**
 * Rows of the log for what was sent again, as a step `resent`: nothing of it was logged before, or the log's key refuses
 * the batch.
 */
export function resentStep(resent: readonly Resent[], runId: string): FragmentSqlToken {
  const column = <T>(pick: (delivery: StagedDelivery) => T): T[] => resent.map(({ delivery }) => pick(delivery));
  return sql.fragment`
    resent AS (
      INSERT INTO analytics.crm_events_log (
        id, event_id, event_type, topic, partition, "offset", organization_id, event_timestamp, processing_status,
        ingestion_id, metadata, topic_incarnation, schema_id
      )
      SELECT d.id, d.event_id, d.event_type, s.topic, s.partition, d."offset", d.organization_id, d.event_timestamp,
        'skipped', ${runId}::uuid, d.metadata, s.incarnation, NULLIF(d.schema_id, 0)
      FROM fenced
      CROSS JOIN ${rowsOf({
        id: { type: 'uuid', values: resent },
        slice: { type: 'int', values: column(({ slice }) => slice + 1) },
        offset: { type: 'bigint', values: column(({ record }) => record.offset) },
        event_id: { type: 'text', values: column(({ event }) => event.eventId) },
        event_type: { type: 'text', values: column(({ event }) => event.eventType) },
        organization_id: { type: 'text', values: column(({ event }) => event.organizationId) },
        event_timestamp: { type: 'instant', values: column(({ event }) => event.eventTimestamp) },
        schema_id: { type: 'int', values: column(({ schemaId }) => schemaId) },
        metadata: { type: 'jsonb', values: resent.map(({ reason }) => METADATA[reason]) },
      })} d
      JOIN slice s ON s.slice = d.slice AND d."offset" >= s.from_offset AND d."offset" < s.next_offset
      RETURNING 1
    )
  `;
}

function lookUp({ slices }: Batch, staged: ReadonlyArray<[index: number, delivery: StagedDelivery]>) {
  const column = <T>(pick: (delivery: StagedDelivery) => T): T[] => staged.map(([, delivery]) => pick(delivery));
  const rangeOf = ({ slice }: StagedDelivery) => slices[slice]?.range;
  return sql.type(foundRow)`
    SELECT COALESCE(array_agg(d.index), '{}') AS known,
      COALESCE(array_agg(d.index) FILTER (WHERE NOT place.here), '{}') AS elsewhere,
      COALESCE(array_agg(d.index) FILTER (WHERE NOT place.here AND NOT place.alike), '{}') AS unlike,
      COALESCE(
        array_agg(CASE WHEN l.organization_id = d.organization_id THEN l.content_hash::text END)
          FILTER (WHERE NOT place.here AND NOT place.alike),
        '{}'
      ) AS hashes
    FROM ${rowsOf({
      index: { type: 'int', values: staged.map(([index]) => index) },
      event_id: { type: 'text', values: column(({ event }) => event.eventId) },
      organization_id: { type: 'text', values: column(({ event }) => event.organizationId) },
      content_hash: { type: 'bigint', values: column(({ event }) => event.contentHash) },
      source_id: { type: 'int', values: column((delivery) => rangeOf(delivery)?.sourceId ?? null) },
      partition: { type: 'int', values: column((delivery) => rangeOf(delivery)?.partition ?? null) },
      offset: { type: 'bigint', values: column(({ record }) => record.offset) },
    })} d
    CROSS JOIN LATERAL (
      SELECT known.organization_id, known.source_id, known.partition, known."offset", known.content_hash
      FROM analytics.crm_event_ledger known
      WHERE known.event_id = d.event_id COLLATE "C"
      OFFSET 0 -- look-ups by key, never a join with the whole ledger
    ) l
    CROSS JOIN LATERAL (
      SELECT (l.source_id, l.partition, l."offset") = (d.source_id, d.partition, d."offset") AS here,
        (l.organization_id, l.content_hash) = (d.organization_id, d.content_hash) AS alike
    ) place
  `;
}
