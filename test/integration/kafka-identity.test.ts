import { randomUUID } from 'node:crypto';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { LogIdentityError, OffsetOutOfRangeError } from '../../activities/ports.ts';
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
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

const client = kafkaClient();
const admin = createKafkaAdmin(client);

const troubleOf = (session: { trouble: string | null }, words: RegExp) =>
  vi.waitFor(() => expect(session.trouble).toMatch(words), { timeout: 30_000 });

describe('a topic under an open session', () => {
  it('that is deleted is waited for with words, and doubted when it is there again', async () => {
    const topic = await newTopic(client);
    await produce(client, numbered(topic, 3));
    const session = openSession(newReader(client), [from(topic)]);
    await readTo(session, 3);

    const next = session.next(ANY);
    const doubted = expect(next).rejects.toBeInstanceOf(LogIdentityError);
    await admin.deleteTopics([topic]);
    await troubleOf(session, new RegExp(`topic ${topic} does not exist`));
    await admin.createTopics([{ topic, partitions: 1 }]);
    await doubted;

    // Once: who goes on with this session is held to its position.
    await expect(session.next(ANY)).rejects.toBeInstanceOf(OffsetOutOfRangeError);
  });

  it('that is made again at once and has outgrown the position is not mistaken for the old one', async () => {
    const topic = await newTopic(client);
    await produce(client, numbered(topic, 3));
    const session = openSession(newReader(client), [from(topic)]);
    await readTo(session, 3);
    await admin.deleteTopics([topic]);
    await vi.waitFor(() => admin.createTopics([{ topic, partitions: 1 }]), { timeout: 30_000 });
    await produce(client, numbered(topic, 5));
    await expect(session.next(ANY)).rejects.toBeInstanceOf(LogIdentityError);
    // Once: who has checked the topic and goes on with this session reads on.
    expect(textsOf(await readTo(session, 5))).toEqual(['value 3', 'value 4']);
    expect(session.trouble).toBeNull();
  });

  it('that is another than the caller knows is doubted before anything is read', async () => {
    const topic = await newTopic(client);
    await produce(client, numbered(topic, 3));
    const [bounds] = await newReader(client).bounds([{ topic, partition: 0 }]);
    const known = { ...from(topic), topicId: bounds?.topicId ?? null };
    expect(textsOf(await readTo(openSession(newReader(client), [known]), 3))).toHaveLength(3);

    await admin.deleteTopics([topic]);
    await vi.waitFor(() => admin.createTopics([{ topic, partitions: 1 }]), { timeout: 30_000 });
    await produce(client, numbered(topic, 3));
    await expect(openSession(newReader(client), [known]).next(ANY)).rejects.toBeInstanceOf(LogIdentityError);
  });

  it('that is missing from the beginning is doubted when it appears: its position is from somewhere else', async () => {
    const topic = `kafka-test-${randomUUID()}`;
    const session = openSession(newReader(client), [from(topic)]);
    await troubleOf(session, /does not exist/);
    onTestFinished(() => admin.deleteTopics([topic]));
    await admin.createTopics([{ topic, partitions: 1 }]);
    await expect(session.next(ANY)).rejects.toBeInstanceOf(LogIdentityError);
  });

  it('does not keep others from being read', async () => {
    const topic = await newTopic(client);
    await produce(client, numbered(topic, 2));
    const session = openSession(newReader(client), [from(`kafka-test-${randomUUID()}`), from(topic)]);
    expect(textsOf(await readTo(session, 2))).toEqual(['value 0', 'value 1']);
    expect(session.trouble).toMatch(/does not exist/);
  });

  it('has no such partition: says so', async () => {
    const topic = await newTopic(client);
    const session = openSession(newReader(client), [from(topic, 0, null, 7)]);
    await troubleOf(session, new RegExp(`topic ${topic} has no partition 7`));
  });
});
