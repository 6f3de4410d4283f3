/** A server whose certificates are files: they are read when it is opened, and again whenever they change. */
import { type Fetch, type Listening, type ListenOptions, listen } from './http-server.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { readServerTls, type ServerTls } from './server-tls.ts';
import { watchServerTls } from './tls-reload.ts';

/**
 * Listens, with TLS where there are files for it.
 * @param files null for plain HTTP
 * @param server what the log and the metric call it
 * @throws when the port can't be had, or the certificate can't be used
 */
export async function listenWith(
  files: ServerTls | null,
  fetch: Fetch,
  options: Omit<ListenOptions, 'tls'>,
  { server, logger, metrics }: { server: string; logger: Logger; metrics: Metrics },
): Promise<Listening> {
  if (files === null) return listen(fetch, options);
  const material = readServerTls(files, Date.now());
  const listening = await listen(fetch, { ...options, tls: material });
  const watch = watchServerTls(files, material, listening, { server, logger, metrics });
  return {
    ...listening,
    close() {
      watch.close();
      return listening.close();
    },
  };
}
