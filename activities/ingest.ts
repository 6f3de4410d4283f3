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
import { PreparedBatch } from './prepared-batch.ts';

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

export interface ToPrepare {
  slices: readonly LogSlice[];
  rangeOf: RangeOf;
  run: Pick<Batch, 'runId' | 'mode'>;
  decoder: EventDecoder;
  rules: IngestRules;
  /** Epoch milliseconds. */
  now: number;
}

/** Deliveries of a batch, in their order; whoever is given them may replace both. */
export type BatchPart = Pick<Batch, 'slices' | 'deliveries'>;

/** So few that they are gone again before the collector looks at them. */
const PART = 500;

/** The making of a batch, which can be gone on with after the registry could not be asked. */
export class Preparation {
  readonly batch: PreparedBatch;
  readonly #reading: Reading;

  constructor(work: ToPrepare) {
    const { slices, rangeOf, run, rules } = work;
    this.batch = new PreparedBatch(
      {
        ...run,
        // Taken before: what is decoded by a newer list then is refused and prepared again, and never the other way round.
        suppression: rules.suppression.version,
        slices: slices.map((slice) => toBatchSlice(slice, rangeOf(slice))),
      },
      (count) => readAgain(work, count),
    );
    this.#reading = new Reading(work);
  }

  /**
   * @param take sees all deliveries, part by part. @returns whether they need not be kept: only while neither they nor
   *   any before them were replaced
   * @throws RegistryUnavailableError when a schema is needed and the registry can't be asked: nothing is lost, call again
   */
  async finish(take: (part: BatchPart) => boolean = () => false): Promise<PreparedBatch> {
    const { batch } = this;
    while (!this.#reading.finished) {
      const schema = this.#reading.go(PART);
      if (schema !== null) {
        await schema;
        continue;
      }
      const part: BatchPart = { slices: batch.slices, deliveries: this.#reading.take() };
      const isReleased = take(part);
      batch.slices = part.slices;
      batch.add(part.deliveries, isReleased);
    }
    return batch;
  }
}

/** What has been prepared already, so that the schemas are there. */
function readAgain(work: ToPrepare, count: number): Delivery[] {
  const reading = new Reading(work);
  if (reading.go(count) !== null) throw new Error('a schema was known a moment ago, and is to be asked for again');
  return reading.take();
}

/** From records to deliveries, in one go wherever the schemas are known. */
class Reading {
  readonly #work: ToPrepare;
  #deliveries: Delivery[] = [];
  #slice = 0;
  #record = 0;

  constructor(work: ToPrepare) {
    this.#work = work;
  }

  get finished(): boolean {
    return this.#slice >= this.#work.slices.length;
  }

  /** What was read since it was last asked for. */
  take(): Delivery[] {
    const taken = this.#deliveries;
    this.#deliveries = [];
    return taken;
  }

  /**
   * Reads up to `count` deliveries together with those that were not taken.
   * @returns what to wait for before going on, else null
   */
  go(count: number): Promise<unknown> | null {
    const { slices, decoder, rules, now } = this.#work;
    const deliveries = this.#deliveries;
    for (; this.#slice < slices.length; this.#slice += 1) {
      const { topic, records } = slices[this.#slice] as LogSlice;
      const context = contextOf(topic, rules, now);
      for (; this.#record < records.length; this.#record += 1) {
        if (deliveries.length >= count) return null;
        const record = records[this.#record] as LogRecord;
        const { value } = record;
        if (value === null) {
          deliveries.push({ kind: 'tombstone', slice: this.#slice, record });
          continue;
        }
        const decoded = decoder.decode(value, topic);
        if (decoded instanceof Promise) return decoded;
        deliveries.push(toDelivery(this.#slice, record, decoded, context, rules));
      }
      this.#record = 0;
    }
    return null;
  }
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
export function fingerprintOf({ offset, timestamp, value }: LogRecord): Fingerprint {
  return { offset, timestamp, checksum: value === null ? 0 : crc32(value) };
}

/** The schema that a message of the Confluent wire format names; 0 when it names none. */
export function schemaIdOf(value: Buffer): number {
  return value.length >= 5 && value[0] === 0 ? Math.max(0, value.readInt32BE(1)) : 0;
}
