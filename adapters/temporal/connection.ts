import { Client, Connection } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { NativeConnection } from '@temporalio/worker';

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
    connection: Connection.lazy(endpoint(options)),
    namespace,
    ...(dataConverter !== undefined && { dataConverter }),
  });
}

/** The connection that workers share. @throws when Temporal can't be reached */
export function connectWorkers(options: TemporalOptions): Promise<NativeConnection> {
  return NativeConnection.connect(endpoint(options));
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
