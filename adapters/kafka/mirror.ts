import type { Consumer } from 'kafkajs';
import type { PositionMirror, TopicPartition } from '../../activities/ports.ts';
import { explainRefusal } from '../../platform/tls-explain.ts';
import type { KafkaClient } from './client.ts';

export interface MirrorOptions {
  groupId: string;
  /** What the member subscribes to; positions of other topics can be published too. */
  topics: readonly string[];
  /** Milliseconds, as KAFKA_SESSION_TIMEOUT and KAFKA_HEARTBEAT_INTERVAL say. */
  sessionTimeoutMs: number;
  heartbeatIntervalMs: number;
}

/** A consumer without anything to fetch sleeps for its longest wait, and so long leaving takes. */
const PAUSE_MS = 200;

/**
 * Publishes positions as offsets of a Kafka consumer group. Joins it with the first publication as a member whose
 * topics are all paused, so that it reads nothing and tools show the group as alive; joins again after a failure.
 */
export function createPositionMirror(client: KafkaClient, options: MirrorOptions): PositionMirror {
  let member: Promise<Consumer> | null = null;
  let closed = false;

  /** Leaves a member that has failed; the next publication joins anew. */
  async function leave(left: Promise<Consumer>): Promise<void> {
    if (member === left) member = null;
    const consumer = await left.catch(() => null);
    await consumer?.disconnect().catch(() => {});
  }

  return {
    async publish(positions: ReadonlyArray<TopicPartition & { offset: number }>) {
      if (closed) throw new Error('the position mirror is closed');
      if (positions.length === 0) return;
      const joined = member ?? join(client, options);
      member = joined;
      try {
        const consumer = await joined;
        await consumer.commitOffsets(positions.map(({ offset, ...at }) => ({ ...at, offset: String(offset) })));
      } catch (error) {
        await leave(joined);
        const reason = explainRefusal('kafka', error) ?? (error instanceof Error ? error.message : 'unknown error');
        throw new Error(`positions could not be published to the Kafka group ${options.groupId}: ${reason}`);
      }
    },

    async close() {
      closed = true;
      if (member !== null) await leave(member);
    },
  };
}

async function join(client: KafkaClient, options: MirrorOptions): Promise<Consumer> {
  const consumer = client.kafka.consumer({
    groupId: options.groupId,
    sessionTimeout: options.sessionTimeoutMs,
    heartbeatInterval: options.heartbeatIntervalMs,
    maxWaitTimeInMs: PAUSE_MS,
    allowAutoTopicCreation: false,
    // The consumer's own restart would reject unheard when it fails again: a crash shows in the next publication.
    retry: { restartOnFailure: async () => false },
  });
  let crash: Error | null = null;
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    crash = payload.error;
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [...options.topics] });
    const running = consumer.run({ autoCommit: false, eachMessage: async () => {} });
    // run() has made the group object by now but not joined: no fetch can come before this.
    consumer.pause(options.topics.map((topic) => ({ topic })));
    await running;
    if (crash !== null) throw crash;
    return consumer;
  } catch (error) {
    await consumer.disconnect().catch(() => {});
    throw error;
  }
}
