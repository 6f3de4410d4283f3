/** Requests that are hostile by where they end, or do not. */
import { API, type HostileCase } from './hostile-case.ts';

const FRAME = 'POST /api/v1/crm-ingestion/pause HTTP/1.1\r\nHost: a\r\n';
const NEXT = 'GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

const framed = (name: string, statuses: readonly number[], bytes: string): HostileCase => ({
  name,
  statuses,
  bytes: Buffer.from(bytes, 'latin1'),
});

/** Requests of which two servers could think differently where they end. Each must be answered once at most. */
export const FRAMES: readonly HostileCase[] = [
  ...[
    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
    'Content-Length: 0\r\nContent-Length: 44\r\n\r\n',
    'Content-Length: 0, 44\r\n\r\n',
    'Content-Length: +0\r\n\r\n',
    'Content-Length: -1\r\n\r\n',
    'Content-Length: 0x0\r\n\r\n',
    'Content-Length: 1e1\r\n\r\n',
    'Content-Length: 99999999999999999999\r\n\r\n',
    'Content-Length : 0\r\n\r\n',
    'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
    'Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n',
    'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n',
    'Transfer-Encoding: chunked\r\n\r\nz\r\n\r\n',
    'Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n',
    'Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n\r\n',
    'Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n',
    'X: y\rContent-Length: 44\r\n\r\n',
    'X: y\nContent-Length: 44\n\n',
  ].map((rest) => framed(`a frame with ${JSON.stringify(rest)}`, [400], FRAME + rest + NEXT)),
  framed('a request of HTTP/0.9', [200, 400], 'GET /health/live\r\n\r\n'),
  framed('a request of HTTP/1.0', [200], 'GET /health/live HTTP/1.0\r\n\r\n'),
  framed('a request of HTTP/2.0', [200, 400, 505], 'GET /health/live HTTP/2.0\r\nHost: a\r\n\r\n'),
  framed('the preface of HTTP/2', [400, 505], 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  framed('a request of HTTP/9.9', [400, 505], 'GET / HTTP/9.9\r\nHost: a\r\n\r\n'),
  framed('the beginning of TLS', [400], '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'),
  framed('what is no HTTP at all', [400], `${'A'.repeat(1_000)}\r\n\r\n`),
  framed('zeros', [400], '\0'.repeat(1_000)),
  framed('no host', [400], 'GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n'),
];

const HEAD = `PUT ${API}/lanes HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n`;

/** A request that says that it has more. */
export const CUT_OFF = Buffer.from(`${HEAD}Content-Length: 1000\r\n\r\n{"lanes":4}`);

/** Requests whose ends never come; the server closes, with or without 408. */
export const ENDLESS: readonly HostileCase[] = [
  ...[
    ['nothing', ''],
    ['half a method', 'PU'],
    ['half a path', `GET ${API}/sta`],
    ['a line without its end', 'GET /health/live HTTP/1.1'],
    ['headers without an end', `${HEAD}X-A: b\r\n`],
    ['half a header', `${HEAD}X-Fo`],
    ['a body that does not come', `${HEAD}Content-Length: 10\r\n\r\n`],
    ['half a body', `${HEAD}Content-Length: 1000\r\n\r\n{"lanes"`],
    ['a body but for its last byte', `${HEAD}Content-Length: 12\r\n\r\n{"lanes":4}`],
    ['chunks without an end', `${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{"lan\r\n`],
    ['half a chunk', `${HEAD}Transfer-Encoding: chunked\r\n\r\nff\r\n{"lan`],
    ['half the size of a chunk', `${HEAD}Transfer-Encoding: chunked\r\n\r\n5`],
    ['trailers without an end', `${HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\nX-A: b\r\n`],
  ].map(([name, text]) => ({ name: String(name), statuses: [], bytes: Buffer.from(String(text)) })),
  {
    name: 'a body that is announced and refused',
    statuses: [100, 400, 408, 413, 417],
    bytes: Buffer.from(`${HEAD}Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n`),
  },
];
