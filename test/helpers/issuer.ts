import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type CryptoKey,
  exportJWK,
  type GenerateKeyPairResult,
  generateKeyPair,
  type JWK,
  type JWSAlgorithm,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from 'jose';

export const ISSUER = 'https://id.example.com/realms/crm';
export const AUDIENCE = 'crm-ingestion';

/** Signs with anything, also with what nobody should accept. */
export async function sign(
  key: CryptoKey | Uint8Array,
  claims: JWTPayload,
  header: JWTHeaderParameters,
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader(header).sign(key);
}

/** Claims of a token that is accepted. @param at epoch milliseconds */
export function claimsOf(more: Record<string, unknown> = {}, at = Date.now()): JWTPayload {
  const seconds = Math.floor(at / 1_000);
  return {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'ann',
    iat: seconds,
    exp: seconds + 600,
    roles: ['operator'],
    organizations: ['org-1'],
    ...more,
  };
}

export interface IssuerKey {
  alg: JWSAlgorithm;
  kid: string;
  keys: GenerateKeyPairResult;
  /** The public one, as it is published. */
  jwk: JWK;
  token(more?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
}

/** A key pair of an issuer, with a `kid` of its own. */
export async function issuerKey(alg: JWSAlgorithm, kid: string): Promise<IssuerKey> {
  const keys = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(keys.publicKey)), kid, alg, use: 'sig' };
  return {
    alg,
    kid,
    keys,
    jwk,
    token: (more, header) => sign(keys.privateKey, claimsOf(more), { alg, kid, typ: 'JWT', ...header }),
  };
}

/** Where an issuer publishes its keys; close it when done. */
export async function serveKeys(...published: readonly JWK[]) {
  const answering = {
    requests: 0,
    respond: (response: ServerResponse) => {
      response.setHeader('content-type', 'application/jwk-set+json').end(JSON.stringify({ keys: published }));
    },
  };
  const publish = (...keys: readonly JWK[]) => {
    answering.respond = (response) => response.end(JSON.stringify({ keys }));
  };
  const server = createServer((_request, response) => {
    answering.requests += 1;
    answering.respond(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/keys`,
    answering,
    publish,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
