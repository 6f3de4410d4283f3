import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import { createKafka, type KafkaClient } from '../../adapters/kafka/client.ts';
import { createPositionMirror } from '../../adapters/kafka/mirror.ts';
import { makeAuthority } from '../helpers/certificates.ts';
import { createLaneHarness } from '../helpers/lane-harness.ts';
import { type Listener, PASSWORD, startTlsBroker, type TlsBroker } from '../helpers/tls-kafka.ts';
import { configWith, whatIsSaidOf } from '../helpers/tls-product.ts';
import {
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

let broker: TlsBroker;
let settings: Record<'ssl' | 'mtls' | 'strange' | 'login', Record<string, string>>;

beforeAll(async () => {
  broker = await startTlsBroker();
  const { ca, issue } = broker.authority;
  const ours = await issue({ names: ['analytics'], client: true });
  const stranger = await (await makeAuthority()).issue({ names: ['analytics'], client: true });
  const ssl = { KAFKA_SSL: 'true', KAFKA_SSL_CA_FILE: ca };
  settings = {
    ssl,
    mtls: { ...ssl, KAFKA_SSL_CERT_FILE: ours.cert, KAFKA_SSL_KEY_FILE: ours.key },
    strange: { ...ssl, KAFKA_SSL_CERT_FILE: stranger.cert, KAFKA_SSL_KEY_FILE: stranger.key },
    login: { KAFKA_USERNAME: 'reader', KAFKA_PASSWORD: PASSWORD },
  };
}, 120_000);
afterAll(() => broker.stop());

const at = (listener: Listener) => ({ KAFKA_BROKERS: broker.addresses[listener] });

/** A client as the product makes it of its configuration. */
async function clientOf(env: Record<string, string>): Promise<KafkaClient> {
  const { kafka } = await configWith(env);
  return createKafka({ ...kafka, log: () => {} });
}

const login = (mechanism: string) => ({ ...settings.login, KAFKA_SASL_MECHANISM: mechanism });

describe('reading and writing', () => {
  it.each<[string, () => Record<string, string>]>([
    ['SSL', () => ({ ...at('ssl'), ...settings.ssl })],
    ['SSL with a client certificate', () => ({ ...at('mtls'), ...settings.mtls })],
    ...['plain', 'scram-sha-256', 'scram-sha-512'].flatMap(
      (way): Array<[string, () => Record<string, string>]> => [
        [`SASL_SSL with ${way}`, () => ({ ...at('saslssl'), ...settings.ssl, ...login(way) })],
        [`SASL_PLAINTEXT with ${way}`, () => ({ ...at('saslplain'), ...login(way) })],
      ],
    ),
  ])('goes through %s: admin, producer, reader and mirror', async (_name, env) => {
    const client = await clientOf(env());
    const topic = await newTopic(client, { config: { 'retention.ms': '3600000', 'segment.ms': '1000' } });
    expect(await createKafkaAdmin(client).retention([topic])).toEqual([
      { topic, retentionMs: 3_601_000, compacted: false },
    ]);

    await produce(client, numbered(topic, 3));
    const session = openSession(newReader(client), [from(topic)]);
    expect(textsOf(await readTo(session, 3))).toEqual(['value 0', 'value 1', 'value 2']);

    const groupId = `mirrored-${randomUUID()}`;
    const limits = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_000 };
    const mirror = createPositionMirror(client, { groupId, topics: [topic], ...limits });
    onTestFinished(() => mirror.close());
    // A broker that is new still makes and loads the topic for positions.
    await vi.waitFor(() => mirror.publish([{ topic, partition: 0, offset: 2 }]), { timeout: 60_000 });
    expect(await committed(client, groupId, topic)).toEqual([{ partition: 0, offset: '2', metadata: null }]);
  });
});

async function committed(client: KafkaClient, groupId: string, topic: string) {
  const admin = client.kafka.admin();
  await admin.connect();
  try {
    const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return offsets?.partitions;
  } finally {
    await admin.disconnect();
  }
}

const UNTRUSTED = 'the certificate of Kafka is signed by no authority that we trust: see KAFKA_SSL_CA_FILE';
const NOT_ACCEPTED =
  'Kafka does not accept our client certificate, or misses one: see KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE';
const WRONG_LOGIN = 'Kafka refuses the user or password: see KAFKA_USERNAME, KAFKA_PASSWORD and KAFKA_SASL_MECHANISM';

const PATIENTLY = { timeout: 60_000 };

const WRONG_PASSWORD = 'Wrong-pass-of-reader-9';

describe('what keeps us out', () => {
  it.each<[string, () => Record<string, string> | Promise<Record<string, string>>, string]>([
    ['public authorities for a private certificate', () => ({ ...at('ssl'), KAFKA_SSL: 'true' }), UNTRUSTED],
    [
      'another authority',
      async () => ({ ...at('ssl'), KAFKA_SSL: 'true', KAFKA_SSL_CA_FILE: (await makeAuthority()).ca }),
      UNTRUSTED,
    ],
    [
      'an expired certificate',
      () => ({ ...at('expired'), ...settings.ssl }),
      'the certificate of Kafka has expired: renew it there, or the authority in KAFKA_SSL_CA_FILE',
    ],
    [
      'another host name',
      () => ({ KAFKA_BROKERS: broker.addresses.ssl.replace('localhost', '127.0.0.1'), ...settings.ssl }),
      'the certificate of Kafka is for another host name than the one in KAFKA_BROKERS',
    ],
    ['a missing client certificate', () => ({ ...at('mtls'), ...settings.ssl }), NOT_ACCEPTED],
    ["a stranger's client certificate", () => ({ ...at('mtls'), ...settings.strange }), NOT_ACCEPTED],
    ...['plain', 'scram-sha-256', 'scram-sha-512'].map((way): [string, () => Record<string, string>, string] => [
      `a wrong password with ${way}`,
      () => ({ ...at('saslssl'), ...settings.ssl, ...login(way), KAFKA_PASSWORD: WRONG_PASSWORD }),
      WRONG_LOGIN,
    ]),
    [
      'a listener that wants a login',
      () => at('saslplain'),
      'Kafka closes the connection without an answer: if that goes on, see KAFKA_SSL; KAFKA_USERNAME, KAFKA_PASSWORD and KAFKA_SASL_MECHANISM; KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE',
    ],
  ])('is told in one sentence: %s', async (_name, env, sentence) => {
    const { health, log, everything } = await whatIsSaidOf('kafka', await env());
    expect(health).toMatchObject({ status: 'down', error: sentence });
    expect(log).toContain(`"reason":"${sentence}"`);
    expect(everything).not.toContain(WRONG_PASSWORD);
    expect(everything).not.toContain('PRIVATE KEY');
  });
});

describe('a topic that access control keeps from us', () => {
  it('makes a session wait and say what is missing, until it is granted', async () => {
    const boss = kafkaClient(broker.addresses.open);
    const topic = await newTopic(boss);
    await produce(boss, numbered(topic, 1));
    const rules = await accessRules(boss, topic);
    await rules.grantTo('User:somebody-else');

    const client = await clientOf({ ...at('saslplain'), ...login('plain') });
    const reader = newReader(client);
    const missing = `topic ${topic}: no permission: grant this user the ACLs READ and DESCRIBE on the topic`;
    await expect(reader.partitions([topic])).rejects.toThrow(missing);
    const session = openSession(reader, [from(topic)]);
    const read = session.next({ maxRecords: 10, lingerMs: 0, signal: AbortSignal.timeout(60_000) });
    await expect.poll(() => session.trouble, PATIENTLY).toBe(missing);

    await rules.grantTo('User:reader');
    expect(textsOf(await read)).toEqual(['value 0']);
    expect(session.trouble).toBeNull();

    const { retention } = createKafkaAdmin(client);
    await expect(retention([topic])).rejects.toThrow('lets this user in but not do that: see its permissions');
    await rules.grantTo('User:reader', ['DESCRIBE_CONFIGS']);
    expect(await retention([topic])).toEqual([{ topic, retentionMs: expect.any(Number), compacted: false }]);
  });
});

describe('a lane whose right to read a topic is taken away', () => {
  it('waits, says what is missing, charges no event, and goes on when it has the right again', async () => {
    const boss = kafkaClient(broker.addresses.open);
    const topic = await newTopic(boss);
    await produce(boss, numbered(topic, 2));
    const client = await clientOf({ ...at('saslssl'), ...settings.ssl, ...login('scram-sha-512') });
    const harness = await createLaneHarness(client);
    const lane = await harness.startLane([topic]);
    await caughtUp(harness, lane, topic);

    const rules = await accessRules(boss, topic);
    await rules.grantTo('User:somebody-else');
    await produce(boss, numbered(topic, 1));
    const missing = 'no permission: grant this user the ACLs READ and DESCRIBE on the topic';
    await expect.poll(() => lane.progress()?.trouble, PATIENTLY).toContain(missing);

    await rules.grantTo('User:reader');
    await caughtUp(harness, lane, topic);
    await expect.poll(() => lane.progress()?.trouble, PATIENTLY).toBeNull();
    expect(await lane.stop()).toMatchObject({ reason: 'cancelled', watermarks: [{ topic, partition: 0, next: 3 }] });
    expect(harness.incidents).toEqual([]);
  });
});

type Harness = Awaited<ReturnType<typeof createLaneHarness>>;

/** Waits until a lane has read all that there is; fails as the lane does. */
async function caughtUp(harness: Harness, lane: Awaited<ReturnType<Harness['startLane']>>, topic: string) {
  const failed = lane.ended.then(() => {});
  await Promise.race([failed, expect.poll(() => harness.lagOf([topic]), PATIENTLY).toBe(0)]);
}

/** Rules of who may read a topic: with the first of them, all others may no longer. */
async function accessRules({ kafka }: KafkaClient, topic: string) {
  const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = (await import('kafkajs'))
    .default;
  const admin = kafka.admin();
  await admin.connect();
  onTestFinished(() => admin.disconnect());
  return {
    async grantTo(principal: string, operations: ReadonlyArray<keyof typeof AclOperationTypes> = ['READ', 'DESCRIBE']) {
      const rule = {
        resourceType: AclResourceTypes.TOPIC,
        resourceName: topic,
        resourcePatternType: ResourcePatternTypes.LITERAL,
        principal,
        host: '*',
        permissionType: AclPermissionTypes.ALLOW,
      };
      await admin.createAcls({ acl: operations.map((name) => ({ ...rule, operation: AclOperationTypes[name] })) });
    },
  };
}
