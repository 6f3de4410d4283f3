import { RegistryUnavailableError } from '../../activities/ports.ts';
import { BrokerUnreachableError } from '../../adapters/kafka/brokers.ts';
import type { KafkaClient } from '../../adapters/kafka/client.ts';

/** Asks Kafka for a sign of life, once: kafkajs alone would try for a quarter of a minute. @throws BrokerUnreachableError */
export async function requireKafka(kafka: KafkaClient): Promise<void> {
  const brokers = kafka.openBrokers();
  try {
    await brokers.metadata([]);
  } finally {
    brokers.close();
  }
}

/** A sentence about what to look at when Kafka or the registry stood in the way; null for every other error. */
export function serverTrouble(error: unknown): string | null {
  if (error instanceof BrokerUnreachableError) {
    return (
      `Kafka can't be reached (${error.message}): look at KAFKA_BROKERS and, with TLS or a login, at KAFKA_SSL, ` +
      'KAFKA_SASL_MECHANISM, KAFKA_USERNAME and KAFKA_PASSWORD'
    );
  }
  if (error instanceof RegistryUnavailableError) return `${error.message}; look at SCHEMA_REGISTRY_URL`;
  // The classes are kafkajs's, which this room does not know.
  if (error instanceof Error && error.name.startsWith('KafkaJS')) {
    return `Kafka refused to go on (${error.message}): look at its log, and at the rights of KAFKA_USERNAME`;
  }
  return null;
}
