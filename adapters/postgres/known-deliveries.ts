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
import { rowsOf } from './rows.ts';

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

type StagedDelivery = Extract<Delivery, { event: StagedEvent }>;

type Reason = 'duplicate' | 'conflict';

interface Resent {
  delivery: StagedDelivery;
  reason: Reason;
}

/** Indexes into the deliveries that were asked for. */
const foundRow = z.object({
  known: z.array(z.number()),
  /** Of these: they won their ids themselves. */
  here: z.array(z.number()),
  /** Of the others: with another hash, or for another organization. */
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
  const { mode, slices, deliveries } = batch;
  const staged = deliveries.filter((delivery): delivery is StagedDelivery => delivery.kind === 'stage');
  const found = await connection.one(named(lookUp(batch, staged), staged.length));
  const at = (indexes: readonly number[]) => indexes.map((index) => staged[index] as StagedDelivery);

  /** What each counts as; what is read again counts as a duplicate. */
  const taken = new Map<StagedDelivery, Reason>();
  for (const delivery of at(found.known)) taken.set(delivery, 'duplicate');
  for (const [nth, delivery] of at(found.unlike).entries()) {
    if (!isOfFormerHash(delivery.event, found.hashes[nth] ?? null)) taken.set(delivery, 'conflict');
  }
  let resent: Resent[] = [];
  // A replay logs none of them, and its statement finds by itself what loses within the batch.
  if (mode === 'ingest') {
    for (const { delivery, reason } of losers(staged, taken)) taken.set(delivery, reason);
    const here = new Set(at(found.here));
    resent = [...taken].filter(([delivery]) => !here.has(delivery)).map(([delivery, reason]) => ({ delivery, reason }));
  }

  const all = [...taken.keys()];
  const conflicts = all.filter((delivery) => taken.get(delivery) === 'conflict');
  const duplicates = all.filter((delivery) => taken.get(delivery) === 'duplicate');
  return {
    rest: {
      ...batch,
      deliveries: deliveries.filter((delivery) => !(delivery.kind === 'stage' && taken.has(delivery))),
    },
    known: {
      skipped: countBySlice(slices.length, all),
      conflicts: countBySlice(slices.length, conflicts),
      events: [...countByType(typesOf(duplicates), 'skipped'), ...countByType(typesOf(conflicts), 'conflict')],
      resent,
    },
  };
}

/** Those that lose to an earlier delivery of their batch. */
function losers(staged: readonly StagedDelivery[], taken: ReadonlyMap<StagedDelivery, Reason>): Resent[] {
  const winners = new Map<string, StagedEvent>();
  const found: Resent[] = [];
  for (const delivery of staged) {
    if (taken.has(delivery)) continue;
    const { event } = delivery;
    const winner = winners.get(event.eventId);
    if (winner === undefined) {
      winners.set(event.eventId, event);
      continue;
    }
    const isSame = winner.organizationId === event.organizationId && winner.contentHash === event.contentHash;
    found.push({ delivery, reason: isSame ? 'duplicate' : 'conflict' });
  }
  return found;
}

/** Whether the ledger has the content under the hash of an earlier release, which is dear: few have to be asked. */
function isOfFormerHash(event: StagedEvent, hash: string | null): boolean {
  return hash !== null && BigInt(hash) === formerHashOf(event);
}

function countBySlice(slices: number, deliveries: readonly StagedDelivery[]): number[] {
  const counts = new Array<number>(slices).fill(0);
  for (const { slice } of deliveries) counts[slice] = (counts[slice] ?? 0) + 1;
  return counts;
}

const typesOf = (deliveries: readonly StagedDelivery[]): CRMEventType[] =>
  deliveries.map(({ event }) => event.eventType);

/** The counts as a step `known`, with their sums for slice `s`. */
export function knownStep({ skipped, conflicts }: Pick<Known, 'skipped' | 'conflicts'>): FragmentSqlToken {
  return sql.fragment`
    known AS MATERIALIZED (
      SELECT * FROM unnest(${bigints(skipped)}, ${bigints(conflicts)}) WITH ORDINALITY AS k(skipped, conflicts, slice)
    )
  `;
}

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
        'skipped', ${runId}::uuid, jsonb_build_object('reason', d.reason), s.incarnation, NULLIF(d.schema_id, 0)
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
        reason: { type: 'text', values: resent.map(({ reason }) => reason) },
      })} d
      JOIN slice s ON s.slice = d.slice AND d."offset" >= s.from_offset AND d."offset" < s.next_offset
      RETURNING 1
    )
  `;
}

function lookUp({ slices }: Batch, staged: readonly StagedDelivery[]) {
  const column = <T>(pick: (delivery: StagedDelivery) => T): T[] => staged.map(pick);
  const rangeOf = ({ slice }: StagedDelivery) => slices[slice]?.range;
  return sql.type(foundRow)`
    SELECT COALESCE(array_agg(d.index), '{}') AS known,
      COALESCE(array_agg(d.index) FILTER (WHERE place.here), '{}') AS here,
      COALESCE(array_agg(d.index) FILTER (WHERE NOT place.here AND NOT place.alike), '{}') AS unlike,
      COALESCE(
        array_agg(CASE WHEN l.organization_id = d.organization_id THEN l.content_hash::text END)
          FILTER (WHERE NOT place.here AND NOT place.alike),
        '{}'
      ) AS hashes
    FROM ${rowsOf({
      index: { type: 'int', values: [...staged.keys()] },
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
