/**
 * Turns a batch into columns, the form in which one statement takes thousands of rows (`unnest`). Part of the hot path:
 * one pass, no intermediate objects.
 */
import type { Batch, Delivery, ParkReason } from '../../activities/ports.ts';
import { FIRST_RETRY_MS } from '../../domain/backoff.ts';
import { statusOf } from '../../domain/failures.ts';
import { formerHashOf } from '../../domain/former-content-hash.ts';
import type { StagedContact, StagedLead, StagedOpportunity } from '../../domain/staging.ts';
import { storable } from '../../domain/text.ts';
import type { SealingKey } from './data-keys.ts';

type Numbers = Array<number | null>;
type Texts = Array<string | null>;

interface StagedColumns {
  /** Ties a row to its delivery, counted from 1. */
  ord: Numbers;
  /** Epoch milliseconds, as all times here. */
  createdAt: Numbers;
  updatedAt: Numbers;
  metadata: Texts;
}

export interface BatchColumns {
  deliveries: {
    /** Counted from 1. */
    ord: Numbers;
    slice: Numbers;
    offset: Numbers;
    status: Texts;
    eventId: Texts;
    eventType: Texts;
    organizationId: Texts;
    eventTimestamp: Numbers;
    entity: Numbers;
    contentHash: Numbers;
    schemaId: Numbers;
    error: Texts;
  };
  /** Of the deliveries that are staged. Made when they are asked for, since they cost more than all else here. */
  formerHashes: () => ReadonlyArray<bigint | null>;
  leads: StagedColumns & {
    leadId: Texts;
    firstName: Texts;
    lastName: Texts;
    email: Texts;
    phone: Texts;
    company: Texts;
    title: Texts;
    source: Texts;
    status: Texts;
    score: Numbers;
    assignedTo: Texts;
  };
  contacts: StagedColumns & {
    contactId: Texts;
    firstName: Texts;
    lastName: Texts;
    email: Texts;
    phone: Texts;
    company: Texts;
    title: Texts;
    leadId: Texts;
  };
  opportunities: StagedColumns & {
    opportunityId: Texts;
    name: Texts;
    leadId: Texts;
    contactId: Texts;
    amount: Texts;
    currency: Texts;
    stage: Texts;
    probability: Numbers;
    expectedCloseDate: Numbers;
  };
  rejected: {
    ord: Numbers;
    code: Texts;
    sqlstate: Texts;
    field: Texts;
    /** Epoch milliseconds, null for a dead letter. */
    nextAttempt: Numbers;
    recordTimestamp: Numbers;
    schemaId: Numbers;
    key: Texts;
    value: Texts;
    headers: Texts;
    /** The data key of the values, which then hold all of their messages; null: they are as they came. */
    sealedBy: SealingKey | null;
  };
  /** Tombstones of each slice: counted, but no rows. */
  tombstones: number[];
  /** What is left in Kafka of each slice. */
  parked: ParkedColumns;
}

/** One range for each slice, schema or organization, and reason: from its first record to its last. */
export interface ParkedColumns {
  /** Where each of them stands in the columns. */
  places: Map<string, number>;
  slice: number[];
  /** Of records over a quota; null for others. */
  organizationId: Array<string | null>;
  schemaId: number[];
  reason: ParkReason[];
  from: number[];
  /** Exclusive. */
  to: number[];
  records: number[];
}

/** crm_event_ledger.entity. */
const ENTITY_NUMBER = { lead: 1, contact: 2, opportunity: 3 } as const;

/** Earliest time the dated partitions of the events log begin with; what is before counts as no plausible time. */
const PLAUSIBLE_FROM = Date.UTC(2000, 0, 1);
/** A record time further ahead of the clock is a producer's nonsense, and must not choose a partition. */
const PLAUSIBLE_AHEAD = 86_400_000;

/**
 * The time a delivery is logged at: the event's own where it is valid, else the broker's where it is plausible, else
 * 1970 — never the clock's, so that reading the message again finds the same row.
 */
export function logTimestamp(delivery: Exclude<Delivery, { kind: 'tombstone' | 'parked' }>): number {
  const own = delivery.event.eventTimestamp;
  if (own !== undefined) {
    return own;
  }
  const { timestamp } = delivery.record;
  return timestamp >= PLAUSIBLE_FROM && timestamp < Date.now() + PLAUSIBLE_AHEAD ? timestamp : 0;
}

type Part = Pick<Batch, 'slices'> & { deliveries: readonly Delivery[] };

/** @param before how many deliveries with rows come before, where it is a part of a batch */
export function toColumns(batch: Part, before = 0): BatchColumns {
  const result = emptyColumns(batch);
  const firstRetryAt = Date.now() + FIRST_RETRY_MS;
  const all = result.deliveries;
  let ord = before;
  for (const delivery of batch.deliveries) {
    if (delivery.kind === 'tombstone') {
      result.tombstones[delivery.slice] = (result.tombstones[delivery.slice] ?? 0) + 1;
      continue;
    }
    if (delivery.kind === 'parked') {
      pushParked(result.parked, delivery);
      continue;
    }
    ord += 1;
    const { event } = delivery;
    all.ord.push(ord);
    all.slice.push(delivery.slice + 1);
    all.offset.push(delivery.record.offset);
    all.eventId.push(event.eventId ?? null);
    all.eventType.push(event.eventType ?? null);
    all.organizationId.push(event.organizationId ?? null);
    all.eventTimestamp.push(logTimestamp(delivery));
    all.schemaId.push(delivery.schemaId);
    if (delivery.kind === 'passed') {
      all.status.push(delivery.reason);
      all.entity.push(null);
      all.contentHash.push(null);
      all.error.push(null);
      continue;
    }
    if (delivery.kind === 'rejected') {
      const status = delivery.verdict?.status ?? statusOf(delivery.rejection.code);
      all.status.push(status);
      all.entity.push(null);
      all.contentHash.push(null);
      all.error.push(delivery.rejection.detail);
      const nextAttempt = delivery.verdict === undefined ? firstRetryAt : delivery.verdict.nextAttemptAt;
      pushRejected(result.rejected, ord, delivery, status === 'failed' ? nextAttempt : null);
      continue;
    }
    all.entity.push(ENTITY_NUMBER[delivery.event.entity]);
    all.contentHash.push(delivery.event.contentHash);
    all.error.push(null);
    if (delivery.kind === 'filtered') {
      all.status.push('filtered');
      continue;
    }
    all.status.push('stage');
    switch (delivery.event.entity) {
      case 'lead':
        pushLead(result.leads, ord, delivery.event);
        break;
      case 'contact':
        pushContact(result.contacts, ord, delivery.event);
        break;
      case 'opportunity':
        pushOpportunity(result.opportunities, ord, delivery.event);
        break;
    }
  }
  return result;
}

function emptyColumns({ slices, deliveries }: Part): BatchColumns {
  const staged = () => ({ ord: [], createdAt: [], updatedAt: [], metadata: [] });
  const person = () => ({ firstName: [], lastName: [], email: [], phone: [], company: [], title: [], leadId: [] });
  let former: ReadonlyArray<bigint | null> | null = null;
  return {
    deliveries: {
      ord: [],
      slice: [],
      offset: [],
      status: [],
      eventId: [],
      eventType: [],
      organizationId: [],
      eventTimestamp: [],
      entity: [],
      contentHash: [],
      schemaId: [],
      error: [],
    },
    formerHashes: () => {
      former ??= deliveries
        .filter(({ kind }) => kind !== 'tombstone' && kind !== 'parked')
        .map((delivery) => (delivery.kind === 'stage' ? formerHashOf(delivery.event) : null));
      return former;
    },
    leads: { ...staged(), ...person(), source: [], status: [], score: [], assignedTo: [] },
    contacts: { ...staged(), ...person(), contactId: [] },
    opportunities: {
      ...staged(),
      opportunityId: [],
      name: [],
      leadId: [],
      contactId: [],
      amount: [],
      currency: [],
      stage: [],
      probability: [],
      expectedCloseDate: [],
    },
    rejected: {
      ord: [],
      code: [],
      sqlstate: [],
      field: [],
      nextAttempt: [],
      recordTimestamp: [],
      schemaId: [],
      key: [],
      value: [],
      headers: [],
      sealedBy: null,
    },
    tombstones: new Array<number>(slices.length).fill(0),
    parked: {
      places: new Map(),
      slice: [],
      organizationId: [],
      schemaId: [],
      reason: [],
      from: [],
      to: [],
      records: [],
    },
  };
}

function pushStaged(into: StagedColumns, ord: number, event: StagedLead | StagedContact | StagedOpportunity): void {
  into.ord.push(ord);
  into.createdAt.push(event.createdAt);
  into.updatedAt.push(event.updatedAt);
  into.metadata.push(event.metadata);
}

function pushLead(into: BatchColumns['leads'], ord: number, event: StagedLead): void {
  pushStaged(into, ord, event);
  into.leadId.push(event.leadId);
  into.firstName.push(event.firstName);
  into.lastName.push(event.lastName);
  into.email.push(event.email);
  into.phone.push(event.phone);
  into.company.push(event.company);
  into.title.push(event.title);
  into.source.push(event.source);
  into.status.push(event.status);
  into.score.push(event.score);
  into.assignedTo.push(event.assignedTo);
}

function pushContact(into: BatchColumns['contacts'], ord: number, event: StagedContact): void {
  pushStaged(into, ord, event);
  into.contactId.push(event.contactId);
  into.firstName.push(event.firstName);
  into.lastName.push(event.lastName);
  into.email.push(event.email);
  into.phone.push(event.phone);
  into.company.push(event.company);
  into.title.push(event.title);
  into.leadId.push(event.leadId);
}

function pushOpportunity(into: BatchColumns['opportunities'], ord: number, event: StagedOpportunity): void {
  pushStaged(into, ord, event);
  into.opportunityId.push(event.opportunityId);
  into.name.push(event.name);
  into.leadId.push(event.leadId);
  into.contactId.push(event.contactId);
  into.amount.push(event.amount);
  into.currency.push(event.currency);
  into.stage.push(event.stage);
  into.probability.push(event.probability);
  into.expectedCloseDate.push(event.expectedCloseDate);
}

function pushRejected(
  into: BatchColumns['rejected'],
  ord: number,
  delivery: Extract<Delivery, { kind: 'rejected' }>,
  nextAttempt: number | null,
): void {
  const { record, rejection } = delivery;
  into.ord.push(ord);
  into.code.push(rejection.code);
  into.sqlstate.push(rejection.sqlstate ?? null);
  into.field.push(rejection.field ?? null);
  into.nextAttempt.push(nextAttempt);
  into.recordTimestamp.push(record.timestamp);
  into.schemaId.push(delivery.schemaId);
  into.key.push(record.key?.toString('base64') ?? null);
  into.value.push(record.value?.toString('base64') ?? null);
  // A message must not be able to keep its own failure from being written.
  into.headers.push(
    record.headers.length === 0
      ? null
      : JSON.stringify(record.headers.map(([name, value]) => [storable(name), value?.toString('base64') ?? null])),
  );
}

/** Deliveries come in the order of slices and offsets, so a range only grows at its end. */
function pushParked(
  into: ParkedColumns,
  { slice, record, reason, schemaId, organizationId }: Extract<Delivery, { kind: 'parked' }>,
): void {
  const key = `${slice} ${reason} ${organizationId ?? schemaId}`;
  const place = into.places.get(key);
  if (place !== undefined) {
    into.to[place] = record.offset + 1;
    into.records[place] = (into.records[place] ?? 0) + 1;
    return;
  }
  into.places.set(key, into.slice.length);
  into.slice.push(slice + 1);
  into.organizationId.push(organizationId ?? null);
  into.schemaId.push(schemaId);
  into.reason.push(reason);
  into.from.push(record.offset);
  into.to.push(record.offset + 1);
  into.records.push(1);
}
