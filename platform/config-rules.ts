import { authProblems, authWarnings, productionProblems } from './auth-rules.ts';
import { tlsProblems } from './config-tls.ts';
import { maskCredentials } from './mask.ts';
import { serverTlsProblems } from './server-tls.ts';
import { createSigner } from './signing.ts';
import type { Values, VariableName } from './variables.ts';

/**
 * Problems of values that are fine alone and don't go together. A value that did not parse is undefined and reported
 * already.
 */
export function ruleProblems(values: Partial<Values>, eventTypes: readonly string[]): string[] {
  const problems: string[] = [];
  const set = (name: VariableName) => values[name] !== undefined && values[name] !== null && values[name] !== false;
  const needs = (name: VariableName, ...others: VariableName[]) => {
    const missing = others.filter((other) => values[other] === null || values[other] === false);
    if (set(name) && missing.length > 0) {
      problems.push(`${name} is set without ${missing.join(' and ')}; set them together or not at all`);
    }
  };
  needs('KAFKA_SASL_MECHANISM', 'KAFKA_USERNAME', 'KAFKA_PASSWORD');
  if (!set('KAFKA_SASL_MECHANISM')) {
    needs('KAFKA_USERNAME', 'KAFKA_PASSWORD');
    needs('KAFKA_PASSWORD', 'KAFKA_USERNAME');
  }
  needs('KAFKA_SSL_CA_FILE', 'KAFKA_SSL');
  needs('KAFKA_SSL_CERT_FILE', 'KAFKA_SSL', 'KAFKA_SSL_KEY_FILE');
  needs('KAFKA_SSL_KEY_FILE', 'KAFKA_SSL', 'KAFKA_SSL_CERT_FILE');
  needs('SCHEMA_REGISTRY_CERT_FILE', 'SCHEMA_REGISTRY_KEY_FILE');
  needs('SCHEMA_REGISTRY_KEY_FILE', 'SCHEMA_REGISTRY_CERT_FILE');
  needs('SCHEMA_REGISTRY_USERNAME', 'SCHEMA_REGISTRY_PASSWORD');
  needs('SCHEMA_REGISTRY_PASSWORD', 'SCHEMA_REGISTRY_USERNAME');
  needs('DATABASE_SSL_CERT_FILE', 'DATABASE_SSL_KEY_FILE');
  needs('DATABASE_SSL_KEY_FILE', 'DATABASE_SSL_CERT_FILE');
  needs('REDIS_TLS_CERT_FILE', 'REDIS_TLS_KEY_FILE');
  needs('REDIS_TLS_KEY_FILE', 'REDIS_TLS_CERT_FILE');
  needs('S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY');
  needs('S3_SECRET_ACCESS_KEY', 'S3_ACCESS_KEY_ID');
  needs('TEMPORAL_TLS_CA_FILE', 'TEMPORAL_TLS');
  needs('TEMPORAL_TLS_CERT_FILE', 'TEMPORAL_TLS', 'TEMPORAL_TLS_KEY_FILE');
  needs('TEMPORAL_TLS_KEY_FILE', 'TEMPORAL_TLS', 'TEMPORAL_TLS_CERT_FILE');
  needs('TEMPORAL_API_KEY', 'TEMPORAL_TLS');
  for (const server of ['API', 'WORKER'] as const) {
    needs(`${server}_TLS_CERT_FILE`, `${server}_TLS_KEY_FILE`);
    needs(`${server}_TLS_KEY_FILE`, `${server}_TLS_CERT_FILE`);
    needs(`${server}_TLS_CLIENT_CA_FILE`, `${server}_TLS_CERT_FILE`, `${server}_TLS_KEY_FILE`);
    problems.push(...certificateProblems(values, server));
  }

  const { KAFKA_HEARTBEAT_INTERVAL: heartbeat, KAFKA_SESSION_TIMEOUT: session } = values;
  if (heartbeat !== undefined && session !== undefined && heartbeat * 3 > session) {
    problems.push(
      `KAFKA_HEARTBEAT_INTERVAL is ${heartbeat}; allowed: at most a third of KAFKA_SESSION_TIMEOUT (${session})`,
    );
  }
  const { RETRY_BASE_MS: base, RETRY_MAX_MS: longest } = values;
  if (base !== undefined && longest !== undefined && base > longest) {
    problems.push(`RETRY_BASE_MS is ${base}; allowed: at most RETRY_MAX_MS (${longest})`);
  }
  problems.push(...tlsProblems(values));
  problems.push(...signingKeyProblems(values.AUDIT_SIGNING_KEY_FILE ?? null));
  problems.push(...erasureKeyProblems(values));
  problems.push(...chainKeyProblems(values.AUDIT_CHAIN_KEY_FILE ?? null));
  problems.push(...topicProblems(values));
  problems.push(...authProblems(values), ...productionProblems(values));
  const unknown = (values.INGESTION_EVENT_TYPES ?? []).filter((type) => !eventTypes.includes(type));
  if (unknown.length > 0) {
    problems.push(
      `INGESTION_EVENT_TYPES names ${unknown.map((type) => `"${maskCredentials(type)}"`).join(', ')}; allowed: ${eventTypes.join(', ')}`,
    );
  }
  return problems;
}

/** Sentences for the log about values that are allowed and hardly meant. */
export function ruleWarnings(values: Partial<Values>): string[] {
  return [...authWarnings(values), ...personalDataWarnings(values), ...auditLogWarnings(values)];
}

function auditLogWarnings({ NODE_ENV: environment, AUDIT_CHAIN_KEY_FILE: key }: Partial<Values>): string[] {
  return environment === 'production' && key === null
    ? [
        'AUDIT_CHAIN_KEY_FILE is not set: whoever may write to the tables can make the audit log anew (docs/AUDIT-LOG.md)',
      ]
    : [];
}

function personalDataWarnings({ NODE_ENV: environment, DATA_KEYS, TEMPORAL_CODEC_KEYS }: Partial<Values>): string[] {
  if (environment !== 'production') return [];
  const warning = (name: VariableName, what: string) => `${name} is not set: ${what} (docs/PERSONAL-DATA.md)`;
  return [
    ...(DATA_KEYS === null ? [warning('DATA_KEYS', 'messages of failed events are kept readable in PostgreSQL')] : []),
    ...(TEMPORAL_CODEC_KEYS === null
      ? [warning('TEMPORAL_CODEC_KEYS', 'what workflows leave in Temporal is readable there')]
      : []),
  ];
}

function signingKeyProblems(pem: string | null): string[] {
  if (pem === null) return [];
  try {
    createSigner(pem);
    return [];
  } catch (error) {
    return [`AUDIT_SIGNING_KEY_FILE is ${error instanceof Error ? error.message : 'no key'}`];
  }
}

/** Shorter ones can be guessed, and with them who is on the list. */
const SHORTEST_KEY = 32;

function erasureKeyProblems({ ERASURE_KEY_FILE: file = null, ERASURE_KEY: key = null }: Partial<Values>): string[] {
  if (file !== null && key !== null) return ['ERASURE_KEY_FILE and ERASURE_KEY are both set; drop one of them'];
  const isShort = (file ?? key)?.length ?? SHORTEST_KEY;
  return isShort < SHORTEST_KEY ? [`the erasure key is too short; allowed: ${SHORTEST_KEY} characters or more`] : [];
}

function chainKeyProblems(key: string | null): string[] {
  return key !== null && key.length < SHORTEST_KEY
    ? [`the key in AUDIT_CHAIN_KEY_FILE is too short; allowed: ${SHORTEST_KEY} characters or more`]
    : [];
}

function certificateProblems(values: Partial<Values>, server: 'API' | 'WORKER'): string[] {
  const [cert, key] = [`${server}_TLS_CERT_FILE`, `${server}_TLS_KEY_FILE`] as const;
  const { [cert]: certFile, [key]: keyFile, [`${server}_TLS_CLIENT_CA_FILE` as const]: clientCaFile } = values;
  if (!certFile || !keyFile || clientCaFile === undefined) return [];
  return serverTlsProblems({ certFile, keyFile, clientCaFile }, Date.now()).map(
    (problem) => `${cert} and ${key}: ${problem}`,
  );
}

const TOPIC_VARIABLES = [
  'CRM_EVENTS_TOPIC',
  'CRM_LEADS_TOPIC',
  'CRM_CONTACTS_TOPIC',
  'CRM_OPPORTUNITIES_TOPIC',
] as const satisfies VariableName[];

function topicProblems(values: Partial<Values>): string[] {
  return TOPIC_VARIABLES.flatMap((name, index) => {
    const earlier = TOPIC_VARIABLES.slice(0, index).find(
      (other) => values[other] !== undefined && values[other] === values[name],
    );
    return earlier ? [`${name} is "${values[name]}" like ${earlier}; allowed: four different topics`] : [];
  });
}
