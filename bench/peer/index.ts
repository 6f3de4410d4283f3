// The rival, set up beside ours: its software, topic, table and process.
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import type { Contestant } from '../contestants/contestant.ts';
import { createPeer } from '../contestants/peer.ts';
import type { Environment } from '../environment.ts';
import { startConnect } from './connect.ts';
import { installPeer } from './install.ts';
import { createPeerTable } from './table.ts';
import { fillPeerTopic } from './topic.ts';

/** Name of the template with its table. */
export const PEER = 'peer';

/** Connect's own default, with the offset of the instance. */
const REST_PORT = 18_083;

/** Runs `work` with the rival beside it, and takes it away again. */
export async function withPeer<T>(
  { id, kafka, registry, servers, databases, settings, logs }: Environment,
  log: (line: string) => void,
  work: (peer: Contestant) => Promise<T>,
): Promise<T> {
  const installed = await installPeer(log);
  await databases.template(PEER, (url) => createPeerTable(url, settings.from, settings.now));
  const topic = `crm.peer.bench-${id}`;
  log(`peer: sending the same ${settings.events} events to its topic, starting Kafka Connect …`);
  try {
    await fillPeerTopic(kafka, registry, topic, settings);
    const connect = await startConnect({
      installed,
      brokers: servers.KAFKA_BROKERS,
      registryUrl: new URL('/apis/registry/v2', servers.SCHEMA_REGISTRY_URL).href,
      port: REST_PORT,
      dir: logs,
    });
    try {
      return await work(createPeer(connect, topic, settings.events));
    } finally {
      await connect.stop();
    }
  } finally {
    await createKafkaAdmin(kafka).deleteTopics([topic]);
  }
}
