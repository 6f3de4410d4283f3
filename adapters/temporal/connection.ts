import { Client, Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { NativeConnection } from '@temporalio/worker';
import { explainRefusal, suspectRefusal } from '../../platform/tls-explain.ts';

/** Certificates and keys are PEM texts. */
export interface TemporalOptions {
  /** host:port */
  address: string;
  namespace: string;
  /** null without TLS. */
  tls: { ca: string | null; cert: string | null; key: string | null } | null;
  apiKey: string | null;
  /** Encrypts payloads; left out, or without a codec, they are as they come. */
  dataConverter?: DataConverter;
}

/** A client that connects with its first call, so that a process can start before Temporal does. */
export function createClient(options: TemporalOptions): Client {
  const { namespace, dataConverter } = options;
  return new Client({
    connection: Connection.lazy({ ...endpoint(options), interceptors: [retrying()] }),
    namespace,
    ...(dataConverter !== undefined && { dataConverter }),
  });
}

/** The connection that workers share. @throws when Temporal can't be reached */
export function connectWorkers(options: TemporalOptions): Promise<NativeConnection> {
  return NativeConnection.connect(endpoint(options));
}

/** Of a connection that is closed unanswered, which may be a refusal or a restart: about a second in all. */
const MOST_SUSPECT_TRIES = 4;

/** Tries again as the SDK does by default, but not where the frontend does not let us in: that is told at once. */
function retrying() {
  const usual = defaultGrpcRetryOptions();
  return makeGrpcRetryInterceptor({
    ...usual,
    retryableDecider(attempt, status) {
      const failure = new Error(status.details);
      if (explainRefusal('temporal', failure) !== null) return false;
      if (attempt >= MOST_SUSPECT_TRIES && suspectRefusal('temporal', failure) !== null) return false;
      return usual.retryableDecider(attempt, status);
    },
  });
}

function endpoint({ address, tls, apiKey }: TemporalOptions) {
  return { address, ...(tls && { tls: certificates(tls) }), ...(apiKey !== null && { apiKey }) };
}

function certificates({ ca, cert, key }: NonNullable<TemporalOptions['tls']>) {
  return {
    ...(ca !== null && { serverRootCACertificate: Buffer.from(ca) }),
    ...(cert !== null && key !== null && { clientCertPair: { crt: Buffer.from(cert), key: Buffer.from(key) } }),
  };
}
