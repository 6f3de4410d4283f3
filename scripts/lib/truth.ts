/** What was sent, what Kafka acknowledged, and where the log has it: the side that the product is compared with. */
import { randomUUID } from 'node:crypto';
import type { LogReader, TopicPartition } from '../../activities/ports.ts';
import type { Entity } from '../../domain/events.ts';
import type { FailureCode } from '../../domain/failures.ts';
import type { PlannedRecord } from './send-plan.ts';

/** Name of the header that numbers the records of a load. */
export const NUMBER_HEADER = 'crm-load-number';

/** A record's place; the incarnation grows when a topic is deleted and made again under its name. */
export interface Coordinates extends TopicPartition {
  incarnation: number;
  offset: number;
}

/** What a delivery has to become: its event staged once, or its failure kept. */
export type Expectation = { is: 'sound'; eventId: string; entity: Entity } | { is: 'invalid'; code: FailureCode };

export type ExpectedDelivery = Coordinates & Expectation;

export interface Expected {
  deliveries: ExpectedDelivery[];
  /** Records of somebody else in the ranges that were read. */
  foreign: Coordinates[];
  /** How many records Kafka acknowledged and does not have. */
  vanished: number;
}

export interface NumberedRecord<T> {
  number: string;
  record: T;
}

export interface Truth {
  /** Numbers records that are about to be sent: from now on they may be in the log. */
  sending<T extends PlannedRecord>(records: readonly T[]): Array<NumberedRecord<T>>;
  acknowledged(records: ReadonlyArray<NumberedRecord<PlannedRecord>>): void;
  /** How many records Kafka has acknowledged. */
  count(): number;
  /**
   * Reads what the log holds in ranges; to be called before a topic is deleted and once at the end.
   * @throws Error when a range can't be read within a minute
   */
  readBack(reader: LogReader, ranges: readonly Range[]): Promise<void>;
  /** What was read back so far. */
  expected(): Expected;
}

/** The part [from, end) of a partition. */
export interface Range extends TopicPartition {
  incarnation: number;
  from: number;
  end: number;
}

const READ_TIMEOUT_MS = 60_000;
const READ_OPTIONS = { maxRecords: 10_000, lingerMs: 0 };

export function createTruth(): Truth {
  // Two loads into the same topics must not take each other's numbers for their own.
  const prefix = randomUUID().slice(0, 8);
  const sent = new Map<string, Expectation>();
  const unseen = new Set<string>();
  const seen = new Set<string>();
  const deliveries: ExpectedDelivery[] = [];
  const foreign: Coordinates[] = [];
  let acknowledged = 0;

  return {
    sending: (records) =>
      records.map((record) => {
        const number = `${prefix}-${sent.size}`;
        sent.set(number, expectationOf(record));
        return { number, record };
      }),

    acknowledged(records) {
      acknowledged += records.length;
      for (const { number } of records) {
        if (!seen.has(number)) unseen.add(number);
      }
    },

    count: () => acknowledged,

    async readBack(reader, ranges) {
      for (const range of ranges) {
        for await (const { number, ...at } of readLog(reader, range)) {
          const expectation = sent.get(number);
          if (expectation === undefined) {
            foreign.push(at);
          } else {
            deliveries.push({ ...at, ...expectation });
            seen.add(number);
            unseen.delete(number);
          }
        }
      }
    },

    expected: () => ({ deliveries, foreign, vanished: unseen.size }),
  };
}

function expectationOf({ kind }: PlannedRecord): Expectation {
  return kind.is === 'invalid'
    ? { is: 'invalid', code: kind.code }
    : { is: 'sound', eventId: kind.eventId, entity: kind.entity };
}

async function* readLog(reader: LogReader, { topic, partition, incarnation, from, end }: Range) {
  if (from >= end) return;
  const session = reader.open([{ topic, partition, from, to: end }]);
  const signal = AbortSignal.timeout(READ_TIMEOUT_MS);
  try {
    while (!session.finished) {
      for (const { records } of await session.next({ ...READ_OPTIONS, signal })) {
        for (const { offset, headers } of records) {
          const number = headers.find(([name]) => name === NUMBER_HEADER)?.[1]?.toString() ?? '';
          yield { topic, partition, incarnation, offset, number };
        }
      }
      if (signal.aborted) throw new Error(`${topic}[${partition}] can't be read back: is Kafka up?`);
    }
  } finally {
    await session.close();
  }
}
