/** Requests that would have the server ask, or name, a place of the attacker. */
import { API, BACKFILL_PLAN, type HostileCase, header, json, STATUS, sent } from './hostile-case.ts';

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
