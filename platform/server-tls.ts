/** Certificates of a server of ours: read from files, checked, and read again when they are renewed. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

/** Paths of PEM files. */
export interface ServerTls {
  certFile: string;
  keyFile: string;
  /** With it, clients must have certificates of this authority. */
  clientCaFile: string | null;
}

/** What `tls` takes, as text in PEM. */
export interface TlsMaterial {
  cert: string;
  key: string;
  ca: string | null;
  /** When the certificate ends, in epoch milliseconds. */
  endsAt: number;
}

/**
 * One sentence for each thing that keeps these files from serving.
 * @param now epoch milliseconds
 */
export function serverTlsProblems(files: ServerTls, now: number): string[] {
  try {
    readServerTls(files, now);
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : 'they can not be read'];
  }
}

/**
 * Reads the files.
 * @param now epoch milliseconds
 * @throws Error that says in words what is wrong with them, and nothing of what they hold
 */
export function readServerTls(files: ServerTls, now: number): TlsMaterial {
  const [cert, key] = [readFileSync(files.certFile, 'utf8'), readFileSync(files.keyFile, 'utf8')];
  const ca = files.clientCaFile === null ? null : readFileSync(files.clientCaFile, 'utf8');
  const certificate = attempt(() => new X509Certificate(cert), 'the certificate can not be read');
  const privateKey = attempt(
    () => createPrivateKey(key),
    'the key can not be read; it must be PEM without a passphrase',
  );
  if (!certificate.checkPrivateKey(privateKey)) throw new Error('the key is not that of the certificate');
  const [startsAt, endsAt] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  if (endsAt <= now) throw new Error(`the certificate expired on ${day(endsAt)}`);
  if (startsAt > now) throw new Error(`the certificate is not valid before ${day(startsAt)}`);
  if (ca !== null) attempt(() => new X509Certificate(ca), 'the authority of client certificates can not be read');
  attempt(() => createSecureContext({ cert, key }), 'TLS does not take these files');
  return { cert, key, ca, endsAt };
}

function attempt<T>(work: () => T, otherwise: string): T {
  try {
    return work();
  } catch (error) {
    throw new Error(otherwise, { cause: error });
  }
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
