/** Opens the API's port, with what the configuration says of it. */
import type { Config } from '../platform/config.ts';
import type { Fetch, Listening } from '../platform/http-server.ts';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import { listenWith } from '../platform/tls-listen.ts';
import type { HttpDoor } from './limits/index.ts';

/** One address has at most this part of the connections. */
const SHARES = 4;

/**
 * Listens on API_HOST and API_PORT; closing it closes the door as well.
 * @throws when the port can't be had, or the certificate can't be used
 */
export async function serve(
  fetch: Fetch,
  { api, httpDoor }: Pick<Config, 'api' | 'httpDoor'>,
  door: HttpDoor,
  { logger, metrics }: { logger: Logger; metrics: Metrics },
): Promise<Listening> {
  const { tls, requestTimeoutMs, keepAliveMs, maxConnections, trustProxy } = httpDoor;
  const options = {
    host: api.host,
    port: api.port,
    requestTimeoutMs,
    keepAliveMs,
    connections: {
      most: maxConnections,
      // A proxy brings the connections of many.
      mostOfAddress: trustProxy === null ? Math.ceil(maxConnections / SHARES) : null,
    },
    refuse: door.refuse,
    onConnectionRefused: door.connectionRefused,
  };
  const listening = await listenWith(tls, fetch, options, { server: 'api', logger, metrics });
  const host = listening.host.includes(':') ? `[${listening.host}]` : listening.host;
  const url = `${listening.tls ? 'https' : 'http'}://${host}:${listening.port}`;
  logger.info('API listens', { url, docs: `${url}/docs` });
  return {
    ...listening,
    async close() {
      await listening.close();
      door.close();
    },
  };
}
