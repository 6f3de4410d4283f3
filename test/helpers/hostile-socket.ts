/** HTTP as bytes: what no client library would send, and what comes back. */
import { connect } from 'node:net';

export interface RawAnswer {
  status: number;
  headers: ReadonlyMap<string, string>;
  body: string;
  /** How many answers came on the connection. */
  answers: number;
  /** All that came. */
  raw: string;
}

/** Header lines: names may come twice and values be anything. */
export type HeaderLines = ReadonlyArray<readonly [name: string, value: string]>;

/** A request as bytes. Without a `body` none is announced. Header lines are written as they are, in latin1. */
export function requestBytes(
  method: string,
  target: string,
  { headers = [], body }: { headers?: HeaderLines; body?: string | Buffer } = {},
): Buffer {
  const given = new Set(headers.map(([name]) => name.toLowerCase()));
  const content = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
  const lines = [
    ...(given.has('host') ? [] : [['Host', 'localhost']]),
    ...(given.has('connection') ? [] : [['Connection', 'close']]),
    ...headers,
    ...(body === undefined || given.has('content-length') || given.has('transfer-encoding')
      ? []
      : [['Content-Length', String(content.length)]]),
  ];
  const head = `${method} ${target} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), content]);
}

/** Longest that is waited for an answer, in milliseconds: only a test that fails waits for so long. */
const PATIENCE_MS = 15_000;

/**
 * Sends bytes and takes what comes until the server closes.
 * @returns null when it closed without a word
 */
export function exchange(port: number, bytes: Buffer | readonly Buffer[]): Promise<RawAnswer | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const parts: Buffer[] = [];
    const timer = setTimeout(() => socket.destroy(new Error('the server neither answered nor closed')), PATIENCE_MS);
    socket.on('data', (part) => parts.push(part));
    // The server may close while we still write: what it said before that counts.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(parse(Buffer.concat(parts).toString('latin1')));
    });
    for (const part of Array.isArray(bytes) ? bytes : [bytes]) socket.write(part);
  });
}

/** Sends the first so many bytes, waits until they are on their way, and closes the connection hard. */
export function hangUp(port: number, bytes: Buffer, length: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(bytes.subarray(0, length), () => setImmediate(() => socket.resetAndDestroy()));
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
}

function parse(raw: string): RawAnswer | null {
  const status = /^HTTP\/1\.1 (\d{3})/u.exec(raw)?.[1];
  if (status === undefined) return null;
  const end = raw.indexOf('\r\n\r\n');
  const headers = new Map(
    raw
      .slice(0, end)
      .split('\r\n')
      .slice(1)
      .map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
  );
  const body = raw.slice(end + 4);
  // A head begins at the beginning, or right behind what came before it.
  const answers = raw.match(/HTTP\/1\.1 \d{3} /gu)?.length ?? 0;
  return {
    status: Number(status),
    headers,
    body: headers.get('transfer-encoding') === 'chunked' ? unchunked(body) : body,
    answers,
    raw,
  };
}

function unchunked(body: string): string {
  let text = '';
  for (let at = 0; ; ) {
    const end = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.slice(at, end), 16);
    if (!(size > 0)) return text;
    text += body.slice(end + 2, end + 2 + size);
    at = end + 2 + size + 2;
  }
}
