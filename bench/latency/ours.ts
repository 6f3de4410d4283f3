import { randomUUID } from 'node:crypto';
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import { TOPIC_ROLES, type TopicRole } from '../../domain/schemas.ts';
import { type Environment, OURS } from '../environment.ts';
import { startIngestion } from './ingestion.ts';
import { openPositionsSight } from './positions-sight.ts';
import type { Reader } from './reading.ts';

/** Our worker, which reads copies of the backlog's topics. */
export function createOurs(environment: Environment): Reader {
  const { kafka, databases, backlog, settings } = environment;
  const admin = createKafkaAdmin(kafka);
  return {
    name: 'ours',
    async start() {
      const suffix = randomUUID().slice(0, 8);
      const topics = Object.fromEntries(TOPIC_ROLES.map((role) => [role, `crm.${role}.steady-${suffix}`])) as Record<
        TopicRole,
        string
      >;
      const names = Object.values(topics);
      await admin.createTopics(names.map((topic) => ({ topic, partitions: settings.partitions })));
      const databaseUrl = await databases.fresh(OURS);
      const ingestion = await startIngestion(environment, databaseUrl, topics);
      return {
        topics: TOPIC_ROLES.map((role) => ({ from: backlog.topics[role], to: topics[role] })),
        openSight: (watched) => openPositionsSight(databaseUrl, ingestion.consumerGroup, watched),
        assertAlive: ingestion.assertRunning,
        async close() {
          await ingestion.stop();
          await admin.deleteTopics(names);
        },
      };
    },
  };
}
