import type { ConnectionOptions } from 'node:tls';

export interface DatabaseTls {
  /** PEM of a private certificate authority: turns TLS on, with full verification. */
  ca: string | null;
  /** PEM of our own certificate and its key, for servers that ask for one. */
  cert?: string | null;
  key?: string | null;
}

/**
 * How to speak TLS. Slonik knows three of the modes and takes any other for none at all, so they are settled here: every
 * mode that is not `disable` or `no-verify` checks the certificate and the host name in it.
 * @returns the URL without the mode, and null without TLS
 */
export function databaseTls(
  url: URL,
  { ca, cert = null, key = null }: DatabaseTls,
): { url: URL; ssl: ConnectionOptions | null } {
  const plain = new URL(url);
  const mode = plain.searchParams.get('sslmode');
  plain.searchParams.delete('sslmode');
  if (mode === 'disable' || (mode === null && ca === null)) return { url: plain, ssl: null };
  const ssl = {
    rejectUnauthorized: mode !== 'no-verify',
    ...(ca !== null && { ca }),
    ...(cert !== null && { cert }),
    ...(key !== null && { key }),
  };
  return { url: plain, ssl };
}
