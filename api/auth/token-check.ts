/** Checks JWTs: signature, issuer, audience, times; then what they claim. */
import { errors, type JWTPayload, type JWTVerifyResult, jwtVerify } from 'jose';
import type { TokenConfig } from '../../platform/auth-config.ts';
import { ClaimError, principalOf } from './claims.ts';
import { IdentityUnavailableError, type KeySource } from './keys.ts';
import { EXPIRED, type Outcome, refused } from './outcome.ts';

/** The headers of a request take 16 KiB in all; a token that needs more than half of it is an attack. */
const MOST_CHARACTERS = 8 * 1024;

/** Three parts in base64url. jose would also read padding and the older alphabet: one token would have many texts. */
const FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/u;

/** Kinds of JWT that are made to be shown; others (logout tokens, proofs of possession) have their own use. */
const TYPES = new Set([undefined, 'jwt', 'at+jwt', 'application/jwt', 'application/at+jwt']);

export interface TokenCheckOptions extends Omit<TokenConfig, 'keys'> {
  /** Epoch milliseconds. */
  now?: () => number;
}

/** @returns a check, which throws an IdentityUnavailableError when it has no keys to check with */
export function createTokenCheck(source: KeySource, options: TokenCheckOptions): (token: string) => Promise<Outcome> {
  const { now = Date.now } = options;

  async function verify(token: string): Promise<Outcome> {
    const at = new Date(now());
    const { payload, protectedHeader } = await jwtVerify(token, source.keyFor, {
      algorithms: source.algorithms,
      issuer: options.issuer,
      audience: options.audience,
      clockTolerance: options.clockSkewSeconds,
      requiredClaims: ['exp', 'iat', 'sub'],
      currentDate: at,
    });
    const odd = oddity(payload, protectedHeader, at.getTime() / 1_000);
    return odd === null ? { ok: true, principal: principalOf(payload, options) } : refused(odd);
  }

  function oddity({ exp, iat }: JWTPayload, { typ }: JWTVerifyResult['protectedHeader'], seconds: number) {
    if (!TYPES.has(typ?.toLowerCase())) return 'type';
    if (exp === undefined || iat === undefined) return 'times';
    // Written so that a comparison with NaN or infinity refuses.
    if (!(iat <= seconds + options.clockSkewSeconds)) return 'issued in the future';
    return exp - iat <= options.maxLifetimeSeconds ? null : 'lives too long';
  }

  return async (token) => {
    if (token.length > MOST_CHARACTERS) return refused('size');
    if (!FORM.test(token)) return refused('form');
    try {
      return await verify(token);
    } catch (error) {
      if (error instanceof IdentityUnavailableError) throw error;
      if (error instanceof errors.JWTExpired) return EXPIRED;
      if (error instanceof ClaimError) return refused(`claim ${error.claim}`);
      // Whatever else there is to say about a token, such as a key that its algorithm can't use.
      return refused(error instanceof errors.JOSEError ? error.code : 'unusable');
    }
  };
}
