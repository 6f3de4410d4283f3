/** Tokens that nobody must be let in with. */
import { createHmac, createPrivateKey, sign as signBytes } from 'node:crypto';
import { CompactEncrypt, CompactSign, exportPKCS8, exportSPKI, type JWK, SignJWT } from 'jose';
import { claimsOf, type IssuerKey, issuerKey } from '../helpers/issuer.ts';

export interface Cast {
  rsa: IssuerKey;
  ec: IssuerKey;
  ed: IssuerKey;
  /** Has keys like the issuer's, and is not the issuer. */
  stranger: IssuerKey;
  /** Where the stranger publishes its key. */
  strangersUrl: string;
}

export type HostileToken = [name: string, make: (cast: Cast) => Promise<string> | string];

const base64url = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A token of these parts, with whatever stands for a signature. */
const raw = (header: unknown, payload: unknown, signature = '') =>
  `${base64url(header)}.${base64url(payload)}.${signature}`;

const hmac = (alg: string, secret: string | Buffer, header: object = {}) => {
  const signed = raw({ alg, typ: 'JWT', ...header }, claimsOf()).slice(0, -1);
  const hash = alg.replace('HS', 'sha');
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`;
};

/** Signed by the issuer itself, whatever the payload is. */
const genuine = ({ ec }: Cast, payload: string | Uint8Array, header: object = {}) =>
  new CompactSign(Buffer.from(payload))
    .setProtectedHeader({ alg: 'ES256', kid: ec.kid, ...header })
    .sign(ec.keys.privateKey);

/** Claims as JSON text, with some written in a way that JSON.stringify would not. */
const claimText = (more: string) => `${JSON.stringify(claimsOf()).slice(0, -1)},${more}}`;

const parts = async ({ ec }: Cast) => (await ec.token()).split('.') as [string, string, string];

const unsecured: HostileToken[] = [
  'none',
  'None',
  'NONE',
  'nOnE',
  'none ',
  '',
  null,
  ['none'],
  0,
  {},
  undefined,
].flatMap((alg): HostileToken[] => [
  [`alg ${JSON.stringify(alg)}, no signature`, () => raw({ alg, typ: 'JWT' }, claimsOf())],
  [`alg ${JSON.stringify(alg)}, another's signature`, async (cast) => raw({ alg }, claimsOf(), (await parts(cast))[2])],
]);

const pem = ({ rsa }: Cast) => exportSPKI(rsa.keys.publicKey);

const confused: HostileToken[] = [
  ['HS256 with the public key in PEM', async (cast) => hmac('HS256', await pem(cast), { kid: cast.rsa.kid })],
  ['the same with a line break', async (cast) => hmac('HS256', `${await pem(cast)}\n`, { kid: cast.rsa.kid })],
  ['HS384 with the public key', async (cast) => hmac('HS384', await pem(cast), { kid: cast.rsa.kid })],
  ['HS512 with the public key', async (cast) => hmac('HS512', await pem(cast), { kid: cast.rsa.kid })],
  ['HS256 with the JWK as JSON', ({ rsa }) => hmac('HS256', JSON.stringify(rsa.jwk), { kid: rsa.kid })],
  ['HS256 with the modulus', ({ rsa }) => hmac('HS256', Buffer.from(String(rsa.jwk.n), 'base64url'), { kid: rsa.kid })],
  ['HS256 with nothing', () => hmac('HS256', '')],
  ['HS256 with a word that many take', () => hmac('HS256', 'secret')],
  [
    'RS256 over the signature of ES256',
    async (cast) => raw({ alg: 'RS256', kid: cast.rsa.kid }, claimsOf(), (await parts(cast))[2]),
  ],
  ['the kid of another kind of key', ({ ec, rsa }) => ec.token({}, { kid: rsa.kid })],
  ['EdDSA with the key of ES256', ({ ed, ec }) => ed.token({}, { kid: ec.kid })],
  ['RS384 with the right key', ({ rsa }) => rsaWith('RS384', rsa)],
  ['RS512 with the right key', ({ rsa }) => rsaWith('RS512', rsa)],
];

async function rsaWith(alg: 'RS384' | 'RS512', { keys, kid }: IssuerKey): Promise<string> {
  const key = createPrivateKey(await exportPKCS8(keys.privateKey));
  const signed = raw({ alg, kid }, claimsOf()).slice(0, -1);
  return `${signed}.${signBytes(alg.replace('RS', 'sha'), Buffer.from(signed), key).toString('base64url')}`;
}

const KIDS: unknown[] = [
  '../../../../../../dev/null',
  '/etc/passwd',
  'file:///proc/self/environ',
  'http://127.0.0.1:1/keys',
  "' OR '1'='1' --",
  "x' UNION SELECT 'secret' --",
  'ec; rm -rf /',
  '$(id)',
  '',
  '\u0000',
  '__proto__',
  'constructor',
  'x'.repeat(4_000),
  null,
  7,
  ['ec'],
  { kid: 'ec' },
];

const kids: HostileToken[] = KIDS.flatMap((kid): HostileToken[] => [
  [`kid ${String(JSON.stringify(kid)).slice(0, 40)}, HS256 with nothing`, () => hmac('HS256', '', { kid })],
  [
    `kid ${String(JSON.stringify(kid)).slice(0, 40)}, a stranger's signature`,
    async ({ stranger }) => {
      const signed = raw({ alg: 'ES256', kid }, claimsOf()).slice(0, -1);
      return signedBy(stranger, signed);
    },
  ],
]);

async function signedBy({ keys }: IssuerKey, signed: string): Promise<string> {
  const key = createPrivateKey(await exportPKCS8(keys.privateKey));
  const signature = signBytes('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

const headers: HostileToken[] = [
  ['a key of its own in jwk', ({ stranger }) => stranger.token({}, { jwk: stranger.jwk })],
  [
    'a key of its own in jwk, under the kid of the issuer',
    ({ stranger, ec }) => stranger.token({}, { jwk: { ...stranger.jwk, kid: ec.kid }, kid: ec.kid }),
  ],
  ['jku', ({ stranger, strangersUrl }) => stranger.token({}, { jku: strangersUrl })],
  [
    'jku and the kid of the issuer',
    ({ stranger, strangersUrl, ec }) => stranger.token({}, { jku: strangersUrl, kid: ec.kid }),
  ],
  ['x5u', ({ stranger, strangersUrl }) => stranger.token({}, { x5u: strangersUrl })],
  ['x5c', ({ stranger }) => stranger.token({}, { x5c: ['MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA'] })],
  [
    'crit that names what nobody knows',
    (cast) =>
      raw(
        { alg: 'ES256', kid: cast.ec.kid, crit: ['http://example.com/x'], 'http://example.com/x': true },
        claimsOf(),
        'AAAA',
      ),
  ],
  ['an empty crit', ({ ec }) => signedBy(ec, raw({ alg: 'ES256', kid: ec.kid, crit: [] }, claimsOf()).slice(0, -1))],
  [
    'a crit that is no list',
    ({ ec }) => signedBy(ec, raw({ alg: 'ES256', kid: ec.kid, crit: 'exp' }, claimsOf()).slice(0, -1)),
  ],
  [
    'a crit of exp',
    ({ ec }) => signedBy(ec, raw({ alg: 'ES256', kid: ec.kid, crit: ['exp'] }, claimsOf()).slice(0, -1)),
  ],
  [
    'b64 false',
    ({ ec }) => signedBy(ec, raw({ alg: 'ES256', kid: ec.kid, crit: ['b64'], b64: false }, claimsOf()).slice(0, -1)),
  ],
  ['the type of a logout token', ({ ec }) => ec.token({}, { typ: 'logout+jwt' })],
  [
    'a type that is no text',
    ({ ec }) => signedBy(ec, raw({ alg: 'ES256', kid: ec.kid, typ: { a: 1 } }, claimsOf()).slice(0, -1)),
  ],
  ['a header that is a list', () => raw([], claimsOf(), 'AAAA')],
  ['a header that is null', () => raw(null, claimsOf(), 'AAAA')],
  ['a header that is no JSON', () => raw('{"alg":', claimsOf(), 'AAAA')],
  [
    'a header that would pollute',
    ({ stranger }) => signedBy(stranger, raw('{"__proto__":{"alg":"none"},"alg":"ES256"}', claimsOf()).slice(0, -1)),
  ],
];

const signatures: HostileToken[] = [
  ['no signature', async (cast) => (await parts(cast)).slice(0, 2).join('.')],
  ['an empty signature', async (cast) => `${(await parts(cast)).slice(0, 2).join('.')}.`],
  [
    'its signature twice',
    async (cast) => {
      const [a, b, c] = await parts(cast);
      return [a, b, c, c].join('.');
    },
  ],
  [
    'its signature doubled',
    async (cast) => {
      const [a, b, c] = await parts(cast);
      return [a, b, c + c].join('.');
    },
  ],
  [
    'half a signature',
    async (cast) => {
      const [a, b, c] = await parts(cast);
      return [a, b, c.slice(0, 43)].join('.');
    },
  ],
  [
    'a signature of zeros',
    async (cast) => {
      const [a, b] = await parts(cast);
      return [a, b, Buffer.alloc(64).toString('base64url')].join('.');
    },
  ],
  [
    'a signature in DER',
    async ({ ec }) => {
      const signed = raw({ alg: 'ES256', kid: ec.kid }, claimsOf()).slice(0, -1);
      return `${signed}.${signBytes('sha256', Buffer.from(signed), createPrivateKey(await exportPKCS8(ec.keys.privateKey))).toString('base64url')}`;
    },
  ],
  [
    'the signature of another token',
    async (cast) => {
      const [a, , c] = await parts(cast);
      return [a, base64url(claimsOf({ sub: 'root' })), c].join('.');
    },
  ],
  [
    'one bit off',
    async (cast) => {
      const [a, b, c] = await parts(cast);
      const bytes = Buffer.from(c, 'base64url');
      bytes[0]! ^= 1;
      return [a, b, bytes.toString('base64url')].join('.');
    },
  ],
  [
    'a payload that was changed',
    async (cast) => {
      const [a, , c] = await parts(cast);
      return [a, base64url(claimsOf({ roles: ['admin'], organizations: '*' })), c].join('.');
    },
  ],
  ['padding', async (cast) => `${await cast.ec.token()}==`],
  ['the older alphabet', async (cast) => (await cast.rsa.token()).replaceAll('-', '+').replaceAll('_', '/')],
  ['only dots', () => '..'],
  ['dots without end', () => '.'.repeat(4_000)],
  ["a stranger's signature", ({ stranger }) => stranger.token()],
];

const envelopes: HostileToken[] = [
  ['a token within a token', async (cast) => genuine(cast, await cast.ec.token(), { cty: 'JWT' })],
  [
    'an encrypted one',
    () =>
      new CompactEncrypt(Buffer.from(JSON.stringify(claimsOf())))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .encrypt(Buffer.alloc(32, 7)),
  ],
  ['five parts', async (cast) => `${await cast.ec.token()}.AAAA.AAAA`],
  ['what is encrypted to the public key', ({ rsa }) => encryptedTo(rsa.jwk)],
];

async function encryptedTo({ kid, use: _use, alg: _alg, ...jwk }: JWK): Promise<string> {
  return new CompactEncrypt(Buffer.from(JSON.stringify(claimsOf())))
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', ...(kid !== undefined && { kid }) })
    .encrypt(jwk);
}

const now = () => Math.floor(Date.now() / 1_000);
const issued =
  (more: () => Record<string, unknown>) =>
  ({ ec }: Cast) =>
    ec.token(more());

/** All of these are signed by the issuer. */
const claims: HostileToken[] = [
  ['another issuer', issued(() => ({ iss: 'https://evil.example.com' }))],
  ['the issuer with a slash', issued(() => ({ iss: 'https://id.example.com/realms/crm/' }))],
  ['the issuer in capitals', issued(() => ({ iss: 'HTTPS://ID.EXAMPLE.COM/REALMS/CRM' }))],
  ['no issuer', issued(() => ({ iss: undefined }))],
  ['a list of issuers', (cast) => genuine(cast, claimText('"iss":["https://id.example.com/realms/crm"]'))],
  ['another audience', issued(() => ({ aud: 'billing' }))],
  ['an audience that begins alike', issued(() => ({ aud: 'crm-ingestion-admin' }))],
  ['no audience', issued(() => ({ aud: undefined }))],
  ['an empty list of audiences', issued(() => ({ aud: [] }))],
  ['an audience that is an object', (cast) => genuine(cast, claimText('"aud":{"crm-ingestion":true}'))],
  ['the end of 1970', issued(() => ({ exp: 1, iat: 0 }))],
  ['an end an hour ago', issued(() => ({ iat: now() - 7_200, exp: now() - 3_600 }))],
  ['no end', issued(() => ({ exp: undefined }))],
  ['an end of null', (cast) => genuine(cast, claimText('"exp":null'))],
  ['an end as text', (cast) => genuine(cast, claimText(`"exp":"${now() + 600}"`))],
  ['an end in a list', (cast) => genuine(cast, claimText(`"exp":[${now() + 600}]`))],
  ['an end in 30,000 years', (cast) => genuine(cast, claimText('"exp":1000000000000'))],
  ['an end beyond all numbers', (cast) => genuine(cast, claimText('"exp":1e400'))],
  ['an end that is no number', (cast) => genuine(cast, claimText('"exp":NaN'))],
  ['an end before time began', (cast) => genuine(cast, claimText('"exp":-1'))],
  ['an end beyond all numbers below', (cast) => genuine(cast, claimText('"exp":-1e400'))],
  ['an end that is true', (cast) => genuine(cast, claimText('"exp":true'))],
  ['a life of two days', issued(() => ({ exp: now() + 2 * 86_400 }))],
  ['a life of two days, hidden by an early iat', issued(() => ({ iat: 1, exp: now() + 600 }))],
  ['a beginning in an hour', issued(() => ({ nbf: now() + 3_600 }))],
  ['a beginning as text', (cast) => genuine(cast, claimText('"nbf":"0"'))],
  ['a beginning beyond all numbers', (cast) => genuine(cast, claimText('"nbf":1e400'))],
  ['no iat', issued(() => ({ iat: undefined }))],
  ['an iat in the future', issued(() => ({ iat: now() + 3_600, exp: now() + 3_660 }))],
  ['an iat as text', (cast) => genuine(cast, claimText('"iat":"0"'))],
  ['an iat beyond all numbers', (cast) => genuine(cast, claimText('"iat":1e400,"exp":1e400'))],
  ['no subject', issued(() => ({ sub: undefined }))],
  ['an empty subject', issued(() => ({ sub: '' }))],
  ['a subject that is a number', (cast) => genuine(cast, claimText('"sub":0'))],
  ['a subject that is an object', (cast) => genuine(cast, claimText('"sub":{"toString":"ann"}'))],
  ['a subject with a line break', issued(() => ({ sub: 'ann\r\nx-admin: 1' }))],
  ['a subject with a NUL', issued(() => ({ sub: 'ann\u0000' }))],
  ['a subject without end', issued(() => ({ sub: 'x'.repeat(256) }))],
  ['the subject of an API key', issued(() => ({ sub: 'key:machine' }))],
  ['roles that are an object', issued(() => ({ roles: { admin: true } }))],
  ['roles that are a number', issued(() => ({ roles: 1 }))],
  ['roles within roles', issued(() => ({ roles: [['admin']] }))],
  ['organizations that are an object', issued(() => ({ organizations: { 'org-1': true } }))],
  ['organizations that are true', issued(() => ({ organizations: true }))],
  ['all organizations and one', issued(() => ({ organizations: ['*', 'org-1'] }))],
  ['an organization with a NUL', issued(() => ({ organizations: ['org-1\u0000'] }))],
  ['an organization that is null', issued(() => ({ organizations: ['org-1', null] }))],
  ['101 organizations', issued(() => ({ organizations: Array.from({ length: 101 }, (_, at) => `o${at}`) }))],
  ['a payload that is a list', (cast) => genuine(cast, '[]')],
  ['a payload that is a text', (cast) => genuine(cast, '"ann"')],
  ['a payload that is null', (cast) => genuine(cast, 'null')],
  ['no payload', (cast) => genuine(cast, '')],
  ['a payload that is no JSON', (cast) => genuine(cast, '{"sub":"ann"')],
  ['a payload that is no text', (cast) => genuine(cast, Buffer.from([0xff, 0xfe, 0x00, 0x80]))],
  ['a payload nested without end', (cast) => genuine(cast, '['.repeat(3_000) + ']'.repeat(3_000))],
  ['8 KiB and more', issued(() => ({ filling: 'x'.repeat(8_000) }))],
];

export const HOSTILE_TOKENS: readonly HostileToken[] = [
  ...unsecured,
  ...confused,
  ...kids,
  ...headers,
  ...signatures,
  ...envelopes,
  ...claims,
];

/** Genuine tokens that don't give what is asked for: a permission, or the whole installation. */
export const POWERLESS_TOKENS: ReadonlyArray<[name: string, claims: Record<string, unknown>]> = [
  ['without roles', { roles: undefined }],
  ['with an empty list of roles', { roles: [] }],
  ['with unknown roles', { roles: ['root', 'superuser', 'owner'] }],
  ['with roles in capitals', { roles: ['ADMIN', 'Operator'] }],
  ['with a role and a space', { roles: ['operator '] }],
  ['with a pattern', { roles: ['*', 'ingestion:*', 'partition:manage*'] }],
  ['with names that objects inherit', { roles: ['__proto__', 'constructor', 'toString', 'hasOwnProperty'] }],
  ['with roles elsewhere', { roles: undefined, role: 'admin', scope: 'admin', permissions: ['partition:manage'] }],
  ['with a role that is not enough', { roles: ['viewer'] }],
  ['with other permissions', { roles: ['ingestion:read', 'audit:read', 'pii:read', 'deadletter:read'] }],
  ['with several such roles', { roles: 'viewer analyst compliance' }],
];

/** @returns everybody who plays a part; the issuer publishes the keys of the first three */
export async function castOf(strangersUrl: string): Promise<Cast> {
  const [rsa, ec, ed, stranger] = await Promise.all([
    issuerKey('RS256', 'rsa'),
    issuerKey('ES256', 'ec'),
    issuerKey('EdDSA', 'ed'),
    issuerKey('ES256', 'stranger'),
  ]);
  return { rsa, ec, ed, stranger, strangersUrl };
}

/** A genuine token whose payload would pollute prototypes if it were copied carelessly. */
export function polluting(cast: Cast): Promise<string> {
  const { roles: _roles, organizations: _organizations, ...rest } = claimsOf();
  const text = `${JSON.stringify(rest).slice(0, -1)},"__proto__":{"roles":["admin"],"organizations":"*"},"constructor":{"prototype":{"roles":["admin"]}}}`;
  return genuine(cast, text);
}

/** As the issuer of a laptop would sign, which this API does not take. */
export function laptopToken(secret: string): Promise<string> {
  return new SignJWT(claimsOf()).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret));
}
