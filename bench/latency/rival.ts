// The rival under the same steady stream.
import { randomUUID } from 'node:crypto';
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import { createPeer } from '../contestants/peer.ts';
import type { Environment } from '../environment.ts';
import { openConnect, openPeerTopic } from '../peer/index.ts';
import { PEER, PEER_TABLE } from '../peer/table.ts';
import type { Closing } from '../servers.ts';
import type { Reader } from './reading.ts';
import { openRowsSight } from './rows-sight.ts';

/** Starts the rival and lets it write the backlog until its JVM is warm. @param closing gets what takes it away again */
export async function openRival(
  environment: Environment,
  log: (line: string) => void,
  closing: Closing,
): Promise<Reader> {
  const { kafka, databases, settings, signal } = environment;
  const topic = await openPeerTopic(environment, log, closing);
  const connect = await openConnect(environment, log, closing);
  log('warming up Kafka Connect …');
  await createPeer(connect, topic, settings.events).warmUp?.(() => databases.fresh(PEER), signal);
  const admin = createKafkaAdmin(kafka);
  return {
    name: 'peer',
    async start() {
      const name = `steady-${randomUUID().slice(0, 8)}`;
      const target = `crm.peer.${name}`;
      await admin.createTopics([{ topic: target, partitions: settings.partitions }]);
      const databaseUrl = await databases.fresh(PEER);
      await connect.startSink(name, target, databaseUrl);
      return {
        topics: [{ from: topic, to: target }],
        openSight: (watched) => openRowsSight(databaseUrl, PEER_TABLE, watched),
        assertAlive: () => connect.assertRunningWell(name),
        async close() {
          await connect.deleteSink(name).catch(() => {}); // it may have died, which the error under way tells
          await admin.deleteTopics([target]);
        },
      };
    },
  };
}
