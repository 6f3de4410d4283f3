// The rival, set up beside ours: its software, topic, table and process.
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import type { Environment } from '../environment.ts';
import type { Closing, Servers } from '../servers.ts';
import { type Connect, startConnect } from './connect.ts';
import { installPeer } from './install.ts';
import { createPeerTable, PEER } from './table.ts';
import { fillPeerTopic } from './topic.ts';

/** Connect's own default, with the offset of the instance. */
const REST_PORT = 18_083;

/**
 * Sends the same events as flat records to a topic of their own, and makes the template of the table for them.
 * @param closing gets what takes the topic away again
 * @returns the topic
 */
export async function openPeerTopic(
  { id, kafka, registry, databases, settings }: Environment,
  log: (line: string) => void,
  closing: Closing,
): Promise<string> {
  await databases.template(PEER, (url) => createPeerTable(url, settings.from, settings.now));
  const topic = `crm.peer.bench-${id}`;
  closing.push(() => createKafkaAdmin(kafka).deleteTopics([topic]));
  log('sending the same events as flat records …');
  await fillPeerTopic(kafka, registry, topic, settings);
  return topic;
}

/** Installs and starts Kafka Connect. @param closing gets what stops it again */
export async function openConnect(
  { servers, logs }: Pick<Servers, 'servers' | 'logs'>,
  log: (line: string) => void,
  closing: Closing,
): Promise<Connect> {
  const installed = await installPeer(log);
  log('starting Kafka Connect …');
  const connect = await startConnect({
    installed,
    brokers: servers.KAFKA_BROKERS,
    registryUrl: new URL('/apis/registry/v2', servers.SCHEMA_REGISTRY_URL).href,
    port: REST_PORT,
    dir: logs,
  });
  closing.push(() => connect.stop());
  return connect;
}
