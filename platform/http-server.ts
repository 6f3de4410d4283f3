import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { type ConnectionLimits, limitConnections } from './connection-limits.ts';
import type { TlsMaterial } from './server-tls.ts';

export interface Listening {
  host: string;
  /** The real one, also where 0 was asked for. */
  port: number;
  /** Whether clients speak TLS to it. */
  tls: boolean;
  /** New connections get these certificates; those that are open keep theirs. Without TLS it does nothing. */
  renew(material: TlsMaterial): void;
  /** Takes no more requests, lets those under way finish and closes idle connections. */
  close(): Promise<void>;
}

export interface ListenOptions {
  host: string;
  port: number;
  /** Speaks TLS with these; plain HTTP when left out. */
  tls?: TlsMaterial | null;
  /** A request must have arrived as a whole within it. */
  requestTimeoutMs?: number;
  /** How long an idle connection is kept. */
  keepAliveMs?: number;
  connections?: ConnectionLimits;
  /** Told of each connection that is closed for being one too many. */
  onConnectionRefused?: () => void;
  /** Answers a request itself, before it costs anything more, and returns true; or leaves it alone. */
  refuse?: (incoming: IncomingMessage, outgoing: ServerResponse) => boolean;
}

export type Fetch = (request: Request, env: HttpBindings) => Response | Promise<Response>;

/** Request line and headers together; 431 beyond. */
const MAX_HEADER_BYTES = 16 * 1024;
/** So that connections move to new processes behind a load balancer by and by. */
const MAX_REQUESTS_PER_CONNECTION = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 5_000;
/** How often Node looks for requests that take too long to arrive. */
const LOOK_MS = 1_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * Listens for HTTP requests.
 * @throws with the code EADDRINUSE or EACCES and words about what to do when the port can't be had
 */
export async function listen(fetch: Fetch, options: ListenOptions): Promise<Listening> {
  const { host, port, tls = null, connections, refuse, onConnectionRefused = () => {} } = options;
  const handle = getRequestListener((request, env) => fetch(request, env as HttpBindings), { hostname: host });
  const server = openServer(options, (incoming, outgoing) => {
    if (refuse?.(incoming, outgoing) !== true) void handle(incoming, outgoing);
  });
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
  if (connections) limitConnections(server, connections, onConnectionRefused);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, host, port)));
    server.listen(port, host, () => resolve());
  });
  return {
    host,
    // A TCP server that listens has an address of this form; the string form is for pipes.
    port: (server.address() as AddressInfo).port,
    tls: tls !== null,
    renew(material) {
      if ('setSecureContext' in server) server.setSecureContext(contextOf(material));
    },
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeIdleConnections();
      }),
  };
}

function openServer(
  { tls = null, requestTimeoutMs = REQUEST_TIMEOUT_MS, keepAliveMs = KEEP_ALIVE_MS }: ListenOptions,
  handle: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
): Server | TlsServer {
  const settings: ServerOptions = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: Math.ceil(requestTimeoutMs / 3),
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    connectionsCheckingInterval: Math.min(LOOK_MS, requestTimeoutMs),
  };
  if (tls === null) return createServer(settings, handle);
  const clients = tls.ca === null ? {} : { requestCert: true, rejectUnauthorized: true };
  const secure = { ...contextOf(tls), ...clients, handshakeTimeout: HANDSHAKE_TIMEOUT_MS };
  return createTlsServer({ ...settings, ...secure }, handle);
}

function contextOf({ cert, key, ca }: TlsMaterial) {
  return { cert, key, ...(ca !== null && { ca }), minVersion: 'TLSv1.2' as const };
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const reasons: Record<string, string> = {
    EADDRINUSE: 'another process listens there: stop it or choose another port',
    EACCES: 'the system does not allow it: choose a port above 1023',
    EADDRNOTAVAIL: 'this machine has no such address',
  };
  const reason = reasons[error.code ?? ''] ?? 'the system refuses';
  return Object.assign(new Error(`can't listen on ${host}:${port}: ${reason}`, { cause: error }), { code: error.code });
}
