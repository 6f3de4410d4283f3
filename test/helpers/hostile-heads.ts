/** Requests that are hostile by their content types, headers and methods. */
import { API, type Body, HOLD, type HostileCase, header, JSON_TYPE, LANES, STATUS, sent } from './hostile-case.ts';
import { SCRIPT } from './hostile-checks.ts';

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
