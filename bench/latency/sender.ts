// Sends the records of a schedule in an open loop: what is due goes out whether or not Kafka has answered to what went
// before.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Message, Producer } from 'kafkajs';
import { sharedClock } from './clock.ts';
import type { Order, Punctuality, Ready } from './generator-messages.ts';
import type { LapRecord } from './lap.ts';
import { percentile } from './latencies.ts';
import { countBefore, dueTime, eventTime, type Lap } from './schedule.ts';
import { stamped } from './stamp.ts';

/** After a stall what is due goes out in pieces of so many records. */
const MOST_AT_ONCE = 5_000;

type Start = Pick<Ready, 'firstOffsets' | 'firstLap'>;

interface Piece {
  messages: Map<string, Message[]>;
  /** By partition, the offset that its first record must get. */
  bases: Map<string, number>;
}

/** @returns a function that sends everything and resolves when Kafka has acknowledged it */
export function createSender(
  producer: Producer,
  lap: Lap & { records: readonly LapRecord[] },
  start: Start,
): (order: Order) => Promise<Punctuality> {
  const cut = createCutter(lap, start);

  async function hand(from: number, to: number, order: Order): Promise<void> {
    const { messages, bases } = cut(from, to, order);
    const topicMessages = [...messages].map(([topic, own]) => ({ topic, messages: own }));
    for (const { topicName, partition, baseOffset } of await producer.sendBatch({ topicMessages, acks: 1 })) {
      if (bases.get(`${topicName}/${partition}`) !== Number(baseOffset)) {
        throw new Error('records reached Kafka in another order than they were sent in: measure again');
      }
    }
  }

  return async (order) => {
    const { startAt, rate, records: total, tickMs, countFrom } = order;
    const [late, acknowledged]: [number[], number[]] = [[], []];
    const pending = new Set<Promise<void>>();
    const failures: unknown[] = [];
    let sent = 0;
    while (sent < total && failures.length === 0) {
      const began = sharedClock();
      const due = Math.min(total, countBefore(began - startAt, rate));
      const to = Math.min(due, sent + MOST_AT_ONCE);
      if (to > sent) {
        const counts = sent >= countFrom;
        if (counts) late.push(began - startAt - dueTime(sent, rate));
        const handed: Promise<void> = hand(sent, to, order)
          .then(
            () => void (counts && acknowledged.push(sharedClock() - began)),
            (error: unknown) => void failures.push(error),
          )
          .finally(() => pending.delete(handed));
        pending.add(handed);
        if (sent === 0) await handed; // what waits for the connection with others may overtake them
        sent = to;
      }
      await sleep(to < due ? 0 : tickMs);
    }
    await Promise.all(pending);
    if (failures.length > 0) throw failures[0];
    return { late: spread(late), acknowledged: spread(acknowledged) };
  };
}

/** Cuts a piece out of the schedule. Pieces must be asked for in their order. */
function createCutter(
  { streams, order, records }: Lap & { records: readonly LapRecord[] },
  { firstOffsets, firstLap }: Start,
): (from: number, to: number, times: Pick<Order, 'rate' | 'startedAt'>) => Piece {
  const nextOffsets = [...firstOffsets];
  return (from, to, { rate, startedAt }) => {
    const piece: Piece = { messages: new Map(), bases: new Map() };
    for (let place = from; place < to; place += 1) {
      const stream = order[place % order.length] as number;
      const { topic, partition } = streams[stream] as Lap['streams'][number];
      const record = records[place % records.length] as LapRecord;
      const offset = nextOffsets[stream] as number;
      nextOffsets[stream] = offset + 1;
      const name = `${topic}/${partition}`;
      if (!piece.bases.has(name)) piece.bases.set(name, offset);
      const messages = piece.messages.get(topic) ?? [];
      const lap = firstLap + Math.floor(place / records.length);
      const value = stamped(record, lap, eventTime(place, rate, startedAt));
      messages.push({ key: record.key, value, partition });
      piece.messages.set(topic, messages);
    }
    return piece;
  };
}

function spread(values: readonly number[]): { p99: number; max: number } {
  const sorted = Float64Array.from(values).sort();
  return { p99: percentile(sorted, 0.99), max: percentile(sorted, 1) };
}
