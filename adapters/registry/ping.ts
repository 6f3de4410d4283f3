import { type Agent, request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { RegistryUnavailableError } from '../../activities/ports.ts';
import { explainRefusal } from '../../platform/tls-explain.ts';

/** The formats that a registry knows: small, the same for everybody, and answered by nothing else. */
const PATH = '/schemas/types';

/** An answer longer than this is no list of formats. */
const LONGEST_ANSWER = 10_000;

export interface PingOptions {
  auth: { username: string; password: string } | null;
  agent: Agent;
  timeoutMs: number;
}

/**
 * Asks whether a schema registry with the Confluent API answers at `url`.
 * @returns the latency in milliseconds
 * @throws RegistryUnavailableError with what to check, without credentials
 */
export async function ping(url: string, options: PingOptions): Promise<number> {
  const started = performance.now();
  const { origin, pathname } = new URL(url);
  const where = `schema registry at ${origin}${pathname}`;
  const { status, body } = await get(`${url.replace(/\/+$/u, '')}${PATH}`, options).catch((error: unknown) => {
    const refusal = explainRefusal('registry', error);
    const reason = `${where} does not answer (${codeOf(error)})`;
    throw new RegistryUnavailableError(refusal === null ? reason : `${reason}: ${refusal}`, { cause: error });
  });
  if (status === 401 || status === 403) {
    throw new RegistryUnavailableError(
      `${where} refuses us (${status}): check SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD`,
    );
  }
  if (status >= 500) throw new RegistryUnavailableError(`${where} answers with an error (${status})`);
  if (status !== 200 || !isListOfFormats(body)) {
    throw new RegistryUnavailableError(`${where} is none (${status}): check the path in SCHEMA_REGISTRY_URL`);
  }
  return performance.now() - started;
}

function get(url: string, { auth, agent, timeoutMs }: PingOptions): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      agent,
      signal: AbortSignal.timeout(timeoutMs),
      headers: { accept: 'application/json' },
      ...(auth === null ? {} : { auth: `${auth.username}:${auth.password}` }),
    };
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const request = send(url, options, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > LONGEST_ANSWER) response.destroy();
      });
      response.once('close', () => resolve({ status: response.statusCode ?? 0, body }));
      response.once('error', reject);
    });
    request.once('error', reject);
    request.end();
  });
}

function isListOfFormats(body: string): boolean {
  try {
    const formats: unknown = JSON.parse(body);
    return Array.isArray(formats) && formats.includes('AVRO');
  } catch {
    return false;
  }
}

/** Such as ECONNREFUSED; the message would hold the address as the client sees it, this is enough. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'timeout';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
