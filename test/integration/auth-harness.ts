import { randomUUID } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { inspect } from 'node:util';
import { createApiKeys } from '../../adapters/postgres/api-keys.ts';
import { newApiKey } from '../../api/auth/api-key.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { AUDIENCE, ISSUER } from '../helpers/issuer.ts';
import { openApi } from '../helpers/product-api.ts';

export const API = '/api/v1/crm-ingestion';

export interface Asked {
  method?: string;
  /** Below API. */
  path?: string;
  /** Names and values in turn, as they go over the wire. */
  headers?: readonly string[];
  json?: unknown;
}

export interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** An API that lets in whom it knows, over a database of its own; everybody may fail as often as they like. */
export async function openGuardedApi(env: Record<string, string> = {}) {
  const { url, pool } = await createTestDatabase();
  const { port, logger } = await openApi({
    ...process.env,
    NODE_ENV: 'development',
    AUTH_MODE: 'jwt',
    AUTH_ISSUER: ISSUER,
    AUTH_AUDIENCE: AUDIENCE,
    DATABASE_URL: url,
    RETRY_QUEUE_PREFIX: `test-${randomUUID()}`,
    RATE_LIMIT_FAILED_PER_MINUTE: '0',
    RATE_LIMIT_ADDRESS_PER_MINUTE: '0',
    RATE_LIMIT_IDENTITY_PER_MINUTE: '0',
    ...env,
  });
  const keys = createApiKeys(pool);

  return {
    pool,
    keys,
    logger,
    port,
    /** Everything that was logged, the insides of errors included. */
    logged: () =>
      inspect(logger.lines, { depth: Number.POSITIVE_INFINITY, maxStringLength: null, maxArrayLength: null }),
    ask: (asked: Asked) => ask(port, asked),
    /** As somebody who shows this. */
    as: (shown: string, asked: Asked = {}) =>
      ask(port, { ...asked, headers: ['authorization', `Bearer ${shown}`, ...(asked.headers ?? [])] }),
    /** Straight into the table. */
    async makeKey(grants: string[], organizations: string[] | null, name = 'machine') {
      const { key, ...made } = newApiKey();
      await keys.create({ ...made, name, grants, organizations, createdBy: 'ann', lifetimeMs: 3_600_000 });
      return { key, keyId: made.keyId };
    },
  };
}

/** The headers as they are, also those that fetch would refuse to send twice. */
function ask(port: number, { method = 'GET', path = '/retention', headers = [], json }: Asked): Promise<Answered> {
  const body = json === undefined ? undefined : JSON.stringify(json);
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method,
        path: `${API}${path}`,
        headers: [
          'host',
          '127.0.0.1',
          ...headers,
          ...(body === undefined ? [] : ['content-type', 'application/json', 'content-length', `${body.length}`]),
        ],
      },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(pieces).toString('utf8'),
          }),
        );
      },
    );
    request.once('error', reject);
    request.end(body);
  });
}

/** Bytes that an HTTP client would refuse to send. @returns the whole answer as text */
export function askRaw(port: number, authorization: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const pieces: Buffer[] = [];
    socket.on('data', (piece) => pieces.push(piece));
    // A server that closes before it has read everything resets the connection: its answer may or may not have come.
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.once('close', () => resolve(Buffer.concat(pieces).toString('utf8')));
    socket.write(`GET ${API}/retention HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nauthorization: `);
    socket.write(authorization);
    socket.write('\r\n\r\n');
  });
}
