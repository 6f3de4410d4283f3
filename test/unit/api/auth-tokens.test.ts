import { exportSPKI } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createKeySource } from '../../../api/auth/key-source.ts';
import { createTokenCheck, type TokenCheckOptions } from '../../../api/auth/token-check.ts';
import type { TokenConfig } from '../../../platform/auth-config.ts';
import { AUDIENCE, claimsOf, ISSUER, type IssuerKey, issuerKey, sign } from '../../helpers/issuer.ts';
import { recordingLogger } from '../platform/recording-logger.ts';

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] as const;
const SECRET = 'k4Wm0pQ1zR7vX2bN9cL5sD8fG3hJ6yTe';

const keys: IssuerKey[] = [];
let es256: IssuerKey;
beforeAll(async () => {
  keys.push(...(await Promise.all(ALGORITHMS.map((alg) => issuerKey(alg, `key-${alg}`)))));
  es256 = keys[2]!;
});

function checkWith(source: TokenConfig['keys'], options: Partial<TokenCheckOptions> = {}) {
  return createTokenCheck(createKeySource(source, recordingLogger()), {
    issuer: ISSUER,
    audience: AUDIENCE,
    clockSkewSeconds: 30,
    maxLifetimeSeconds: 3_600,
    rolesClaim: 'roles',
    organizationsClaim: 'organizations',
    ...options,
  });
}

const published = (): TokenConfig['keys'] => ({
  kind: 'file',
  jwks: JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }),
});

describe('tokens', () => {
  it.each(ALGORITHMS.map((alg, index) => [alg, index] as const))('signed with %s are accepted', async (_, index) => {
    expect(await checkWith(published())(await keys[index]!.token())).toMatchObject({
      ok: true,
      principal: { name: 'ann', kind: 'token', organizations: ['org-1'] },
    });
  });

  it('signed with a shared secret are accepted where it is the source of keys, and nowhere else', async () => {
    const token = await sign(new TextEncoder().encode(SECRET), claimsOf(), { alg: 'HS256' });
    expect(await checkWith({ kind: 'secret', secret: SECRET })(token)).toMatchObject({ ok: true });
    expect(await checkWith(published())(token)).toMatchObject({ ok: false, why: 'ERR_JOSE_ALG_NOT_ALLOWED' });
    expect(await checkWith({ kind: 'secret', secret: SECRET })(await es256.token())).toMatchObject({ ok: false });
  });

  it('signed with the text of a public key as a secret are refused', async () => {
    const pem = await exportSPKI(keys[0]!.keys.publicKey);
    const token = await sign(new TextEncoder().encode(pem), claimsOf(), { alg: 'HS256', kid: keys[0]!.kid });
    expect(await checkWith(published())(token)).toMatchObject({ ok: false });
  });

  it('signed with another algorithm than their key is for are refused', async () => {
    const other = await issuerKey('RS512', keys[0]!.kid);
    expect(await checkWith(published())(await other.token())).toMatchObject({ ok: false });
  });

  it.each<[string, Record<string, unknown>, boolean]>([
    ['expired within the skew', { exp: -29 }, true],
    ['expired beyond it', { exp: -31 }, false],
    ['valid soon, within the skew', { nbf: 29 }, true],
    ['valid later', { nbf: 60 }, false],
    ['issued within the skew', { iat: 25 }, true],
    ['issued in the future', { iat: 60 }, false],
    ['that live as long as may be', { exp: 3_600 }, true],
    ['that live a second longer', { exp: 3_601 }, false],
  ])('%s: %o → %s', async (_, offsets, ok) => {
    const at = Date.now();
    const seconds = Math.floor(at / 1_000);
    const times = Object.fromEntries(Object.entries(offsets).map(([name, by]) => [name, seconds + Number(by)]));
    const check = checkWith(published(), { now: () => seconds * 1_000 });
    expect(await check(await es256.token({ iat: seconds, exp: seconds + 600, ...times }))).toMatchObject({ ok });
  });

  it('that have expired are told so only with a signature that fits', async () => {
    const token = await es256.token({ exp: 1, iat: 0 });
    const check = checkWith(published());
    expect(await check(token)).toEqual({ ok: false, expired: true, why: 'expired' });
    expect(await check(`${token.slice(0, -6)}AAAAAA`)).toMatchObject({ ok: false, expired: false });
  });

  it.each(['exp', 'iat', 'sub', 'iss', 'aud'])('without %s are refused', async (claim) => {
    expect(await checkWith(published())(await es256.token({ [claim]: undefined }))).toMatchObject({ ok: false });
  });

  it('for several audiences are accepted where ours is one of them', async () => {
    expect(await checkWith(published())(await es256.token({ aud: ['account', AUDIENCE] }))).toMatchObject({ ok: true });
    expect(await checkWith(published())(await es256.token({ aud: ['account'] }))).toMatchObject({ ok: false });
  });

  it.each([
    ['JWT', true],
    ['at+jwt', true],
    ['application/at+jwt', true],
    [undefined, true],
    ['logout+jwt', false],
    ['dpop+jwt', false],
  ])('of the type %s: %s', async (typ, ok) => {
    expect(await checkWith(published())(await es256.token({}, { typ }))).toMatchObject({ ok });
  });

  it('without a kid are accepted where one key alone can be meant', async () => {
    const token = await es256.token({}, { kid: undefined });
    expect(await checkWith(published())(token)).toMatchObject({ ok: true });
    const twin = { ...(await issuerKey('ES256', 'twin')).jwk };
    const both: TokenConfig['keys'] = { kind: 'file', jwks: JSON.stringify({ keys: [es256.jwk, twin] }) };
    expect(await checkWith(both)(token)).toMatchObject({ ok: false, why: 'ERR_JWKS_MULTIPLE_MATCHING_KEYS' });
  });

  it('longer than 8 KiB are refused unread', async () => {
    const check = checkWith(published());
    expect(await check(await es256.token({ filling: 'x'.repeat(8_000) }))).toEqual({
      ok: false,
      expired: false,
      why: 'size',
    });
  });
});
