/** Hostile requests that are written by hand, in groups. */
import { SCRIPT } from './hostile-checks.ts';
import { type HeaderLines, requestBytes } from './hostile-socket.ts';

export interface HostileCase {
  name: string;
  bytes: Buffer | readonly Buffer[];
  /** That the answer may have; empty when the server may as well close without a word. */
  statuses: readonly number[];
  /** What was sent and may come back, as JSON writes it. */
  echo?: string;
}

const API = '/api/v1/crm-ingestion';
const JSON_TYPE = ['content-type', 'application/json'] as const;

type Body = string | Buffer;

function sent(
  name: string,
  statuses: readonly number[],
  [method, target]: readonly [string, string],
  more: { headers?: HeaderLines; body?: Body } = {},
): HostileCase {
  return { name, statuses, bytes: requestBytes(method, target, more) };
}

const json = (name: string, statuses: readonly number[], route: readonly [string, string], body: Body) =>
  sent(name, statuses, route, { headers: [JSON_TYPE], body });

const LANES = ['PUT', `${API}/lanes`] as const;
const SEEK = ['POST', `${API}/seek`] as const;
const HOLD = ['PUT', `${API}/legal-holds/org-1`] as const;
const PLAN = ['POST', `${API}/redrives/plan`] as const;
const CORRECTION = ['PUT', `${API}/dead-letters/1/correction`] as const;
const REPLAY_PLAN = ['POST', `${API}/replays/plan`] as const;
const BACKFILL_PLAN = ['POST', `${API}/backfills/plan`] as const;
const ERASURES = ['POST', `${API}/erasures`] as const;
const STATUS = ['GET', `${API}/status`] as const;
const LIVE = ['GET', '/health/live'] as const;

const nested = (open: string, close: string, depth: number, inner = '') =>
  open.repeat(depth) + inner + close.repeat(depth);

/** Bodies that are no JSON, too much of it, or more than it seems. None of them changes anything. */
export const BODIES: readonly HostileCase[] = [
  ...[
    '',
    ' ',
    '{',
    '}',
    '{"lanes":4',
    '{"lanes":4}}',
    '{"lanes":4,}',
    "{'lanes':4}",
    '{lanes:4}',
    '{"lanes":0x4}',
    '{"lanes":+4}',
    '{"lanes":04}',
    '{"lanes":.4e1}',
    '{"lanes":NaN}',
    '{"lanes":Infinity}',
    '{"lanes":4} // four',
    '/* four */ {"lanes":4}',
    '{"lanes":4}{"lanes":5}',
    '{"lanes":4}\n{"lanes":5}\n',
    '\0{"lanes":4}',
    '<lanes>4</lanes>',
    'lanes=4',
    'undefined',
    '"',
    '"\u0001"',
    '{"lanes":"\\u12"}',
    '{"lanes":"\\x41"}',
  ].map((text) => json(`a body that is no JSON: ${JSON.stringify(text)}`, [400], LANES, text)),
  ...[
    'null',
    'true',
    '4',
    '"lanes"',
    '[]',
    '[4]',
    '[{"lanes":4}]',
    '{}',
    '{"Lanes":4}',
    '{"lanes":null}',
    '{"lanes":"4"}',
    '{"lanes":[4]}',
    '{"lanes":{"valueOf":4}}',
    '{"lanes":{"$gt":0}}',
    '{"lanes":0}',
    '{"lanes":-1}',
    '{"lanes":1.5}',
    '{"lanes":1e400}',
    '{"lanes":-1e400}',
    '{"lanes":1e308}',
    '{"lanes":9007199254740993}',
    '{"lanes":123456789012345678901234567890}',
    '{"lanes":4,"admin":true}',
    '{"lanes":4,"__proto__":{"admin":true}}',
    '{"__proto__":{"lanes":4}}',
    '{"constructor":{"prototype":{"lanes":4}}}',
    '{"lanes":4,"toString":null}',
    '{"lanes":4,"lanes":"5"}',
    '{"lanes":4,"lan\\u0065s":-1}',
    '{"lanes\\u0000":4}',
  ].map((text) => json(`JSON that is not what is asked for: ${text}`, [400], LANES, text)),
  json('nesting of 8,000 arrays', [400], LANES, nested('[', ']', 8_000)),
  json('nesting of 8,000 arrays in a field', [400], LANES, `{"lanes":${nested('[', ']', 8_000)}}`),
  json('nesting of 2,500 objects', [400], LANES, nested('{"a":', '}', 2_500, '1')),
  json('nesting that never ends', [400], LANES, '['.repeat(16_000)),
  json('nesting in a corrected event', [400, 422], CORRECTION, `{"data":${nested('{"a":', '}', 2_500, '1')}}`),
  json('nesting in arrays of a corrected event', [400, 422], CORRECTION, `{"data":${nested('[', ']', 8_000)}}`),
  json('nesting in a rule', [400], PLAN, `{"filter":{},"fix":${nested('{"a":', '}', 2_500, '1')}}`),
  json('nesting in a filter', [400], PLAN, `{"filter":${nested('{"a":', '}', 2_500, '1')}}`),
  json('10,000 numbers', [400], LANES, `[${'1,'.repeat(8_000)}1]`),
  json('1,500 keys', [400], LANES, `{${Array.from({ length: 1_500 }, (_, at) => `"a${at}":1`).join(',')}}`),
  json('a number of 16,000 digits', [400], LANES, `{"lanes":${'9'.repeat(16_000)}}`),
  json('a key of 16,000 characters', [400], LANES, `{"${'k'.repeat(16_000)}":1}`),
  json('a body of 16 KiB and 1 byte', [413], LANES, `{"lanes":4${' '.repeat(16_375)}}`),
  json('a body of 1 MiB', [413], LANES, 'x'.repeat(2 ** 20)),
  json('a body of 1 MiB where none is asked for', [413], ['POST', `${API}/pause`], 'x'.repeat(2 ** 20)),
  json('bytes that are not UTF-8', [400], LANES, Buffer.from([0x7b, 0xff, 0xfe, 0x7d])),
  json('UTF-16', [400], LANES, Buffer.from('{"lanes":4}', 'utf16le')),
  json('an overlong slash', [400, 404, 409], SEEK, Buffer.from('{"topic":"\xc0\xaf","partition":0,"to":0}', 'latin1')),
  json('a NUL in a name of a topic', [400, 404, 409], SEEK, '{"topic":"\\u0000","partition":0,"to":0}'),
  json('a surrogate without its twin', [400, 404, 409], SEEK, '{"topic":"\\ud800","partition":0,"to":0}'),
  json('an offset beyond 2^53', [400], SEEK, '{"topic":"a","partition":0,"to":9007199254740993}'),
  json('a partition beyond 32 bits', [400], SEEK, '{"topic":"a","partition":2147483648,"to":0}'),
  json('minus zero', [400, 404, 409], SEEK, '{"topic":"a","partition":-0,"to":-0}'),
  json('a NUL as an organization', [400], ['PUT', `${API}/legal-holds/a%00`], '{"reason":"because"}'),
  json('a NUL in a reason', [400], HOLD, '{"reason":"bec\\u0000ause"}'),
  json('a NUL in a filter', [400, 422], REPLAY_PLAN, '{"topics":["crm.leads"],"filter":{"entityId":"\\u0000"}}'),
  json('a NUL in a topic', [400, 422], REPLAY_PLAN, '{"topics":["crm\\u0000leads"]}'),
  json('dates that there are not', [400], REPLAY_PLAN, '{"from":"2026-02-30T25:00:00Z"}'),
  json('the year 275760', [400], REPLAY_PLAN, '{"from":"+275760-09-13T00:00:00Z"}'),
  json('an e-mail address of control characters', [400, 404, 409], ERASURES, erasureOf('\\u0000@\\u0007')),
  json('an e-mail address that is a pattern', [400, 404, 409], ERASURES, erasureOf('%@%"')),
];

function erasureOf(email: string): string {
  return `{"subject":{"email":"${email}"},"action":"pseudonymise","reason":"because"}`;
}

const LANES_BODY = '{"lanes":4}';
const typed = (type: string, statuses: readonly number[], body: Body = LANES_BODY): HostileCase =>
  sent(`the content type ${JSON.stringify(type)}`, statuses, LANES, { headers: [['content-type', type]], body });

/** What a body says that it is. No ingestion runs, so a body that is taken is answered 409. */
export const TYPES: readonly HostileCase[] = [
  ...[
    'text/plain',
    'text/html',
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application/octet-stream',
    'text/json5',
    '*/*',
    'json',
    `${'a'.repeat(4_000)}/json5`,
  ].map((type) => typed(type, [415])),
  typed('application/json; charset=utf-16', [400, 409, 415]),
  typed('application/json; charset=x-nothing', [400, 409, 415]),
  typed('application/json;;;;', [400, 409, 415]),
  typed('APPLICATION/JSON', [400, 409, 415]),
  typed('application/json, text/plain', [400, 409, 415]),
  ...['gzip', 'deflate', 'br', 'zstd', 'compress', 'x-nothing'].map((encoding) =>
    sent(`a body in ${encoding}`, [400, 415], LANES, {
      headers: [JSON_TYPE, ['content-encoding', encoding]],
      body: Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
    }),
  ),
  sent('two content types', [400, 409, 415], LANES, {
    headers: [JSON_TYPE, ['content-type', 'text/plain']],
    body: LANES_BODY,
  }),
  sent('a body without a type', [400, 415], LANES, { body: LANES_BODY }),
  sent('a body of a GET', [200], STATUS, { headers: [JSON_TYPE], body: LANES_BODY }),
];

const header = (
  name: string,
  statuses: readonly number[],
  headers: HeaderLines,
  route: readonly [string, string] = LIVE,
): HostileCase => sent(name, statuses, route, { headers });

/** Headers that end early, come twice, are huge, or mean something elsewhere. */
export const HEADERS: readonly HostileCase[] = [
  header('a line feed in a value', [200, 400], [['x-operator', 'ann\nx-injected: 1']], STATUS),
  header('CR and LF in a value', [200, 400], [['x-operator', 'ann\r\nx-injected: 1']], STATUS),
  header('a carriage return in a value', [400], [['x-operator', 'ann\rx-injected: 1']], STATUS),
  header('a NUL in a value', [400], [['x-operator', 'ann\0']], STATUS),
  header('an escaped line break', [200], [['x-operator', 'ann%0d%0ax-injected:%201']], STATUS),
  header('latin1 as a name', [200], [['x-operator', 'ann\xff\xfe']], STATUS),
  header('a name of 8,000 characters', [200], [['x-operator', 'a'.repeat(8_000)]], STATUS),
  header('a script as a name', [200], [['x-operator', SCRIPT]], STATUS),
  header('a script as a request id', [200], [['x-request-id', SCRIPT]]),
  header('a line break as a request id', [200], [['x-request-id', 'a%0d%0ax-injected: 1']]),
  header('a request id of 10,000 characters', [200], [['x-request-id', 'a'.repeat(10_000)]]),
  header(
    'two request ids',
    [200],
    [
      ['x-request-id', 'a'],
      ['x-request-id', 'b'],
    ],
  ),
  header('a header of 64 KiB', [431], [['x-large', 'a'.repeat(65_536)]]),
  header(
    '3,000 headers',
    [200, 431],
    Array.from({ length: 3_000 }, (_, at) => [`x${at}`, ''] as const),
  ),
  header('a space before the colon', [400], [['x-operator ', 'ann']]),
  header('a header without a name', [400], [['', 'ann']]),
  header('a header name with brackets', [400], [['x(operator)', 'ann']]),
  header('a folded header', [200, 400], [['x-folded', 'a\r\n b']]),
  header('a header named __proto__', [200], [['__proto__', '{"admin":true}']], STATUS),
  header('a header named constructor', [200], [['constructor', 'x']], STATUS),
  header('an if-match that is a pattern', [400], [['if-match', '"*"']], ['DELETE', `${API}/dead-letters/1/correction`]),
  header('an if-match of SQL', [400], [['if-match', `"' OR 1=1 --"`]], ['DELETE', `${API}/dead-letters/1/correction`]),
  header('an impossible range', [200], [['range', 'bytes=9-1,0-,-9999999999']]),
  header('ranges by the thousand', [200], [['range', `bytes=${'0-,'.repeat(3_000)}0-`]]),
  header('an expectation', [200, 417], [['expect', 'the-unexpected']]),
  header(
    'an upgrade to a web socket',
    [200, 400, 426],
    [
      ['upgrade', 'websocket'],
      ['connection', 'upgrade, close'],
      ['sec-websocket-key', 'AAAAAAAAAAAAAAAAAAAAAA=='],
      ['sec-websocket-version', '13'],
    ],
  ),
  header(
    'an upgrade to HTTP/2',
    [200, 400, 426],
    [
      ['upgrade', 'h2c'],
      ['connection', 'upgrade, http2-settings, close'],
      ['http2-settings', 'AAMAAABkAAQAAP__'],
    ],
  ),
  header(
    'hop-by-hop headers that are to be dropped',
    [200],
    [['connection', 'close, x-operator, authorization, host']],
  ),
  header('an accept of anything else', [200], [['accept', 'application/x-nothing;q=0.000001']]),
  header('languages without an end', [200], [['accept-language', 'a,'.repeat(4_000)]]),
  header('cookies without an end', [200], [['cookie', 'a=b;'.repeat(3_000)]]),
  header('a cookie of control characters', [200, 400], [['cookie', 'a=\x01\x02']]),
  header('a shell shock', [200], [['user-agent', '() { :; }; /bin/sh -c id']]),
  header('a lookup by a logger', [200], [['user-agent', `\${jndi:ldap://127.0.0.1/a}`]]),
];

const OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override'];

/** Methods that are not what they seem. */
export const METHODS: readonly HostileCase[] = [
  ...OVERRIDES.map((name) => header(`GET that ${name} calls POST`, [405], [[name, 'POST']], ['GET', `${API}/stop`])),
  ...OVERRIDES.map((name) => header(`PUT that ${name} calls DELETE`, [400, 415], [[name, 'DELETE']], HOLD)),
  sent('a query that calls GET POST', [405], ['GET', `${API}/stop?_method=POST`]),
  ...['HEAD', 'OPTIONS', 'PATCH', 'DELETE', 'PROPFIND', 'SEARCH', 'PURGE', 'LINK', 'M-SEARCH', 'QUERY'].map((method) =>
    sent(`${method} of a path that takes POST`, [400, 404, 405], [method, `${API}/stop`]),
  ),
  ...['TRACE', 'TRACK', 'DEBUG', 'get', 'Get', 'POST\0', 'GE T', 'JEFF', ''].map((method) =>
    sent(`the method ${JSON.stringify(method)}`, [400, 404, 405, 501], [method, `${API}/status`]),
  ),
  sent('a tunnel', [], ['CONNECT', '127.0.0.1:22']),
  sent('HEAD of what GET gives', [200], ['HEAD', `${API}/status`]),
  sent('OPTIONS of everything', [200, 204, 400, 404, 405], ['OPTIONS', '*']),
  header(
    'a question by another site whether it may',
    [400, 403, 404, 405],
    [
      ['origin', 'https://evil.example'],
      ['access-control-request-method', 'POST'],
    ],
    ['OPTIONS', `${API}/stop`],
  ),
];

const path = (target: string, statuses: readonly number[] = [404]): HostileCase =>
  sent(`the path ${target.length > 100 ? `${target.slice(0, 60)}… of ${target.length}` : target}`, statuses, [
    'GET',
    target,
  ]);

/** Paths that mean another one to somebody. What is not an API path to the letter is not one. */
export const PATHS: readonly HostileCase[] = [
  ...[
    '/../etc/passwd',
    '/..%2f..%2fetc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/%252e%252e/etc/passwd',
    '/..;/etc/passwd',
    '/docs/../../etc/passwd',
    '/docs/..%5c..%5cwin.ini',
    '/.git/config',
    '/.env',
    '/package.json',
    '/vendor/hono/package.json',
    '/api/server.ts',
    '/dist/api/server.js',
    '/proc/self/environ',
    '/health/live/',
    '/health/live;a=b',
    '/health/live%00',
    '/health/live.json',
    '/health/live%20',
    '/HEALTH/LIVE',
    '/health//live',
    '//health/live',
    '/docs.',
    '/docs%2e',
    '/metrics/../metrics/x',
    '/openapi.json/',
    '/openapi.JSON',
    '/constructor',
    '/__proto__',
    '/toString',
    `/${'a'.repeat(8_000)}`,
    `/${'a/'.repeat(4_000)}`,
    `/${'%2e%2e%2f'.repeat(800)}`,
  ].map((target) => path(target)),
  path('/%', [400, 404]),
  path('/%zz', [400, 404]),
  path('/%c0%ae%c0%ae/', [400, 404]),
  path('/%ff%fe', [400, 404]),
  path('/%F0%9F%92%A9'),
  path('/<script>alert(1)</script>', [400, 404]),
  path('/%3Cscript%3Ealert(1)%3C/script%3E'),
  path('/%0d%0ax-injected:%201'),
  path('/\x01', [400, 404]),
  path('/\\health\\live', [400, 404]),
  path('relative', [400]),
  path('', [400]),
  path(`/${'a'.repeat(100_000)}`, [414, 431]),
  path(`${API}/status/`),
  path(`${API}//status`),
  path(`${API}/./dead-letters/%2e%2e/nothing`),
  path(`${API.toUpperCase()}/status`),
  path(`${API}/dead-letters/0`, [400]),
  path(`${API}/dead-letters/-1`, [400]),
  path(`${API}/dead-letters/1.0`, [400]),
  path(`${API}/dead-letters/1e3`, [400]),
  path(`${API}/dead-letters/0x1`, [400]),
  path(`${API}/dead-letters/%31%00`, [400]),
  path(`${API}/dead-letters/${'9'.repeat(16)}`, [404]),
  path(`${API}/dead-letters/${'9'.repeat(17)}`, [400]),
  path(`${API}/dead-letters/${'9'.repeat(4_000)}`, [400]),
  path(`${API}/dead-letters/..%2f1`, [400]),
  path(`${API}/dead-letters/__proto__`, [400]),
  path(`${API}/dead-letters/1%2fcorrection`, [400]),
  path(`${API}/audits/00000000-0000-0000-0000-000000000000`, [404]),
  path(`${API}/audits/not-a-uuid`, [400]),
  path(`${API}/jobs/failed-1`, [404]),
  path(`${API}/jobs/failed-..%2f..%2fmeta`, [400]),
  path(`${API}/jobs/enqueue-*`, [400]),
  path(`${API}/jobs/enqueue-1%0d%0aFLUSHALL`, [400]),
  path(`${API}/jobs/meta`, [400]),
  path(`${API}/board/static/..%2f..%2f..%2fpackage.json`, [404]),
  path(`${API}/board/static/../../../package.json`, [404]),
  path(`${API}/board/static/%2e%2e/%2e%2e/package.json`, [404]),
  path(`${API}/board/static/....//....//package.json`, [404]),
  path(`${API}/board/static//etc/passwd`, [404]),
  path(`${API}/board/static/%00`, [400, 404]),
  path(`${API}/board/static/%`, [400, 404]),
  path(`${API}/board/api/queues/__proto__/1`, [404]),
  path(`${API}/board/api/queues?activeQueue=__proto__&status=constructor&page=-1`, [200, 400, 404]),
  path(`${API}/leads/%00/history`, [400, 404]),
  path(`${API}/leads/%ed%a0%80/history`, [400, 404]),
  path(`${API}/leads/${'%41'.repeat(300)}/history`, [400]),
  path(`${API}/books?topic=a&topic=b`, [200, 400]),
  path(`${API}/books?topic[]=a`, [200, 400]),
  path(`${API}/books?partition=1e9`, [200, 400]),
  path(`${API}/books?partition=99999999999999999999`, [200, 400]),
  path(`${API}/books?partition=NaN`, [400]),
  path(`${API}/books?__proto__[admin]=1&constructor=2`, [200, 400]),
  path(`${API}/books?${'a=b&'.repeat(3_000)}`, [200, 400, 414]),
  path(`${API}/books?topic=%`, [200, 400]),
  path(`${API}/dead-letters?limit=0`, [400]),
  path(`${API}/dead-letters?limit=501`, [400]),
  path(`${API}/dead-letters?limit=1e9`, [400]),
  path(`${API}/dead-letters?cursor=AAAA`, [200, 400]),
  path(`${API}/dead-letters?cursor=${Buffer.from('99999999999999999999').toString('base64url')}`, [200, 400]),
  path(`${API}/dead-letters?failedIds=${'1,'.repeat(3_000)}1`, [400]),
  path(`${API}/dead-letters?from=0000-00-00T00:00:00Z`, [400]),
  path(`${API}/dead-letters?from=${encodeURIComponent('9999-12-31T23:59:59.999999999Z')}`, [200, 400]),
];

const files = (place: string, statuses: readonly number[]): HostileCase =>
  json(`files at ${place}`, statuses, BACKFILL_PLAN, `{"source":"files","format":"ndjson",${place}}`);

/** Places of files that would be somebody else's. */
export const PLACES: readonly HostileCase[] = [
  ...[
    '..',
    '../..',
    '/etc',
    '/proc/self',
    '/dev',
    'a/../../..',
    './././..',
    'http://127.0.0.1:1/',
    'https://metadata.example/latest',
    'file:///etc',
    'file://host/share',
    '//host/share',
    '\\\\\\\\host\\\\share',
    's3://bucket/key',
    'data:,x',
    '~root',
    '$HOME',
    '%2e%2e',
    '*',
    'a'.repeat(300),
    'a/'.repeat(500),
  ].map((folder) => files(`"folder":"${folder}"`, [422])),
  files('"folder":"\\u0000"', [400]),
  files('"folder":""', [400]),
  files('"folder":["a"]', [400]),
  files(`"folder":"${'a'.repeat(1_025)}"`, [400]),
  files('"folder":"a","bucket":"b"', [400]),
  ...[
    'http://127.0.0.1',
    'a/../b',
    '127.0.0.1:80',
    'user@host',
    'A',
    'a b',
    'arn:aws:s3:::b',
    '..',
    'host#',
    'host?a',
  ].map((bucket) => files(`"bucket":"${bucket}"`, [400])),
  // Names of buckets by the letter: the storage is asked, and nobody else.
  ...['127.0.0.1', '169.254.169.254', 'localhost', 'metadata.google.internal'].map((bucket) =>
    files(`"bucket":"${bucket}"`, [422]),
  ),
  files('"bucket":"bucket","prefix":"../../other"', [422]),
  files('"bucket":"bucket","prefix":"http://127.0.0.1:1/"', [422]),
  files('"bucket":"bucket","prefix":"\\r\\nHost: evil.example"', [422]),
];

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

const HOSTS = (['/docs', '/health/live', `${API}/status`] as const).flatMap((target) =>
  [
    'evil.example',
    'evil.example:80@127.0.0.1',
    '169.254.169.254',
    'evil.example/path',
    '"><script>',
    'a b',
    '[::1',
    '',
  ].map((host) =>
    sent(`the host ${JSON.stringify(host)} at ${target}`, [200, 400], ['GET', target], { headers: [['host', host]] }),
  ),
);

/** Requests that name another place than they are sent to. No answer may name that place. */
export const ELSEWHERE: readonly HostileCase[] = [
  ...HOSTS,
  sent('two hosts', [200, 400], ['GET', '/docs'], {
    headers: [
      ['host', 'localhost'],
      ['host', 'evil.example'],
    ],
  }),
  ...['http://evil.example/docs', 'https://evil.example/health/live', 'ftp://evil.example/', 'file:///etc/passwd'].map(
    (target) => sent(`the URI ${target}`, [200, 400, 404], ['GET', target]),
  ),
  ...[
    'x-forwarded-host',
    'x-host',
    'x-forwarded-server',
    'forwarded',
    'x-original-url',
    'x-rewrite-url',
    'x-forwarded-proto',
    'x-forwarded-prefix',
  ].map((name) => header(`another place in ${name}`, [200], [[name, 'evil.example']], ['GET', '/docs'])),
  header('a path in x-original-url', [200], [['x-original-url', `${API}/stop`]]),
  header('an origin', [200], [['origin', 'https://evil.example']], STATUS),
  header('no origin', [200], [['origin', 'null']], STATUS),
  ...['cross-site', 'same-site', 'none, cross-site', 'CROSS-SITE', ''].map((site) =>
    header(`a change from ${JSON.stringify(site)}`, [403], [['sec-fetch-site', site]], ['POST', `${API}/start`]),
  ),
  ...['PUT', 'DELETE'].map((method) =>
    header(
      `${method} from another site`,
      [403],
      [['sec-fetch-site', 'cross-site']],
      [method, `${API}/legal-holds/org-1`],
    ),
  ),
  header(
    'a form of another site',
    [403],
    [
      ['origin', 'https://evil.example'],
      ['sec-fetch-site', 'cross-site'],
      ['content-type', 'text/plain'],
    ],
    ['POST', `${API}/stop`],
  ),
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
