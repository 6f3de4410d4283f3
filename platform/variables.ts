/**
 * Every environment variable there is: the one table that the configuration, `.env.example` and the README's
 * configuration table are made from.
 */
import {
  bool,
  freeText,
  hostAndPort,
  hostAndPortList,
  integer,
  jwksFile,
  type Kind,
  keyRing,
  nameList,
  oneOf,
  originList,
  pemFile,
  secretFile,
  text,
  topicName,
  trustedProxies,
  url,
  watchedPemFile,
} from './variable-kinds.ts';

export interface Variable<T = unknown, Default extends string | null = string | null> {
  kind: Kind<T>;
  /** As it would be written in the environment; null when the variable may be left out. */
  default: Default;
  meaning: string;
  /** The value is never shown. */
  secret: boolean;
  /** A URL with a password in it, which a file may hold like any secret. */
  holdsPassword: boolean;
}

function variable<T, Default extends string | null>(
  kind: Kind<T>,
  fallback: Default,
  meaning: string,
): Variable<T, Default> {
  return { kind, default: fallback, meaning, secret: false, holdsPassword: false };
}

function secret(meaning: string, kind = freeText): Variable<string, null> {
  return { kind, default: null, meaning, secret: true, holdsPassword: false };
}

function urlWithPassword(kind: Kind<string>, fallback: string, meaning: string): Variable<string, string> {
  return { kind, default: fallback, meaning, secret: false, holdsPassword: true };
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const GIBIBYTE = 1024 ** 3;

const general = {
  NODE_ENV: variable(
    oneOf('development', 'staging', 'production'),
    'development',
    'Which environment this is. Production refuses to start with settings that are only fit for a laptop, staging warns of them.',
  ),
  LOG_LEVEL: variable(oneOf('error', 'warn', 'info', 'debug'), 'info', 'Least serious level that is logged.'),
  SHUTDOWN_GRACE_MS: variable(
    integer(0, HOUR_MS, 'ms'),
    '10000',
    'How long a process may drain after SIGTERM; past it, it exits with code 1.',
  ),
};

const kafka = {
  KAFKA_CLIENT_ID: variable(
    freeText,
    'analytics-crm-ingestion',
    "The name under which the brokers' logs and quotas know this client.",
  ),
  KAFKA_BROKERS: variable(hostAndPortList, 'localhost:9092', 'Brokers to begin with; they tell of the others.'),
  KAFKA_USERNAME: variable(freeText, null, 'SASL user. Leave out without SASL.'),
  KAFKA_PASSWORD: secret('SASL password.'),
  KAFKA_SASL_MECHANISM: variable(
    oneOf('plain', 'scram-sha-256', 'scram-sha-512'),
    null,
    'How to log in. Without it: `plain` when KAFKA_USERNAME is set, else no SASL.',
  ),
  KAFKA_SSL: variable(bool, 'false', 'Whether to speak TLS to the brokers.'),
  KAFKA_SSL_CA_FILE: variable(pemFile, null, "CA that signed the brokers' certificates, where it is a private one."),
  KAFKA_SSL_CERT_FILE: variable(pemFile, null, 'Client certificate for mutual TLS; needs KAFKA_SSL_KEY_FILE.'),
  KAFKA_SSL_KEY_FILE: variable(pemFile, null, 'Key of the client certificate.'),
  KAFKA_CONSUMER_GROUP_ID: variable(
    text('1 to 249 characters', /^.{1,249}$/su),
    'analytics-crm-consumer',
    'Names the positions in PostgreSQL, the workflow in Temporal and the Kafka group that positions are mirrored to.',
  ),
  KAFKA_SESSION_TIMEOUT: variable(
    integer(1_000, 30 * MINUTE_MS, 'ms'),
    '30000',
    'After how long without a heartbeat the broker drops the position mirror from the group. Lanes use no shared group; theirs is INGESTION_LANE_TIMEOUT_MS.',
  ),
  KAFKA_HEARTBEAT_INTERVAL: variable(
    integer(100, 10 * MINUTE_MS, 'ms'),
    '3000',
    'How often the position mirror tells the broker that it lives; at most a third of KAFKA_SESSION_TIMEOUT.',
  ),
  KAFKA_MAX_WAIT_TIME: variable(
    integer(1, MINUTE_MS, 'ms'),
    '5000',
    'How long a broker may hold a fetch open while there is nothing new. It does not delay records that are there.',
  ),
};

const registry = {
  SCHEMA_REGISTRY_URL: variable(
    url('http:', 'https:'),
    'http://localhost:8081',
    'Schema registry with the Confluent API, with its path where it has one.',
  ),
  SCHEMA_REGISTRY_USERNAME: variable(freeText, null, 'User for basic authentication.'),
  SCHEMA_REGISTRY_PASSWORD: secret('Password for basic authentication.'),
  SCHEMA_REGISTRY_CA_FILE: variable(
    pemFile,
    null,
    "CA that signed the registry's certificate, where it is a private one.",
  ),
  SCHEMA_REGISTRY_CERT_FILE: variable(
    pemFile,
    null,
    'Client certificate for mutual TLS; needs SCHEMA_REGISTRY_KEY_FILE.',
  ),
  SCHEMA_REGISTRY_KEY_FILE: variable(pemFile, null, 'Key of the client certificate.'),
};

const topics = {
  CRM_EVENTS_TOPIC: variable(topicName, 'crm.events', 'Topic with events of any type.'),
  CRM_LEADS_TOPIC: variable(topicName, 'crm.leads', 'Topic with lead events.'),
  CRM_CONTACTS_TOPIC: variable(topicName, 'crm.contacts', 'Topic with contact events.'),
  CRM_OPPORTUNITIES_TOPIC: variable(topicName, 'crm.opportunities', 'Topic with opportunity events.'),
};

const postgres = {
  DATABASE_URL: urlWithPassword(
    url('postgres:', 'postgresql:'),
    'postgres://postgres@localhost:5432/crm',
    'PostgreSQL, with user, password and database. `?sslmode=verify-full` speaks TLS and checks certificate and host name (`require` and `verify-ca` do the same here, `no-verify` checks nothing); without it or DATABASE_SSL_CA_FILE there is no TLS.',
  ),
  DATABASE_SSL_CA_FILE: variable(
    pemFile,
    null,
    "CA that signed the server's certificate, where it is a private one; turns TLS on as `verify-full` does.",
  ),
  DATABASE_SSL_CERT_FILE: variable(pemFile, null, 'Client certificate for mutual TLS; needs DATABASE_SSL_KEY_FILE.'),
  DATABASE_SSL_KEY_FILE: variable(pemFile, null, 'Key of the client certificate.'),
  DATABASE_POOL_SIZE: variable(
    integer(1, 1_000, 'connections'),
    '10',
    'Most connections of one process, besides one for each lane it runs.',
  ),
  PARTITION_INTERVAL: variable(oneOf('day', 'month'), 'day', 'Time span of one partition of the staging tables.'),
  PARTITION_AHEAD: variable(integer(1, 366, 'intervals'), '7', 'How many partitions are created ahead of time.'),
  LATE_WINDOW_DAYS: variable(
    integer(1, 36_500, 'days'),
    '730',
    'How old an event may be on arrival and still get a partition; older ones go to the failed events.',
  ),
  MAINTENANCE_CRON: variable(
    text('five cron fields, in UTC', /^[\d*,/-]+(?: [\dA-Za-z*,/-]+){4}$/u),
    '30 3 * * *',
    'When partitions are maintained, in UTC: made ahead, drained, and retired by the rules of `/retention`.',
  ),
  LEDGER_KEEP_DAYS: variable(
    integer(1, 36_500, 'days'),
    null,
    'Event ids that were first seen longer ago are forgotten, so that an event sent again is stored again. Refused while a topic keeps records for ever or for longer. Leave out to never forget.',
  ),
  FAILED_RAW_KEEP_DAYS: variable(
    integer(1, 36_500, 'days'),
    null,
    'Dead letters of which neither an id nor an organization could be told are given up after so long, and their bytes removed, since no erasure can find a person in them. Leave out to keep them.',
  ),
};

const redis = {
  REDIS_URL: urlWithPassword(
    url('redis:', 'rediss:'),
    'redis://localhost:6379',
    'Redis for the retry queue, with user and password where needed; `rediss:` for TLS.',
  ),
  REDIS_TLS_CA_FILE: variable(
    pemFile,
    null,
    "CA that signed Redis's certificate, where it is a private one; needs `rediss:` in REDIS_URL.",
  ),
  REDIS_TLS_CERT_FILE: variable(pemFile, null, 'Client certificate for mutual TLS; needs REDIS_TLS_KEY_FILE.'),
  REDIS_TLS_KEY_FILE: variable(pemFile, null, 'Key of the client certificate.'),
};

const retries = {
  RETRY_QUEUE_NAME: variable(
    text('1 to 100 letters, digits, dots and dashes', /^[\w.-]{1,100}$/u),
    'crm-ingestion-retries',
    'Name of the BullMQ queue.',
  ),
  RETRY_QUEUE_PREFIX: variable(
    text('1 to 100 letters, digits, dots and dashes', /^[\w.-]{1,100}$/u),
    'crm',
    "What the queue's keys in Redis begin with. Installations with databases of their own that share a Redis need one each.",
  ),
  RETRY_BASE_MS: variable(
    integer(1, HOUR_MS, 'ms'),
    '1000',
    'The longest first wait of a failed event before its next retry; it doubles each time, and half of it is chance.',
  ),
  RETRY_MAX_MS: variable(integer(1, 24 * HOUR_MS, 'ms'), '900000', 'The longest wait between two retries of an event.'),
  RETRY_CONCURRENCY: variable(integer(1, 1_000, 'retries'), '4', 'How many retries one worker process does at a time.'),
  RETRY_RATE_PER_SECOND: variable(
    integer(1, 100_000, 'retries per second'),
    '200',
    'Most retries that are begun in a second, over all workers, so that they leave the servers to live reading.',
  ),
  RETRY_KEEP_JOBS_SECONDS: variable(
    integer(1, 30 * 86_400, 's'),
    '86400',
    'How long what became of an enqueued message can be asked for; of the last 10,000 at most.',
  ),
};

const replays = {
  REPLAY_YIELD_LAG: variable(
    integer(0, 1_000_000_000, 'events'),
    '50000',
    'Replays and backfills wait while live ingestion is so many events behind; 0 never waits.',
  ),
};

const files = {
  BACKFILL_DIR: variable(
    text('a path'),
    null,
    'Folder with the files of backfills, for workers and the API; nothing outside of it is read. Without it no folder is.',
  ),
  S3_ENDPOINT: variable(
    url('http:', 'https:'),
    null,
    'S3-compatible storage with files of backfills. Leave out for AWS itself.',
  ),
  S3_REGION: variable(freeText, 'us-east-1', 'Region of the buckets.'),
  S3_ACCESS_KEY_ID: variable(
    freeText,
    null,
    "Key that may list and read the buckets. Without it: what AWS's own tools would use on this machine.",
  ),
  S3_SECRET_ACCESS_KEY: secret('Secret of the key.'),
  S3_FORCE_PATH_STYLE: variable(
    bool,
    'false',
    'Whether buckets are named in the path instead of the host name, as most storage other than that of AWS wants.',
  ),
};

const books = {
  BOOKS_FOLD_AFTER_HOURS: variable(
    integer(1, 8_784, 'hours'),
    '2',
    'Batches of hours that ended longer ago become one row of the books for each partition and hour.',
  ),
  AUDIT_SIGNING_KEY_FILE: variable(
    pemFile,
    null,
    'Ed25519 private key (PKCS#8) that signs the reports of audits. Without it they are unsigned.',
  ),
};

const auditLog = {
  AUDIT_KEEP_DAYS: variable(
    integer(30, 36_500, 'days'),
    '2190',
    'How long entries of the audit log are kept; they leave in whole months. Six years is what HIPAA asks of its documentation.',
  ),
  AUDIT_CHAIN_KEY_FILE: variable(
    secretFile,
    null,
    'File with the key of the hashes in the audit log, 32 characters or more; `openssl rand -base64 32` makes one. The same for the API and the workers. Without it, whoever may write to the tables can make the log anew.',
  ),
  AUDIT_CLIENT_ADDRESSES: variable(bool, 'true', 'Whether the audit log has the addresses that requests came from.'),
};

const erasure = {
  ERASURE_KEY_FILE: variable(
    secretFile,
    null,
    'File with the key of the suppression list, 32 characters or more; `openssl rand -base64 32` makes one. Without a key nobody can be erased. Keep it for good and the same everywhere: with another key nothing can be written once somebody was erased.',
  ),
  ERASURE_KEY: secret('The key itself, where it comes from the environment; instead of ERASURE_KEY_FILE.'),
};

const personalData = {
  DATA_KEYS: secret(
    'Keys that seal what is kept of failed events, their messages and corrections: one a line, the current one first, older ones after it for as long as something is sealed with them. Without them it is kept readable. `npm run keys:rotate` seals again with the current one.',
    keyRing,
  ),
  TEMPORAL_CODEC_KEYS: secret(
    'Keys that encrypt all inputs, results and messages that workflows leave in Temporal, in the same form. Every worker and API process needs the same ones.',
    keyRing,
  ),
};

const redrives = {
  REDRIVE_LIMIT: variable(
    integer(1, 1_000, 'redrives'),
    '3',
    'Redrives in a row that may fail before an event is left out of the next one, unless it was corrected since or the request says `force`.',
  ),
  REDRIVE_APPROVAL_OVER: variable(
    integer(1, 1_000_000_000, 'events'),
    null,
    'A redrive or discard of more events than this, by filter, waits for another person than the requester. Single events never wait. Leave out to never ask.',
  ),
};

const temporal = {
  TEMPORAL_ADDRESS: variable(hostAndPort, 'localhost:7233', 'Temporal frontend.'),
  TEMPORAL_NAMESPACE: variable(freeText, 'default', 'Temporal namespace; it must exist.'),
  TEMPORAL_TLS: variable(bool, 'false', 'Whether to speak TLS to Temporal.'),
  TEMPORAL_TLS_CA_FILE: variable(
    pemFile,
    null,
    "CA that signed the frontend's certificate, where it is a private one.",
  ),
  TEMPORAL_TLS_CERT_FILE: variable(pemFile, null, 'Client certificate for mutual TLS; needs TEMPORAL_TLS_KEY_FILE.'),
  TEMPORAL_TLS_KEY_FILE: variable(pemFile, null, 'Key of the client certificate.'),
  TEMPORAL_API_KEY: secret('API key, as Temporal Cloud gives it; needs TEMPORAL_TLS.'),
  TEMPORAL_WORKER_BUILD_ID: variable(
    text('up to 100 letters, digits, dots and dashes', /^[\w.-]{1,100}$/),
    null,
    'Turns worker versioning on: this build gets work once it is made the current version of deployment `crm-ingestion`.',
  ),
};

const ingestion = {
  INGESTION_LANES: variable(
    integer(1, 1_000, 'lanes'),
    '4',
    'How many lanes read side by side over all workers; more than there are partitions is pointless.',
  ),
  INGESTION_START_POSITION: variable(
    oneOf('earliest', 'latest'),
    'earliest',
    'Where to begin in a partition that has no position yet.',
  ),
  INGESTION_OUT_OF_RANGE: variable(
    oneOf('earliest', 'latest', 'fail'),
    'earliest',
    "What to do when retention deleted records before they were read: go on at the log's start or end, or stop the lane. Each time is an incident that is counted and logged.",
  ),
  INGESTION_EVENT_TYPES: variable(
    nameList,
    null,
    'Event types to stage; others are recorded as `filtered`. Without it: all nine.',
  ),
  INGESTION_SLICE_MS: variable(
    integer(1_000, HOUR_MS, 'ms'),
    '300000',
    "How long a lane's activity runs before it hands over; each costs a few events of workflow history.",
  ),
  INGESTION_LANE_TIMEOUT_MS: variable(
    integer(1_000, 10 * MINUTE_MS, 'ms'),
    '5000',
    'A lane that is silent for so long is taken over by another worker.',
  ),
  INGESTION_BATCH_MAX_ROWS: variable(
    integer(1, 50_000, 'rows'),
    '5000',
    'Most events that one transaction writes; it takes fewer where the database needs long for them.',
  ),
  INGESTION_BATCH_MAX_BYTES: variable(
    integer(1, GIBIBYTE, 'bytes'),
    '4194304',
    'Most bytes of keys and values that one transaction takes, but for the last event of it.',
  ),
  INGESTION_BATCH_LINGER_MS: variable(
    integer(0, 10_000, 'ms'),
    '20',
    'How long a batch waits for more events after its first; more gives larger batches and later commits.',
  ),
  INGESTION_BUFFER_MAX_BYTES: variable(
    integer(1024 ** 2, 64 * GIBIBYTE, 'bytes'),
    '16777216',
    'Most that all lanes of a worker hold in memory ahead of the database, as Kafka sent it; a full buffer stops fetching.',
  ),
  BREAKER_PERCENT: variable(
    integer(1, 100, '%'),
    '50',
    'When more than this share of the recent events of one topic and schema fails for good, they are left in Kafka until somebody decides; 100 switches that off.',
  ),
  BREAKER_MIN_EVENTS: variable(
    integer(1, 1_000_000, 'events'),
    '100',
    'Fewer recent events of a topic and schema than this never trip its circuit breaker.',
  ),
  BREAKER_WINDOW_EVENTS: variable(
    integer(2, 10_000_000, 'events'),
    '1000',
    'How many events count as recent; older ones are forgotten by and by, as is what is older than some minutes.',
  ),
  INGESTION_MIRROR_INTERVAL_MS: variable(
    integer(100, HOUR_MS, 'ms'),
    '5000',
    'How often positions are published to the Kafka consumer group, for the usual lag tools.',
  ),
};

const processes = {
  WORKER_MAX_LANES: variable(integer(1, 1_000, 'lanes'), '8', 'Most lanes that one worker process runs.'),
  WORKER_MAX_REPLAY_LANES: variable(
    integer(1, 1_000, 'lanes'),
    '4',
    'Most lanes of replays and backfills that one worker process runs, beside those of live reading.',
  ),
  WORKER_HOST: variable(
    text('an address or host name'),
    '127.0.0.1',
    "Where the worker's metrics and health listen; `0.0.0.0` in a container.",
  ),
  WORKER_PORT: variable(integer(0, 65_535), '9464', "Port of the worker's metrics and health; 0 takes a free one."),
  API_HOST: variable(text('an address or host name'), '127.0.0.1', 'Where the API listens; `0.0.0.0` in a container.'),
  API_PORT: variable(integer(0, 65_535), '3000', 'Port of the API; 0 takes a free one.'),
  API_SHOW_PERSONAL_DATA: variable(
    bool,
    'false',
    'With AUTH_MODE=off: whether the API shows the personal data of failed events to everyone; masked otherwise. With AUTH_MODE=jwt it takes the permission `pii:read`.',
  ),
};

const httpDoor = {
  RATE_LIMIT_IDENTITY_PER_MINUTE: variable(
    integer(0, 10_000_000, 'requests per minute'),
    '3000',
    'Most requests of one identity (a token or an API key), over all API processes; 0 for no limit.',
  ),
  RATE_LIMIT_ADDRESS_PER_MINUTE: variable(
    integer(0, 10_000_000, 'requests per minute'),
    '12000',
    'Most requests of one client address (IPv6: /64) that no identity has been proved for; 0 for no limit.',
  ),
  RATE_LIMIT_FAILED_PER_MINUTE: variable(
    integer(0, 10_000_000, 'answers 401 per minute'),
    '30',
    'After so many requests of an address whose identity could not be proved, it must wait; who is known goes on. 0 for no limit.',
  ),
  TRUST_PROXY: variable(
    trustedProxies,
    null,
    'Whose X-Forwarded-For tells the client address: how many proxies there are in a row, or their networks. Without it nobody is believed.',
  ),
  API_TLS_CERT_FILE: variable(
    watchedPemFile,
    null,
    'Certificate of the API with its chain, which then speaks TLS 1.2 and later alone. Read again when it changes.',
  ),
  API_TLS_KEY_FILE: variable(watchedPemFile, null, 'Key of that certificate.'),
  API_TLS_CLIENT_CA_FILE: variable(
    watchedPemFile,
    null,
    'Authority that client certificates must be from; with it no connection is taken without one.',
  ),
  WORKER_TLS_CERT_FILE: variable(
    watchedPemFile,
    null,
    "The same for the worker's metrics and health: certificate with its chain.",
  ),
  WORKER_TLS_KEY_FILE: variable(watchedPemFile, null, 'Key of that certificate.'),
  WORKER_TLS_CLIENT_CA_FILE: variable(
    watchedPemFile,
    null,
    'Authority that client certificates must be from, such as that of the scraper.',
  ),
  API_CORS_ORIGINS: variable(
    originList,
    null,
    'Origins whose pages may call the API from a browser. Without it those of no other site.',
  ),
  API_REQUEST_TIMEOUT_MS: variable(
    integer(1_000, HOUR_MS, 'ms'),
    '30000',
    'A request must have arrived as a whole within this time, a third of it for its headers.',
  ),
  API_KEEP_ALIVE_MS: variable(
    integer(0, HOUR_MS, 'ms'),
    '5000',
    'How long an idle connection is kept; longer than what a proxy in front keeps it for.',
  ),
  API_MAX_CONNECTIONS: variable(
    integer(1, 1_000_000, 'connections'),
    '2000',
    'Most connections at a time; at most a quarter of them from one address, unless TRUST_PROXY is set.',
  ),
};

const authentication = {
  AUTH_MODE: variable(
    oneOf('off', 'jwt'),
    'off',
    'Whom the API lets in: everyone (`off`, for a laptop), or who shows a JWT or an API key.',
  ),
  AUTH_ISSUER: variable(freeText, null, 'The `iss` that JWTs must have.'),
  AUTH_AUDIENCE: variable(freeText, null, 'The `aud` that JWTs must have or hold.'),
  AUTH_JWKS_URL: variable(
    url('https:', 'http:'),
    null,
    'Where the issuer publishes its keys, as a JSON Web Key Set; http only on this machine. Without a source of keys the API takes no JWT, only API keys.',
  ),
  AUTH_JWKS_FILE: variable(jwksFile, null, 'The same as a file, instead of AUTH_JWKS_URL; read at the start.'),
  AUTH_HS256_SECRET: secret(
    'A secret that signs JWTs, instead of the keys of an issuer; 32 characters or more, and for development only. `openssl rand -base64 32` makes one.',
  ),
  AUTH_HS256_SECRET_FILE: variable(secretFile, null, 'File with that secret, instead of AUTH_HS256_SECRET.'),
  AUTH_CLOCK_SKEW_SECONDS: variable(
    integer(0, 300, 's'),
    '30',
    "How far the issuer's clock and ours may differ, for `exp`, `nbf` and `iat`.",
  ),
  AUTH_MAX_LIFETIME_SECONDS: variable(
    integer(60, 2_592_000, 's'),
    '86400',
    'JWTs that live longer, from `iat` to `exp`, are refused.',
  ),
  AUTH_ROLES_CLAIM: variable(
    freeText,
    'roles',
    'The claim that names roles and permissions; dots enter objects, as in `realm_access.roles`.',
  ),
  AUTH_ORGANIZATIONS_CLAIM: variable(
    freeText,
    'organizations',
    'The claim that names the organizations that a JWT is bound to; `*` for the whole installation. A JWT without it sees no organization.',
  ),
};

export const VARIABLE_GROUPS = {
  General: general,
  Kafka: kafka,
  'Schema registry': registry,
  Topics: topics,
  PostgreSQL: postgres,
  Redis: redis,
  Retries: retries,
  Redrives: redrives,
  Replays: replays,
  Files: files,
  Books: books,
  'Audit log': auditLog,
  Erasure: erasure,
  'Personal data': personalData,
  Temporal: temporal,
  Ingestion: ingestion,
  Processes: processes,
  Authentication: authentication,
  'HTTP door': httpDoor,
} as const satisfies Record<string, Record<string, Variable>>;

export const VARIABLES = {
  ...general,
  ...kafka,
  ...registry,
  ...topics,
  ...postgres,
  ...redis,
  ...retries,
  ...redrives,
  ...replays,
  ...files,
  ...books,
  ...auditLog,
  ...erasure,
  ...personalData,
  ...temporal,
  ...ingestion,
  ...processes,
  ...authentication,
  ...httpDoor,
};

export type VariableName = keyof typeof VARIABLES;

/** The value of each variable after parsing; null where it has no default and was left out. */
export type Values = {
  [Name in VariableName]: (typeof VARIABLES)[Name] extends Variable<infer T, infer Default>
    ? Default extends null
      ? T | null
      : T
    : never;
};
