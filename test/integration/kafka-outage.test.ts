import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { KafkaClient } from '../../adapters/kafka/client.ts';
import { createPositionMirror } from '../../adapters/kafka/mirror.ts';
import { down, restart, up } from '../../stack/index.ts';
import {
  ANY,
  from,
  kafkaClient,
  newReader,
  newTopic,
  numbered,
  openSession,
  produce,
  readTo,
  textsOf,
} from './kafka-harness.ts';

/** A broker of this file alone, since it gets killed. */
const OWN_BROKER = { name: 'kafka-outage', portOffset: 21_000, log: () => {} };

describe('a broker that is killed and comes back', () => {
  let client: KafkaClient;

  beforeAll(async () => {
    client = kafkaClient((await up(OWN_BROKER, ['kafka'])).KAFKA_BROKERS);
  });

  afterAll(() => down(OWN_BROKER, { wipe: true }));

  const kill = () => restart('kafka', OWN_BROKER, { signal: 'SIGKILL' });

  it('is waited for with words, and reading goes on where it was', async () => {
    const topic = await newTopic(client);
    await produce(client, numbered(topic, 3));
    const session = openSession(newReader(client), [from(topic)]);
    await readTo(session, 3);
    const next = session.next(ANY);
    const troubles = new Set<string | null>();
    const watch = setInterval(() => troubles.add(session.trouble), 20);
    onTestFinished(() => clearInterval(watch));

    await kill();
    await produce(client, numbered(topic, 1));
    expect(textsOf(await next)).toEqual(['value 0']);
    expect(session.trouble).toBeNull();
    expect([...troubles].join()).toMatch(/broker 127\.0\.0\.1:\d+: /);
  });

  it('does not answer questions meanwhile, and does again', async () => {
    const topic = await newTopic(client);
    const reader = newReader(client);
    const asked = { topic, partition: 0 };
    await reader.bounds([asked]);
    const killed = kill();
    await vi.waitFor(() => expect(reader.bounds([asked])).rejects.toThrow(/broker 127\.0\.0\.1/), { timeout: 30_000 });
    await killed;
    await vi.waitFor(() => reader.bounds([asked]), { timeout: 30_000 });
  });

  it('costs the position mirror a publication or two, and no more', async () => {
    const topic = await newTopic(client);
    await produce(client, numbered(topic, 10));
    const options = {
      groupId: `group-of-${topic}`,
      topics: [topic],
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 1_000,
    };
    const mirror = createPositionMirror(client, options);
    onTestFinished(() => mirror.close());
    const publish = (offset: number) =>
      vi.waitFor(() => mirror.publish([{ topic, partition: 0, offset }]), { timeout: 50_000 });
    await publish(1);
    await kill();
    await sleep(3_000); // so that the member's heartbeats fail while nobody publishes
    await publish(7);
    const admin = client.kafka.admin();
    await admin.connect();
    const [offsets] = await admin.fetchOffsets({ groupId: options.groupId, topics: [topic] });
    await admin.disconnect();
    expect(offsets?.partitions).toMatchObject([{ partition: 0, offset: '7' }]);
  });

  it('rejects no promise that nobody waits for', async () => {
    const unheard: unknown[] = [];
    const listen = (reason: unknown) => unheard.push(reason);
    process.on('unhandledRejection', listen);
    onTestFinished(() => void process.off('unhandledRejection', listen));
    const topic = await newTopic(client);
    const session = openSession(newReader(client), [from(topic)]);
    const abort = new AbortController();
    const next = session.next({ ...ANY, signal: abort.signal });
    const killed = kill();
    await vi.waitFor(() => expect(session.trouble).not.toBeNull(), { timeout: 30_000 });
    await session.close();
    expect(await next).toEqual([]);
    await killed;
    expect(unheard).toEqual([]);
  });
});
