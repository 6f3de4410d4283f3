/** Renewed certificates are taken up without a restart. */
import { readFileSync } from 'node:fs';
import type { Listening } from './http-server.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { readServerTls, type ServerTls, type TlsMaterial } from './server-tls.ts';

/** Files are compared by what they hold: secrets that are mounted are links that change under them. */
const LOOK_MS = 30_000;
const DAY_MS = 86_400_000;
const WARN_AHEAD_MS = 30 * DAY_MS;

export interface TlsWatch {
  /** Looks now. */
  look(): void;
  close(): void;
}

/**
 * Looks every 30 s whether the files have changed, and gives the server what they hold then. Files that are no good
 * (half written, of different certificates) leave the server with what it has, and are looked at again.
 * @param current what the server was opened with
 */
export function watchServerTls(
  files: ServerTls,
  current: TlsMaterial,
  server: Pick<Listening, 'renew'>,
  { server: name, logger, metrics }: { server: string; logger: Logger; metrics: Metrics },
): TlsWatch {
  let serving = current;
  let refused = '';
  let warnedAt = Number.NEGATIVE_INFINITY;

  function judge(): void {
    metrics.certificateEnds.set({ server: name }, serving.endsAt / 1_000);
    if (serving.endsAt - Date.now() >= WARN_AHEAD_MS || Date.now() - warnedAt < DAY_MS) return;
    warnedAt = Date.now();
    logger.warn('a certificate ends soon', { server: name, endsAt: new Date(serving.endsAt).toISOString() });
  }

  function look(): void {
    const held = contentOf(files);
    if (held !== null && held !== refused && held !== joined(serving)) {
      try {
        serving = readServerTls(files, Date.now());
        server.renew(serving);
        refused = '';
        warnedAt = Number.NEGATIVE_INFINITY;
        logger.info('a certificate was renewed', { server: name, endsAt: new Date(serving.endsAt).toISOString() });
      } catch (error) {
        refused = held;
        logger.warn('the new certificate is no good and the old one stays', { server: name, error });
      }
    }
    judge();
  }

  judge();
  const timer = setInterval(look, LOOK_MS).unref();
  return { look, close: () => clearInterval(timer) };
}

/** null while a file can't be read, as when it is being replaced. */
function contentOf({ certFile, keyFile, clientCaFile }: ServerTls): string | null {
  try {
    const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')];
    return joined({ cert, key, ca: clientCaFile === null ? null : readFileSync(clientCaFile, 'utf8') });
  } catch {
    return null;
  }
}

function joined({ cert, key, ca }: Pick<TlsMaterial, 'cert' | 'key' | 'ca'>): string {
  return `${cert}\n${key}\n${ca ?? ''}`;
}
