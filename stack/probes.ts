// Does a server answer, and in its own protocol? Each probe resolves when it does and rejects within seconds otherwise.
import net from 'node:net';
import { endpointsOf } from './instance.ts';

const TIMEOUT_MS = 3_000;

/** Resolves when something accepts a connection. */
export async function probeTcp(host: string, port: number): Promise<void> {
  await exchange(host, port, '', () => true);
}

/**
 * Sends `request` and resolves when `accept` says yes to the bytes received so far, rejects when it throws. An empty
 * request only connects.
 */
function exchange(
  host: string,
  port: number,
  request: string | Uint8Array,
  accept: (answer: Buffer) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer = Buffer.alloc(0);
    const socket = net.connect({ host, port, timeout: TIMEOUT_MS });
    const settle = (error?: Error) => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.once('connect', () => (request.length === 0 ? settle() : socket.write(request)));
    socket.on('data', (bytes) => {
      answer = Buffer.concat([answer, bytes]);
      try {
        if (accept(answer)) settle();
      } catch (error) {
        settle(error as Error);
      }
    });
    socket.once('timeout', () => settle(new Error(`${host}:${port} does not answer`)));
    socket.once('error', (error) => settle(error));
    socket.once('close', () => settle(new Error(`${host}:${port} closed the connection: ${readable(answer)}`)));
  });
}

const readable = (bytes: Buffer) =>
  bytes
    .toString('latin1')
    .replace(/[^ -~]+/g, ' ')
    .trim();

/** A broker that is ready to lead partitions shows up in the metadata. */
export async function probeKafka(brokers: string): Promise<void> {
  const [endpoint] = endpointsOf('kafka', brokers);
  const clientId = Buffer.from('stack');
  const request = Buffer.alloc(18 + clientId.length); // length, API key, version, correlation id, client id, no topics
  request.writeInt32BE(request.length - 4, 0);
  request.writeInt16BE(3, 4); // Metadata
  request.writeInt16BE(1, 6); // version 1: an empty list of topics means none
  request.writeInt16BE(clientId.length, 12);
  clientId.copy(request, 14);
  await exchange(endpoint?.host ?? '', endpoint?.port ?? 0, request, (answer) => {
    if (answer.length < 12) return false; // length, correlation id, number of brokers, …
    if (answer.readInt32BE(8) === 0) throw new Error('no broker is registered yet');
    return true;
  });
}

/** The registry lists its subjects: its storage works too. */
export async function probeRegistry(url: string): Promise<void> {
  const response = await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  await response.body?.cancel();
  if (!response.ok && response.status !== 401) throw new Error(`the registry answers ${response.status}`);
}

/** The namespace `default` exists; the development server makes it a moment after it starts to listen. */
export async function probeTemporal(address: string): Promise<void> {
  const { Connection } = await import('@temporalio/client');
  const connection = await Connection.connect({ address, connectTimeout: TIMEOUT_MS });
  try {
    await connection.workflowService.describeNamespace({ namespace: 'default' });
  } finally {
    await connection.close();
  }
}

/** PostgreSQL lets a session begin, or asks for a password (a server of somebody's own). */
export async function probePostgres(databaseUrl: string): Promise<void> {
  const url = new URL(databaseUrl);
  const [endpoint] = endpointsOf('postgres', databaseUrl);
  const fields = ['user', url.username || 'postgres', 'database', url.pathname.slice(1) || 'postgres', '', ''].join(
    '\0',
  );
  const message = Buffer.alloc(8 + Buffer.byteLength(fields));
  message.writeInt32BE(message.length, 0);
  message.writeInt32BE(196_608, 4); // protocol 3.0
  message.write(fields, 8);
  const accept = (answer: Buffer) => {
    if (answer[0] === 0x52 /* R: authentication */ && answer.length >= 9 && answer.readInt32BE(5) !== 0) return true;
    return endsReadyForQuery(answer);
  };
  await exchange(endpoint?.host ?? '', endpoint?.port ?? 0, message, accept);
}

/** The last message of a session's start: Z, length 5, transaction status I. */
const endsReadyForQuery = (answer: Buffer) => answer.subarray(-6).equals(Buffer.from([0x5a, 0, 0, 0, 5, 0x49]));

/** Redis answers PING, or asks for a password. */
export async function probeRedis(redisUrl: string): Promise<void> {
  const [endpoint] = endpointsOf('redis', redisUrl);
  await exchange(endpoint?.host ?? '', endpoint?.port ?? 0, 'PING\r\n', (answer) =>
    /^(\+PONG|-NOAUTH)/.test(answer.toString('latin1')),
  );
}
