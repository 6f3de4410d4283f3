// The user's own set-up, checked before anything is killed in it.
import { sql } from 'slonik';
import { z } from 'zod';
import { createKafka, type KafkaClient } from '../../adapters/kafka/client.ts';
import { createLogReader, type KafkaLogReader } from '../../adapters/kafka/reader.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { registerSchemas } from '../../adapters/registry/index.ts';
import { dataConverterOf } from '../../adapters/temporal/codec.ts';
import { createClient } from '../../adapters/temporal/connection.ts';
import { createIngestionControl } from '../../adapters/temporal/control.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import type { TopicRole } from '../../domain/schemas.ts';
import type { Config } from '../../platform/config.ts';
import { SERVERS, type ServerName } from '../../stack/index.ts';
import type { IngestionControlPort } from '../../workflows/control-port.ts';
import type { Ingestion } from '../lib/log-progress.ts';
import { ensureTopics } from '../lib/produce-events.ts';
import { requireKafka } from '../lib/reachability.ts';
import { isHere } from './local-servers.ts';
import type { ChaosOptions } from './options.ts';

/** Something stands in the way of a run; the message says what to do. */
export class NotReadyError extends Error {
  override readonly name = 'NotReadyError';
}

export interface Setup extends Ingestion {
  kafka: KafkaClient;
  reader: KafkaLogReader;
  control: IngestionControlPort;
  schemaIds: Readonly<Record<TopicRole, number>>;
  close(): Promise<void>;
}

/** @throws NotReadyError, and what the clients of the servers throw when one can't be reached */
export async function openSetup(config: Config, { join, iMean }: Pick<ChaosOptions, 'join' | 'iMean'>): Promise<Setup> {
  if (config.nodeEnv === 'production') {
    throw new NotReadyError(
      'NODE_ENV is production: chaos kills workers and writes made-up events, and refuses to do so there',
    );
  }
  requireMeant(config, iMean);
  if (EVENT_TYPES.some((type) => !config.ingestion.eventTypes.includes(type))) {
    throw new NotReadyError(
      'INGESTION_EVENT_TYPES leaves types out, and chaos sends events of all nine: unset it for this run',
    );
  }
  const { consumerGroup } = config.kafka;
  const control = createIngestionControl(
    createClient({ ...config.temporal, dataConverter: dataConverterOf(config.temporal.codecKeys) }),
    config.temporal.namespace,
  );
  const kafka = createKafka({ ...config.kafka, log: () => {} });
  const reader = createLogReader(kafka, { maxWaitMs: 500 });
  const pool = await createDatabasePool({ ...config.postgres, poolSize: 4, applicationName: 'crm-chaos' });
  const close = async () => {
    reader.close();
    await Promise.allSettled([control.close(), pool.end()]);
  };
  try {
    await requireKafka(kafka);
    const ready = await pool.oneFirst(
      sql.type(
        z.object({ ready: z.boolean() }),
      )`SELECT to_regclass('analytics.crm_parked_ranges') IS NOT NULL AS ready`,
    );
    if (!ready) throw new NotReadyError('the database lacks tables of the product: run npm run migrate first');
    const { phase } = await control.status(consumerGroup);
    if (!join && phase !== 'never-started' && phase !== 'stopped') {
      throw new NotReadyError(
        `an ingestion of the consumer group ${consumerGroup} runs already (${phase}): stop it, set KAFKA_CONSUMER_GROUP_ID to another group, or take part in it with --join`,
      );
    }
    const schemaIds = await registerSchemas(config.registry, config.topics);
    await ensureTopics(kafka, config.topics);
    return { kafka, reader, pool, control, schemaIds, consumerGroup, topics: Object.values(config.topics), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A forgotten production URL in a file .env must not be enough. */
function requireMeant({ kafka, registry, temporal, postgres, redis }: Config, meant: string | undefined): void {
  const configured: Record<ServerName, string> = {
    kafka: kafka.brokers.join(','),
    registry: registry.url,
    temporal: temporal.address,
    postgres: postgres.url,
    redis: redis.url,
  };
  const elsewhere = SERVERS.filter((name) => !isHere(name, configured[name]));
  const database = new URL(postgres.url).pathname.slice(1);
  if (elsewhere.length > 0 && meant !== database) {
    throw new NotReadyError(
      `${elsewhere.join(', ')}: not of this machine. Chaos kills workers, writes made-up events into the topics and rows into the tables: if that is meant, say so with --i-mean ${database}`,
    );
  }
}
