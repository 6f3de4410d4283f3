/**
 * A steady stream of events whose every record carries a number in a header, so that the log itself can tell afterwards
 * where Kafka put it. What Kafka does not acknowledge is sent again with the same bytes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KafkaClient } from '../../adapters/kafka/client.ts';
import { createEventProducer, type EventProducer, type OutgoingRecord } from '../../adapters/kafka/producer.ts';
import type { TopicRole } from '../../domain/schemas.ts';
import type { EventEncoder } from './event-encoder.ts';
import type { FactorySettings } from './event-factory.ts';
import { createRandom } from './random.ts';
import { type PlannedRecord, planRecords } from './send-plan.ts';
import { NUMBER_HEADER, type Truth } from './truth.ts';

export interface LoadSettings extends FactorySettings {
  /** Share of records that repeat an earlier one, from 0 to 1. */
  duplicates: number;
  /** Share of records that are invalid, of each kind in turn, from 0 to 1. */
  invalid: number;
}

export interface LoadRecord extends PlannedRecord {
  /** Wanted partition; by the key when left out. */
  partition?: number;
}

/** A duplicate repeats one of so many records before it. */
const REPEATABLE = 1_000;

const ENDLESS = Number.MAX_SAFE_INTEGER;

/**
 * Records without an end: sound ones, and by chance of the seed a duplicate or an invalid one.
 * @param sound the events to send, where those of the seed won't do
 */
export function* planLoad(
  settings: LoadSettings,
  encoder: EventEncoder,
  sound: Iterator<PlannedRecord, void> = endlessly({ ...settings, count: ENDLESS, invalid: 0 }, encoder),
): Generator<LoadRecord, void, void> {
  const invalid = endlessly({ ...settings, count: 0, invalid: ENDLESS }, encoder);
  const random = createRandom(`${settings.seed}/load`);
  const recent: PlannedRecord[] = [];
  for (let sent = 0; ; ) {
    const chance = random.next();
    const repeated = recent[random.between(0, REPEATABLE - 1)];
    if (chance < settings.invalid) {
      yield taken(invalid);
    } else if (chance < settings.invalid + settings.duplicates && repeated !== undefined) {
      yield repeated;
    } else {
      const record = taken(sound);
      recent[sent % REPEATABLE] = record;
      sent += 1;
      yield record;
    }
  }
}

function endlessly(settings: FactorySettings & { count: number; invalid: number }, encoder: EventEncoder) {
  return planRecords({ ...settings, from: 0, duplicates: 0 }, encoder);
}

function taken(records: Iterator<PlannedRecord, void>): PlannedRecord {
  const { value } = records.next();
  if (value === undefined) throw new Error('the plan of events has an end: a load needs one without');
  return value;
}

export interface LoadOptions {
  kafka: KafkaClient;
  topics: Readonly<Record<TopicRole, string>>;
  records: Iterator<LoadRecord, void>;
  /** Records per second. */
  rate: number;
  truth: Truth;
}

export interface Load {
  /** Sends nothing until `resume`; resolves when Kafka has what was sent before. */
  pause(): Promise<void>;
  resume(): void;
  /** @param patienceMs how long a chunk that Kafka has not acknowledged yet is still tried */
  stop(patienceMs?: number): Promise<void>;
}

const CHUNKS_PER_SECOND = 20;
const SEND_AGAIN_MS = 200;
/** After a longer outage the load goes on at its rate and does not catch up: the backlog is the consumer's alone. */
const LATEST_MS = 1_000;

/** Sends at the rate until it is stopped, whatever becomes of Kafka meanwhile. */
export function startLoad({ kafka, topics, records, rate, truth }: LoadOptions): Load {
  const sender = createSender(kafka);
  const stopped = new AbortController();
  const giveUp = new AbortController();
  let paused = false;
  let idle: Promise<void> = Promise.resolve();

  async function send(): Promise<void> {
    const chunk: LoadRecord[] = [];
    while (chunk.length < Math.ceil(rate / CHUNKS_PER_SECOND)) {
      const { value } = records.next();
      if (value === undefined) break;
      chunk.push(value);
    }
    const numbered = truth.sending(chunk);
    const outgoing = numbered.map(({ number, record }) => outgoingOf(record, number, topics));
    if (await sender.send(outgoing, giveUp.signal)) truth.acknowledged(numbered);
  }

  const running = (async () => {
    let due = performance.now();
    while (!stopped.signal.aborted) {
      due = Math.max(due + 1_000 / CHUNKS_PER_SECOND, performance.now() - LATEST_MS);
      if (!paused) {
        idle = send();
        await idle;
      }
      await sleep(Math.max(0, due - performance.now()));
    }
  })();

  return {
    async pause() {
      paused = true;
      await idle;
    },
    resume() {
      paused = false;
    },
    async stop(patienceMs = 30_000) {
      stopped.abort();
      const timer = setTimeout(() => giveUp.abort(), patienceMs);
      await running.finally(() => clearTimeout(timer));
      await sender.close();
    },
  };
}

function outgoingOf(
  { role, key, value, partition }: LoadRecord,
  number: string,
  topics: LoadOptions['topics'],
): OutgoingRecord {
  const record = { topic: topics[role], key, value, headers: { [NUMBER_HEADER]: number } };
  return partition === undefined ? record : { ...record, partition };
}

/** Sends each chunk until Kafka has acknowledged it; a producer that failed is replaced. */
function createSender(kafka: KafkaClient) {
  let producer: EventProducer | null = null;
  return {
    /** @returns false when `signal` aborted before Kafka acknowledged: the records may be in the log or not */
    async send(records: readonly OutgoingRecord[], signal: AbortSignal): Promise<boolean> {
      while (!signal.aborted) {
        try {
          producer ??= await createEventProducer(kafka);
          await producer.send(records);
          return true;
        } catch {
          await producer?.close().catch(() => {});
          producer = null;
          await sleep(SEND_AGAIN_MS);
        }
      }
      return false;
    },
    async close(): Promise<void> {
      await producer?.close();
    },
  };
}
