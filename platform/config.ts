/** The only reader of the environment: parsed once at the start of a process, then handed down in slices. */
import { readFileSync } from 'node:fs';
import { type AuthConfig, authConfig } from './auth-config.ts';
import { ruleProblems, ruleWarnings } from './config-rules.ts';
import { likelyTypos } from './config-typos.ts';
import { maskCredentials } from './mask.ts';
import { fileVariables, readSecretVariable } from './secret-files.ts';
import type { ServerTls } from './server-tls.ts';
import { jwksFile, pemFile, secretFile, type TrustedProxies, watchedPemFile } from './variable-kinds.ts';
import { VARIABLES, type Values, type Variable } from './variables.ts';

/** The environment is unusable; `problems` has one sentence for each thing to mend, without any secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n- ${problems.join('\n- ')}`,
    );
    this.problems = problems;
  }
}

/** Contents of PEM files; null where the public authorities or no client certificate are used. */
export interface Tls {
  ca: string | null;
  cert: string | null;
  key: string | null;
}

export interface KafkaConfig {
  clientId: string;
  brokers: string[];
  /** null without SASL. */
  sasl: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string } | null;
  /** Whether to speak TLS; contents of PEM files where the public authorities or no client certificate won't do. */
  ssl: boolean | { ca?: string; cert?: string; key?: string };
  consumerGroup: string;
  sessionTimeoutMs: number;
  heartbeatIntervalMs: number;
  maxWaitMs: number;
}

/** With what to speak https, where the URL says so. */
export interface RegistryConfig extends Tls {
  url: string;
  auth: { username: string; password: string } | null;
}

export interface TopicsConfig {
  events: string;
  leads: string;
  contacts: string;
  opportunities: string;
}

/** With what to speak TLS, where the URL or the authority says so. */
export interface PostgresConfig extends Tls {
  url: string;
  poolSize: number;
}

export interface PartitionsConfig {
  interval: 'day' | 'month';
  /** In intervals. */
  ahead: number;
  lateWindowDays: number;
}

export interface MaintenanceConfig {
  /** Five fields, in UTC. */
  cron: string;
  /** null for ever. */
  ledgerKeepDays: number | null;
  failedRawKeepDays: number | null;
}

export interface RedisConfig {
  url: string;
  /** null without TLS. */
  tls: Tls | null;
}

export interface RetriesConfig {
  queue: { name: string; prefix: string };
  backoff: { baseMs: number; maxMs: number };
  concurrency: number;
  ratePerSecond: number;
  keepJobsSeconds: number;
}

export interface FilesConfig {
  /** null reads no folder. */
  root: string | null;
  s3: {
    /** null for AWS itself. */
    endpoint: string | null;
    region: string;
    /** null for what AWS's tools would use. */
    credentials: { accessKeyId: string; secretAccessKey: string } | null;
    forcePathStyle: boolean;
  };
}

export interface BooksConfig {
  foldAfterHours: number;
  /** PEM of the key that signs audits; null without. */
  signingKey: string | null;
}

export interface AuditLogConfig {
  keepDays: number;
  /** Of the hashes; null for hashes that everyone can make. */
  key: string | null;
  clientAddresses: boolean;
}

export interface ErasureConfig {
  /** Of the suppression list; null without, and then nobody can be erased. */
  key: string | null;
}

export interface PersonalDataConfig {
  /** Text of a key ring; null keeps messages of failed events readable. */
  keys: string | null;
}

export interface RedrivesConfig {
  limit: number;
  /** null never asks for a second person. */
  approvalOver: number | null;
}

export interface TemporalConfig {
  address: string;
  namespace: string;
  /** null without TLS. */
  tls: Tls | null;
  apiKey: string | null;
  /** Text of a key ring; null leaves payloads as they are. */
  codecKeys: string | null;
  /** null without worker versioning. */
  buildId: string | null;
}

export interface IngestionConfig {
  lanes: number;
  startPosition: 'earliest' | 'latest';
  outOfRange: 'earliest' | 'latest' | 'fail';
  eventTypes: string[];
  sliceMs: number;
  laneTimeoutMs: number;
  batchMaxRows: number;
  batchMaxBytes: number;
  batchLingerMs: number;
  bufferMaxBytes: number;
  breaker: { share: number; minimum: number; window: number };
  mirrorIntervalMs: number;
}

export interface HttpDoorConfig {
  /** Requests per minute; 0 for no limit. */
  limits: { identity: number; address: number; failed: number };
  /** null believes nobody's X-Forwarded-For. */
  trustProxy: TrustedProxies | null;
  /** null without TLS. */
  tls: ServerTls | null;
  /** Of pages of other sites that may call the API. */
  corsOrigins: string[];
  requestTimeoutMs: number;
  keepAliveMs: number;
  maxConnections: number;
}

export interface Config {
  nodeEnv: 'development' | 'staging' | 'production';
  shutdownGraceMs: number;
  log: { level: 'error' | 'warn' | 'info' | 'debug' };
  kafka: KafkaConfig;
  registry: RegistryConfig;
  topics: TopicsConfig;
  postgres: PostgresConfig;
  partitions: PartitionsConfig;
  maintenance: MaintenanceConfig;
  redis: RedisConfig;
  retries: RetriesConfig;
  redrives: RedrivesConfig;
  books: BooksConfig;
  auditLog: AuditLogConfig;
  erasure: ErasureConfig;
  personalData: PersonalDataConfig;
  temporal: TemporalConfig;
  ingestion: IngestionConfig;
  replays: { yieldLag: number };
  files: FilesConfig;
  worker: { maxLanes: number; maxReplayLanes: number; host: string; port: number; tls: ServerTls | null };
  api: { host: string; port: number; showPersonalData: boolean };
  auth: AuthConfig;
  httpDoor: HttpDoorConfig;
  /** Sentences for the log: variables that are set, unknown, and look like a misspelt one of ours. */
  warnings: string[];
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the configuration. A variable that is set to nothing counts as left out; files are read here, so that a wrong
 * path shows at the start.
 * @param eventTypes the names that INGESTION_EVENT_TYPES may hold
 * @throws ConfigError with all problems at once
 */
export function loadConfig(env: Environment, eventTypes: readonly string[]): Config {
  const warnings = likelyTypos(Object.keys(env), [...Object.keys(VARIABLES), ...fileVariables()]);
  const { values, problems } = parse(env);
  problems.push(...ruleProblems(values, eventTypes));
  if (problems.length > 0) throw new ConfigError([...problems, ...warnings]);
  // Without problems every value is there.
  const sliced = slices(values as Values, eventTypes);
  return deepFreeze({ ...sliced, warnings: [...warnings, ...ruleWarnings(values)] });
}

function parse(env: Environment): { values: Partial<Values>; problems: string[] } {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, variable] of Object.entries<Variable>(VARIABLES)) {
    const inFile = readSecretVariable(env, name, variable);
    if (inFile !== null && 'problem' in inFile) {
      problems.push(inFile.problem);
      continue;
    }
    const found = inFile?.value ?? (env[name]?.trim() ? env[name].trim() : variable.default);
    if (found === null) {
      values[name] = null;
      continue;
    }
    const parsed = variable.kind.schema.safeParse(found);
    // A file that can't be read makes its path a wrong value, which then shows at the start.
    const value = parsed.success && FILES.has(variable.kind) ? FILES.get(variable.kind)?.(found) : parsed.data;
    if (value === undefined) {
      const what = inFile === null ? shown(found, variable) : 'set to a secret';
      problems.push(`${name} is ${what}; allowed: ${variable.kind.allowed}`);
    } else {
      values[name] = value;
    }
  }
  return { values: values as Partial<Values>, problems };
}

const FILES: ReadonlyMap<unknown, (path: string) => string | undefined> = new Map([
  [pemFile, readPem],
  [secretFile, readSecret],
  [jwksFile, readKeySet],
  [watchedPemFile, (path) => (readPem(path) === undefined ? undefined : path)],
]);

function readSecret(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function readPem(path: string): string | undefined {
  try {
    const content = readFileSync(path, 'utf8');
    return content.includes('-----BEGIN ') ? content : undefined;
  } catch {
    return undefined;
  }
}

function readKeySet(path: string): string | undefined {
  try {
    const content = readFileSync(path, 'utf8');
    const set: unknown = JSON.parse(content);
    return typeof set === 'object' && set !== null && 'keys' in set && Array.isArray(set.keys) ? content : undefined;
  } catch {
    return undefined;
  }
}

function shown(found: string, variable: Variable): string {
  if (variable.secret) return 'set to a secret';
  const masked = maskCredentials(found);
  return `"${masked.length > 120 ? `${masked.slice(0, 120)}…` : masked}"`;
}

function slices(values: Values, eventTypes: readonly string[]): Omit<Config, 'warnings'> {
  return {
    nodeEnv: values.NODE_ENV,
    shutdownGraceMs: values.SHUTDOWN_GRACE_MS,
    log: { level: values.LOG_LEVEL },
    kafka: {
      clientId: values.KAFKA_CLIENT_ID,
      brokers: values.KAFKA_BROKERS,
      sasl:
        values.KAFKA_USERNAME !== null && values.KAFKA_PASSWORD !== null
          ? {
              mechanism: values.KAFKA_SASL_MECHANISM ?? 'plain',
              username: values.KAFKA_USERNAME,
              password: values.KAFKA_PASSWORD,
            }
          : null,
      ssl: kafkaSsl(values),
      consumerGroup: values.KAFKA_CONSUMER_GROUP_ID,
      sessionTimeoutMs: values.KAFKA_SESSION_TIMEOUT,
      heartbeatIntervalMs: values.KAFKA_HEARTBEAT_INTERVAL,
      maxWaitMs: values.KAFKA_MAX_WAIT_TIME,
    },
    registry: {
      url: values.SCHEMA_REGISTRY_URL,
      auth:
        values.SCHEMA_REGISTRY_USERNAME !== null && values.SCHEMA_REGISTRY_PASSWORD !== null
          ? { username: values.SCHEMA_REGISTRY_USERNAME, password: values.SCHEMA_REGISTRY_PASSWORD }
          : null,
      ca: values.SCHEMA_REGISTRY_CA_FILE,
      cert: values.SCHEMA_REGISTRY_CERT_FILE,
      key: values.SCHEMA_REGISTRY_KEY_FILE,
    },
    topics: {
      events: values.CRM_EVENTS_TOPIC,
      leads: values.CRM_LEADS_TOPIC,
      contacts: values.CRM_CONTACTS_TOPIC,
      opportunities: values.CRM_OPPORTUNITIES_TOPIC,
    },
    postgres: {
      url: values.DATABASE_URL,
      ca: values.DATABASE_SSL_CA_FILE,
      cert: values.DATABASE_SSL_CERT_FILE,
      key: values.DATABASE_SSL_KEY_FILE,
      poolSize: values.DATABASE_POOL_SIZE,
    },
    partitions: {
      interval: values.PARTITION_INTERVAL,
      ahead: values.PARTITION_AHEAD,
      lateWindowDays: values.LATE_WINDOW_DAYS,
    },
    maintenance: {
      cron: values.MAINTENANCE_CRON,
      ledgerKeepDays: values.LEDGER_KEEP_DAYS,
      failedRawKeepDays: values.FAILED_RAW_KEEP_DAYS,
    },
    redis: {
      url: values.REDIS_URL,
      tls: values.REDIS_URL.startsWith('rediss:')
        ? { ca: values.REDIS_TLS_CA_FILE, cert: values.REDIS_TLS_CERT_FILE, key: values.REDIS_TLS_KEY_FILE }
        : null,
    },
    retries: {
      queue: { name: values.RETRY_QUEUE_NAME, prefix: values.RETRY_QUEUE_PREFIX },
      backoff: { baseMs: values.RETRY_BASE_MS, maxMs: values.RETRY_MAX_MS },
      concurrency: values.RETRY_CONCURRENCY,
      ratePerSecond: values.RETRY_RATE_PER_SECOND,
      keepJobsSeconds: values.RETRY_KEEP_JOBS_SECONDS,
    },
    books: { foldAfterHours: values.BOOKS_FOLD_AFTER_HOURS, signingKey: values.AUDIT_SIGNING_KEY_FILE },
    auditLog: {
      keepDays: values.AUDIT_KEEP_DAYS,
      key: values.AUDIT_CHAIN_KEY_FILE,
      clientAddresses: values.AUDIT_CLIENT_ADDRESSES,
    },
    erasure: { key: values.ERASURE_KEY_FILE ?? values.ERASURE_KEY },
    personalData: { keys: values.DATA_KEYS },
    redrives: { limit: values.REDRIVE_LIMIT, approvalOver: values.REDRIVE_APPROVAL_OVER },
    temporal: {
      address: values.TEMPORAL_ADDRESS,
      namespace: values.TEMPORAL_NAMESPACE,
      tls: values.TEMPORAL_TLS
        ? { ca: values.TEMPORAL_TLS_CA_FILE, cert: values.TEMPORAL_TLS_CERT_FILE, key: values.TEMPORAL_TLS_KEY_FILE }
        : null,
      apiKey: values.TEMPORAL_API_KEY,
      codecKeys: values.TEMPORAL_CODEC_KEYS,
      buildId: values.TEMPORAL_WORKER_BUILD_ID,
    },
    ingestion: {
      lanes: values.INGESTION_LANES,
      startPosition: values.INGESTION_START_POSITION,
      outOfRange: values.INGESTION_OUT_OF_RANGE,
      eventTypes: values.INGESTION_EVENT_TYPES ?? [...eventTypes],
      sliceMs: values.INGESTION_SLICE_MS,
      laneTimeoutMs: values.INGESTION_LANE_TIMEOUT_MS,
      batchMaxRows: values.INGESTION_BATCH_MAX_ROWS,
      batchMaxBytes: values.INGESTION_BATCH_MAX_BYTES,
      batchLingerMs: values.INGESTION_BATCH_LINGER_MS,
      bufferMaxBytes: values.INGESTION_BUFFER_MAX_BYTES,
      breaker: {
        share: values.BREAKER_PERCENT / 100,
        minimum: values.BREAKER_MIN_EVENTS,
        window: values.BREAKER_WINDOW_EVENTS,
      },
      mirrorIntervalMs: values.INGESTION_MIRROR_INTERVAL_MS,
    },
    replays: { yieldLag: values.REPLAY_YIELD_LAG },
    files: {
      root: values.BACKFILL_DIR,
      s3: {
        endpoint: values.S3_ENDPOINT,
        region: values.S3_REGION,
        credentials:
          values.S3_ACCESS_KEY_ID !== null && values.S3_SECRET_ACCESS_KEY !== null
            ? { accessKeyId: values.S3_ACCESS_KEY_ID, secretAccessKey: values.S3_SECRET_ACCESS_KEY }
            : null,
        forcePathStyle: values.S3_FORCE_PATH_STYLE,
      },
    },
    worker: {
      maxLanes: values.WORKER_MAX_LANES,
      maxReplayLanes: values.WORKER_MAX_REPLAY_LANES,
      host: values.WORKER_HOST,
      port: values.WORKER_PORT,
      tls: serverTls(values, 'WORKER'),
    },
    api: { host: values.API_HOST, port: values.API_PORT, showPersonalData: values.API_SHOW_PERSONAL_DATA },
    httpDoor: {
      limits: {
        identity: values.RATE_LIMIT_IDENTITY_PER_MINUTE,
        address: values.RATE_LIMIT_ADDRESS_PER_MINUTE,
        failed: values.RATE_LIMIT_FAILED_PER_MINUTE,
      },
      trustProxy: values.TRUST_PROXY,
      tls: serverTls(values, 'API'),
      corsOrigins: values.API_CORS_ORIGINS ?? [],
      requestTimeoutMs: values.API_REQUEST_TIMEOUT_MS,
      keepAliveMs: values.API_KEEP_ALIVE_MS,
      maxConnections: values.API_MAX_CONNECTIONS,
    },
    auth: authConfig(values),
  };
}

function kafkaSsl(values: Values): KafkaConfig['ssl'] {
  if (!values.KAFKA_SSL) return false;
  const { KAFKA_SSL_CA_FILE: ca, KAFKA_SSL_CERT_FILE: cert, KAFKA_SSL_KEY_FILE: key } = values;
  if (ca === null && cert === null) return true;
  return { ...(ca !== null && { ca }), ...(cert !== null && { cert }), ...(key !== null && { key }) };
}

function serverTls(values: Values, server: 'API' | 'WORKER'): ServerTls | null {
  const certFile = values[`${server}_TLS_CERT_FILE`];
  const keyFile = values[`${server}_TLS_KEY_FILE`];
  if (certFile === null || keyFile === null) return null;
  return { certFile, keyFile, clientCaFile: values[`${server}_TLS_CLIENT_CA_FILE`] };
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  }
  return Object.freeze(value);
}
