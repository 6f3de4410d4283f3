/** The schema registry's HTTP API: the only place that knows its client. */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import type { Type } from 'avsc';
import avsc from 'avsc';
import { RegistryUnavailableError } from '../../activities/ports.ts';
import { type AvroRecord, subjectOf } from '../../domain/schemas.ts';
import { SCHEMA_OPTIONS } from './avro-types.ts';
import { ping } from './ping.ts';

export interface RegistryOptions {
  /** Base of the Confluent API, with its path where it has one. */
  url: string;
  auth: { username: string; password: string } | null;
  /** PEM of a private authority that signed the registry's certificate. */
  ca: string | null;
  /** PEM of our own certificate and its key, for registries that ask for one. */
  cert?: string | null;
  key?: string | null;
  /** How long one request may take, in milliseconds; 5,000 when left out. */
  timeoutMs?: number;
}

export type SchemaAnswer =
  | { found: true; type: Type }
  | { found: false; code: 'unknown_schema' | 'incompatible_schema'; detail: string };

export interface RegistryClient {
  /** @throws RegistryUnavailableError when the registry does not answer, or not as a registry */
  schemaById(id: number): Promise<SchemaAnswer>;
  /**
   * Registers a topic's value schema unless its subject has it already.
   * @returns the schema's id
   * @throws RegistryUnavailableError; Error when the registry refuses the schema, with what to do
   */
  register(topic: string, schema: AvroRecord): Promise<number>;
  /**
   * Asks whether the registry answers.
   * @returns the latency in milliseconds
   * @throws RegistryUnavailableError
   */
  ping(): Promise<number>;
}

const DEFAULT_TIMEOUT_MS = 5_000;

/** As the client reports it when there was no answer at all. */
const BROKEN_CONNECTION = 400;

export function createRegistryClient(options: RegistryOptions): RegistryClient {
  const { auth, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  // No sockets are kept alive: a schema is asked for once, and a health check makes a client for itself each time.
  const agent = new URL(options.url).protocol === 'https:' ? new HttpsAgent(certificates(options)) : new HttpAgent();
  const registry = new SchemaRegistry(
    {
      host: options.url.replace(/\/+$/u, ''),
      clientId: 'crm-ingestion',
      agent,
      // Whoever waits for an answer waits better than a few quick attempts.
      retry: { retries: 0 },
      ...(auth === null ? {} : { auth }),
      middlewares: [
        () => ({ prepareRequest: (next) => next().then((request) => request.enhance({ timeout: timeoutMs })) }),
      ],
    },
    { [SchemaType.AVRO]: SCHEMA_OPTIONS },
  );
  const answers = () => ping(options.url, { auth, agent, timeoutMs });

  /** One connection broke, and the registry is there: no reason for a lane, or for a start, to fail. */
  const asked = <T>(ask: () => Promise<T>): Promise<T> =>
    ask().catch(async (error: unknown) => {
      if (statusOf(error) !== BROKEN_CONNECTION) throw error;
      await answers();
      return ask();
    });

  async function lookUp(id: number): Promise<SchemaAnswer> {
    try {
      const schema = await asked(() => registry.getSchema(id));
      if (avsc.Type.isType(schema)) return { found: true, type: schema as unknown as Type };
      return { found: false, code: 'incompatible_schema', detail: 'the schema is not Avro' };
    } catch (error) {
      // A wrong path or a proxy answers 404 or a login page to everything: whatever went wrong says something of the
      // schema only if the registry is there.
      await answers();
      const status = statusOf(error);
      if (status === null) {
        return { found: false, code: 'incompatible_schema', detail: 'the schema is not one that can be parsed' };
      }
      if (status === 404) {
        return { found: false, code: 'unknown_schema', detail: `the registry has no schema with id ${id}` };
      }
      throw new RegistryUnavailableError(`schema registry did not say what schema ${id} is (status ${status})`);
    }
  }

  /** Looks first: a subject that has the schema is left alone, whatever came after it and under whatever rules. */
  async function idOf(subject: string, schema: { type: SchemaType.AVRO; schema: string }): Promise<number> {
    try {
      return await registry.getRegistryIdBySchema(subject, schema);
    } catch (error) {
      if (statusOf(error) === BROKEN_CONNECTION) throw error;
      return (await registry.register(schema, { subject, updateConfig: false })).id;
    }
  }

  return {
    schemaById: lookUp,

    async register(topic, schema) {
      const subject = subjectOf(topic);
      const definition = { type: SchemaType.AVRO, schema: JSON.stringify(schema) } as const;
      await answers();
      try {
        return await asked(() => idOf(subject, definition));
      } catch (error) {
        if (error instanceof RegistryUnavailableError) throw error;
        if (statusOf(error) === BROKEN_CONNECTION) {
          throw new RegistryUnavailableError(`schema registry did not say whether it took the schema of ${subject}`);
        }
        throw new Error(
          `the schema registry refused the schema of ${subject} (${reasonOf(error)}): see whether the subject's ` +
            'compatibility is BACKWARD and its last version is ours',
        );
      }
    },

    ping: answers,
  };
}

function certificates({ ca, cert = null, key = null }: RegistryOptions) {
  return { ...(ca !== null && { ca }), ...(cert !== null && { cert }), ...(key !== null && { key }) };
}

/** The HTTP status of the client's error, null when the error is not an answer. */
function statusOf(error: unknown): number | null {
  return error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : null;
}

/** The client's messages may hold the URL with its credentials, or the body; its class and status are safe. */
function reasonOf(error: unknown): string {
  const status = statusOf(error);
  if (status !== null) return `status ${status}`;
  return error instanceof Error ? error.name : 'unknown';
}
