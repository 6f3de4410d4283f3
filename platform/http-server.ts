import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';

export interface Listening {
  host: string;
  /** The real one, also where 0 was asked for. */
  port: number;
  /** Takes no more requests, lets those under way finish and closes idle connections. */
  close(): Promise<void>;
}

/**
 * Listens for HTTP requests.
 * @throws with the code EADDRINUSE or EACCES and words about what to do when the port can't be had
 */
export async function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  options: { host: string; port: number },
): Promise<Listening> {
  const { host, port } = options;
  const server = createAdaptorServer({ fetch, hostname: host });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, host, port)));
    server.listen(port, host, () => resolve());
  });
  return {
    host,
    // A TCP server that listens has an address of this form; the string form is for pipes.
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        if ('closeIdleConnections' in server) server.closeIdleConnections();
      }),
  };
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
