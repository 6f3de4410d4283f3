/**
 * Records of the log → a batch that is ready to be written. Plain functions without Temporal, so that lanes and retries
 * do the very same. Part of the hot path: no promise for an event whose schema is known.
 */
import { crc32 } from 'node:zlib';
import type { Entity } from '../domain/events.ts';
import type { Rejection } from '../domain/failures.ts';
import { latePolicyOf } from '../domain/late-data.ts';
import { identify, isRejection, type ValidationContext, validate } from '../domain/validate.ts';
import type { LatePolicies } from './late-policies.ts';
import type {
  Batch,
  BatchSlice,
  ClaimedRange,
  Decoded,
  Delivery,
  EventDecoder,
  Fingerprint,
  LogRecord,
  LogSlice,
  SuppressionList,
} from './ports.ts';

export interface IngestRules {
  /** Valid events of other types are filtered: logged, not staged. */
  eventTypes: ReadonlySet<string>;
  /** The one entity a topic carries; a topic that is missing here carries any. */
  entityOfTopic: ReadonlyMap<string, Entity>;
  /** What becomes of events past retention. */
  late: LatePolicies;
  /** Who was erased; as it is when a record is decoded. */
  suppression: SuppressionList;
}

/** Finds the claimed range that a slice belongs to. */
export type RangeOf = (slice: LogSlice) => ClaimedRange;

/**
 * @param now epoch milliseconds
 * @throws RegistryUnavailableError when a schema is needed and the registry can't be asked: nothing is lost, call again
 */
export async function prepareBatch(
  slices: readonly LogSlice[],
  rangeOf: RangeOf,
  { runId, mode }: Pick<Batch, 'runId' | 'mode'>,
  decoder: EventDecoder,
  rules: IngestRules,
  now: number,
): Promise<Batch> {
  // Taken before: what is decoded by a newer list then is refused and prepared again, and never the other way round.
  const batch: Batch = { runId, mode, suppression: rules.suppression.version, slices: [], deliveries: [] };
  for (let index = 0; index < slices.length; index += 1) {
    const slice = slices[index] as LogSlice;
    const context = contextOf(slice.topic, rules, now);
    for (const record of slice.records) {
      if (record.value === null) {
        batch.deliveries.push({ kind: 'tombstone', slice: index, record });
        continue;
      }
      const pending = decoder.decode(record.value, slice.topic);
      const decoded = pending instanceof Promise ? await pending : pending;
      batch.deliveries.push(toDelivery(index, record, decoded, context, rules));
    }
    batch.slices.push(toBatchSlice(slice, rangeOf(slice)));
  }
  return batch;
}

/** What an event of a topic is checked against, but for its record's time. */
export function contextOf(topic: string, rules: IngestRules, now: number): ValidationContext {
  return { now, late: rules.late.at(now), expectedEntity: rules.entityOfTopic.get(topic) ?? null };
}

/**
 * What becomes of one record by itself, as a lane would see it.
 * @param now epoch milliseconds
 * @throws RegistryUnavailableError when its schema is needed and the registry can't be asked, WriteError when the
 *   late-data policies are needed and PostgreSQL can't be
 */
export async function deliver(
  record: LogRecord,
  topic: string,
  decoder: EventDecoder,
  rules: IngestRules,
  now: number,
): Promise<Checked | null> {
  if (record.value === null) {
    return null;
  }
  await rules.late.refresh();
  return deliverDecoded(record, topic, await decoder.decode(record.value, topic), rules, now);
}

/** The same for an event that is decoded already, such as one that a person corrected. */
export function deliverDecoded(
  record: LogRecord,
  topic: string,
  decoded: Decoded,
  rules: IngestRules,
  now: number,
): Checked {
  return toDelivery(NO_SLICE, record, decoded, contextOf(topic, rules, now), rules);
}

/** One record's outcome that is not part of a batch. */
export type Checked = Exclude<Delivery, { kind: 'tombstone' | 'parked' }>;

const NO_SLICE = 0;

function toDelivery(
  slice: number,
  record: LogRecord,
  decoded: Decoded,
  context: ValidationContext,
  rules: IngestRules,
): Checked {
  if (!decoded.ok) {
    const { rejection, schemaId } = decoded;
    return { kind: 'rejected', slice, record, rejection, schemaId, event: {} };
  }
  const { event, schemaId } = decoded;
  if (rules.suppression.hides(event)) {
    return {
      kind: 'passed',
      reason: 'suppressed',
      slice,
      record,
      event: identify(event, record.timestamp, context),
      schemaId,
    };
  }
  const checked = validate(event, record.timestamp, context);
  if (isRejection(checked)) {
    const known = identify(event, record.timestamp, context);
    return checked.code === 'outside_retention' && latePolicyOf(event, context.late) === 'drop'
      ? { kind: 'passed', reason: 'late', slice, record, event: known, schemaId }
      : { kind: 'rejected', slice, record, rejection: checked, schemaId, event: known };
  }
  const kind = rules.eventTypes.has(checked.eventType) ? 'stage' : 'filtered';
  return { kind, slice, record, event: rules.suppression.unlink(checked), schemaId };
}

/** A sound event that PostgreSQL refuses, as a failed one. */
export function refused(
  { record, schemaId, event }: Extract<Checked, { kind: 'stage' | 'filtered' }>,
  rejection: Rejection,
): Omit<Extract<Checked, { kind: 'rejected' }>, 'slice'> {
  const { eventId, eventType, organizationId, eventTimestamp } = event;
  return {
    kind: 'rejected',
    record,
    rejection,
    schemaId,
    event: { eventId, eventType, organizationId, eventTimestamp },
  };
}

function toBatchSlice(slice: LogSlice, range: ClaimedRange): BatchSlice {
  const [first] = slice.records;
  const last = slice.records.at(-1);
  return {
    range,
    from: slice.from,
    next: slice.next,
    records: slice.records.length,
    absent: slice.next - slice.from - slice.records.length,
    firstTimestamp: first !== undefined && first.timestamp >= 0 ? first.timestamp : null,
    last: last === undefined ? null : fingerprintOf(last),
  };
}

/** What identifies a record, to notice later that the topic is another one. */
export function fingerprintOf(record: LogRecord): Fingerprint {
  return {
    offset: record.offset,
    timestamp: record.timestamp,
    checksum: record.value === null ? 0 : crc32(record.value),
  };
}

/** The schema that a message of the Confluent wire format names; 0 when it names none. */
export function schemaIdOf(value: Buffer): number {
  return value.length >= 5 && value[0] === 0 ? Math.max(0, value.readInt32BE(1)) : 0;
}
