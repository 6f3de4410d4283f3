// Which servers there are, where an instance of them listens and keeps its state. Pure but for reading process.env.
import path from 'node:path';
import { cacheDir } from './cache.ts';

export const SERVERS = ['kafka', 'registry', 'temporal', 'postgres', 'redis'] as const;
export type ServerName = (typeof SERVERS)[number];

export type StackOptions = {
  /** Instance name, default `default`; instances share installed software and nothing else. */
  name?: string;
  /** Added to every base port; default 0, and 20000 for the instance `test`. */
  portOffset?: number;
  /** PostgreSQL major version, default POSTGRES_VERSION or 18. Each version has a data directory of its own. */
  postgresVersion?: string;
  /** Settings of PostgreSQL beside and instead of ours, for a server that is not running yet; Docker's has none of them. */
  postgresSettings?: Readonly<Record<string, string>>;
  /** Receives progress, one line a call; default: standard error. */
  log?: (line: string) => void;
};

/** What a program needs to reach the five servers. */
export type StackEnv = {
  KAFKA_BROKERS: string;
  SCHEMA_REGISTRY_URL: string;
  TEMPORAL_ADDRESS: string;
  TEMPORAL_UI_URL: string;
  DATABASE_URL: string;
  REDIS_URL: string;
};

/** The variable that says where a server is. */
export const CONNECTION_VARIABLES = {
  kafka: 'KAFKA_BROKERS',
  registry: 'SCHEMA_REGISTRY_URL',
  temporal: 'TEMPORAL_ADDRESS',
  postgres: 'DATABASE_URL',
  redis: 'REDIS_URL',
} as const satisfies Record<ServerName, keyof StackEnv>;

type Environment = Record<string, string | undefined>;

// Bases stay below 12768, so that with the test instance's offset they are below Linux's ephemeral range (32768 up).
const BASE_PORTS = {
  kafka: { variable: 'KAFKA_PORT', base: 9092 },
  kafkaController: { variable: 'KAFKA_CONTROLLER_PORT', base: 9193 },
  registry: { variable: 'REGISTRY_PORT', base: 8081 },
  registryManagement: { variable: 'REGISTRY_MANAGEMENT_PORT', base: 8181 },
  temporal: { variable: 'TEMPORAL_PORT', base: 7233 },
  temporalUi: { variable: 'TEMPORAL_UI_PORT', base: 8233 },
  postgres: { variable: 'POSTGRES_PORT', base: 5432 },
  redis: { variable: 'REDIS_PORT', base: 6379 },
} as const;

export type PortName = keyof typeof BASE_PORTS;
export type Ports = Record<PortName, number>;

export const PORT_NAMES = Object.keys(BASE_PORTS) as PortName[];

/** The environment variable that moves a port. */
export const portVariable = (port: PortName): string => BASE_PORTS[port].variable;

const DEFAULT_OFFSETS: Record<string, number> = { test: 20_000 };

/** Ports of an instance: base (environment or default) + offset. Throws a message that names a bad variable. */
export function portsOf(offset: number, environment: Environment): Ports {
  const entries = PORT_NAMES.map((name) => {
    const { variable, base } = BASE_PORTS[name];
    const text = environment[variable] || String(base);
    const port = Number(text) + offset;
    if (!/^\d+$/.test(text) || port < 1 || port > 65_535) {
      throw new Error(`${variable}=${text} with offset ${offset} is not a port: allowed is 1 to 65535 in sum`);
    }
    return [name, port];
  });
  return Object.fromEntries(entries) as Ports;
}

/** Where our own servers of these ports are reached; Apicurio has the Confluent API below a path, Confluent's has not. */
export function ownEnv(ports: Ports, kind: 'native' | 'docker'): StackEnv {
  const path = kind === 'native' ? '/apis/ccompat/v7' : '';
  return {
    KAFKA_BROKERS: `127.0.0.1:${ports.kafka}`,
    SCHEMA_REGISTRY_URL: `http://127.0.0.1:${ports.registry}${path}`,
    TEMPORAL_ADDRESS: `127.0.0.1:${ports.temporal}`,
    TEMPORAL_UI_URL: `http://127.0.0.1:${ports.temporalUi}`,
    DATABASE_URL: `postgres://postgres@127.0.0.1:${ports.postgres}/crm`,
    REDIS_URL: `redis://127.0.0.1:${ports.redis}`,
  };
}

export type Instance = {
  name: string;
  ports: Ports;
  /** Folder of its data, logs and process records. */
  dir: string;
  postgresVersion: string;
  postgresSettings: Readonly<Record<string, string>>;
  log: (line: string) => void;
};

/** Options with their defaults filled in. Throws on a name that is no folder name and on bad ports. */
export function resolveInstance(options: StackOptions = {}, environment: Environment = process.env): Instance {
  const name = options.name ?? 'default';
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) {
    throw new Error(`instance name "${name}": allowed are lower case letters, digits and -`);
  }
  return {
    name,
    ports: portsOf(options.portOffset ?? DEFAULT_OFFSETS[name] ?? 0, environment),
    dir: path.join(cacheDir(environment), 'instances', name),
    postgresVersion: options.postgresVersion ?? (environment.POSTGRES_VERSION || '18'),
    postgresSettings: options.postgresSettings ?? {},
    log: options.log ?? ((line) => process.stderr.write(`${line}\n`)),
  };
}

/** `host:port` pairs in the value of a connection variable. Throws when there is none. */
export function endpointsOf(server: ServerName, value: string): { host: string; port: number }[] {
  const defaultPorts = {
    kafka: 9092,
    registry: value.startsWith('https:') ? 443 : 80,
    temporal: 7233,
    postgres: 5432,
    redis: 6379,
  };
  return value.split(',').map((part) => {
    const url = URL.parse(part.includes('://') ? part : `tcp://${part.trim()}`);
    if (!url?.hostname) throw new Error(`${CONNECTION_VARIABLES[server]}: no host in it`);
    return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || defaultPorts[server] };
  });
}

/** An address for people: without the password that it may hold. */
export const withoutPassword = (address: string): string => address.replace(/(:\/\/[^:@/]*):[^@/]*@/g, '$1:***@');
