// Apache Kafka: one KRaft node that is broker and controller.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { installOnce } from '../cache.ts';
import { run, withProgress } from '../command.ts';
import { type Instance, resolveInstance, type StackOptions } from '../instance.ts';
import { findJava } from '../java.ts';
import { copyArtifacts } from '../maven.ts';
import { probeKafka } from '../probes.ts';
import type { Launch } from '../process.ts';
import type { NativeServer } from './server.ts';

const VERSION = '4.3.1';

const install = (log: Instance['log']) =>
  installOnce(`kafka-${VERSION}`, log, (dir) =>
    withProgress(log, `kafka: downloading ${VERSION} (54 MB)`, () =>
      copyArtifacts(
        [
          { group: 'org.apache.kafka', name: 'kafka_2.13', version: VERSION },
          { group: 'org.apache.kafka', name: 'kafka-tools', version: VERSION },
          { group: 'org.slf4j', name: 'slf4j-simple', version: '1.7.36' },
        ],
        dir,
        log,
      ),
    ),
  );

const classPath = async (log: Instance['log']) => path.join(await install(log), 'lib', '*');
const java = () => findJava(17, 'Kafka');

/** Settings of the broker; those that only suit tests and laptops say why they are there. */
export function brokerProperties(
  { ports }: Pick<Instance, 'ports'>,
  dataDir: string,
  extra: Readonly<Record<string, string | number | boolean>> = {},
): string {
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${ports.kafkaController}`,
    listeners: `PLAINTEXT://127.0.0.1:${ports.kafka},CONTROLLER://127.0.0.1:${ports.kafkaController}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${ports.kafka}`,
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': dataDir,
    'auto.create.topics.enable': false,
    'delete.topic.enable': true,
    // One node: nothing to replicate to; few partitions, so that the first group or transaction needn't wait for 50.
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    // A reader in a group of its own would wait 3 s for members that never come.
    'group.initial.rebalance.delay.ms': 0,
    // A killed broker may register again when its session is over; the default is 9 s.
    'broker.session.timeout.ms': 5000,
    'broker.heartbeat.interval.ms': 1000,
    // Retention, deletion and compaction within seconds instead of minutes, so that tests can wait for them.
    'log.initial.task.delay.ms': 500,
    'log.retention.check.interval.ms': 1000,
    'log.segment.delete.delay.ms': 1000,
    'log.cleaner.backoff.ms': 500,
    'log.cleaner.dedupe.buffer.size': 16_777_216, // the default takes 128 MB of the heap
    ...extra,
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

export const kafka: NativeServer = {
  name: 'kafka',
  title: () => `Kafka ${VERSION}`,
  ports: ['kafka', 'kafkaController'],
  stopSignal: 'SIGTERM',

  async install({ log }) {
    await java();
    await install(log);
  },

  prepare: (instance, dir) => prepareBroker(instance, dir),

  probe: (env) => probeKafka(env.KAFKA_BROKERS),
};

/** What a broker has beyond that of a laptop. */
export interface BrokerExtras {
  /** Properties, added to ours or instead of them. */
  settings?: Readonly<Record<string, string | number | boolean>>;
  /** Users that log in with SCRAM, as the storage tool takes them: `SCRAM-SHA-256=[name=…,password=…]`. */
  scramUsers?: readonly string[];
}

/** Writes the configuration of a broker, and an empty data directory where there is none. */
export async function prepareBroker(
  instance: Pick<Instance, 'ports' | 'log'>,
  dir: string,
  { settings, scramUsers = [] }: BrokerExtras = {},
): Promise<Launch> {
  const properties = path.join(dir, 'server.properties');
  const dataDir = path.join(dir, 'data');
  await writeFile(properties, brokerProperties(instance, dataDir, settings));
  const jars = await classPath(instance.log);
  if (!existsSync(path.join(dataDir, 'meta.properties'))) {
    const clusterId = `A${randomBytes(16).toString('base64url').slice(1)}`; // 22 characters, no leading "-"
    const flags = ['-t', clusterId, '-c', properties, ...scramUsers.flatMap((user) => ['--add-scram', user])];
    await run(await java(), ['-cp', jars, 'kafka.tools.StorageTool', 'format', ...flags]);
  }
  const logging = ['showDateTime=true', 'dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS', 'levelInBrackets=true'];
  return {
    command: await java(),
    args: [
      '-Xms512m',
      '-Xmx512m',
      '-XX:+UseG1GC',
      ...logging.map((setting) => `-Dorg.slf4j.simpleLogger.${setting}`),
      '-cp',
      jars,
      'kafka.Kafka',
      properties,
    ],
    cwd: dir,
  };
}

/**
 * Runs one of Kafka's own command-line classes, such as `org.apache.kafka.tools.consumer.group.ConsumerGroupCommand`,
 * `org.apache.kafka.tools.TopicCommand` or `kafka.admin.ConfigCommand`; give it `--bootstrap-server` in `args`.
 * @returns its standard output
 * @throws Error with the end of its output when it fails
 */
export async function kafkaTool(className: string, args: string[], options: StackOptions = {}): Promise<string> {
  const { log } = resolveInstance(options);
  const quick = [
    '-Xmx256m',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  ];
  return run(await java(), [...quick, '-cp', await classPath(log), className, ...args]);
}
