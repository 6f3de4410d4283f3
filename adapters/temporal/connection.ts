import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';

/** Certificates and keys are PEM texts. */
export interface TemporalOptions {
  /** host:port */
  address: string;
  namespace: string;
  /** null without TLS. */
  tls: { ca: string | null; cert: string | null; key: string | null } | null;
  apiKey: string | null;
}

/** A client that connects with its first call, so that a process can start before Temporal does. */
export function createClient(options: TemporalOptions): Client {
  return new Client({ connection: Connection.lazy(endpoint(options)), namespace: options.namespace });
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
