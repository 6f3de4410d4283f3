/** The room of the schema registry: what the composition roots need of it. */
import type { EventDecoder } from '../../activities/ports.ts';
import { SCHEMAS, TOPIC_ROLES, type TopicRole } from '../../domain/schemas.ts';
import { createRegistryClient, type RegistryOptions } from './client.ts';
import { createDecoder } from './decoder.ts';

export { compileAvro } from './avro-files.ts';
export type { RegistryOptions } from './client.ts';

/** A decoder with its own cache of schemas; make one per process and share it between lanes. */
export function createEventDecoder(options: RegistryOptions): EventDecoder {
  return createDecoder(createRegistryClient(options));
}

/** Asks for schemas by their ids, past all caches. */
export function createSchemaLookup(options: RegistryOptions): { knows(schemaId: number): Promise<boolean> } {
  const client = createRegistryClient(options);
  return {
    async knows(schemaId) {
      const answer = await client.schemaById(schemaId);
      return answer.found || answer.code !== 'unknown_schema';
    },
  };
}

/**
 * Asks whether the registry answers.
 * @returns the latency in milliseconds
 * @throws RegistryUnavailableError with what to check, without credentials
 */
export function pingRegistry(options: RegistryOptions): Promise<number> {
  return createRegistryClient(options).ping();
}

/**
 * Registers our schemas for the topics, those that are not there yet.
 * @returns the schema ids by the topics' roles
 * @throws RegistryUnavailableError; Error when the registry refuses a schema, with what to do
 */
export async function registerSchemas(
  options: RegistryOptions,
  topics: Readonly<Record<TopicRole, string>>,
): Promise<Record<TopicRole, number>> {
  const client = createRegistryClient(options);
  const ids = {} as Record<TopicRole, number>;
  for (const role of TOPIC_ROLES) ids[role] = await client.register(topics[role], SCHEMAS[role]);
  return ids;
}
