// The API as a process of its own, which tokens of an issuer of ours open.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type Child, startChild } from '../contestants/child.ts';
import { API } from '../product.ts';

export interface Door {
  port: number;
  pid: number;
  /** A token that opens it. @param name whom it is of */
  token(name: string): Promise<string>;
  /** One that looks the same and was signed by somebody else. */
  badToken(name: string): Promise<string>;
  /** @throws Error with the log file's path when the process has ended */
  assertRunning(): void;
  stop(): Promise<void>;
}

const [ISSUER, AUDIENCE, KEY_ID] = ['https://issuer.example', 'crm-ingestion', 'bench'];
const START_TIMEOUT_MS = 60_000;
const LOOK_MS = 50;

/**
 * @param env of the worker; limits and everything else are those of users who configure nothing but their issuer
 * @param behindProxy whether whoever connects is believed to be a proxy
 */
export async function openDoor(
  env: Readonly<Record<string, string>>,
  behindProxy: boolean,
  logs: string,
): Promise<Door> {
  const [own, other] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')];
  const jwk = { ...(await exportJWK(own.publicKey)), kid: KEY_ID, alg: 'ES256', use: 'sig' };
  const jwks = path.join(logs, 'jwks.json');
  await writeFile(jwks, JSON.stringify({ keys: [jwk] }));
  const log = path.join(logs, 'api.log');
  const auth = { AUTH_MODE: 'jwt', AUTH_ISSUER: ISSUER, AUTH_AUDIENCE: AUDIENCE, AUTH_JWKS_FILE: jwks };
  const proxy = behindProxy ? { TRUST_PROXY: '1' } : {};
  const child = await startChild(process.execPath, [API], { ...env, ...auth, ...proxy, API_PORT: '0' }, log);
  try {
    return {
      port: await portOf(child, log),
      pid: child.pid,
      token: (name) => sign(own.privateKey, name),
      badToken: (name) => sign(other.privateKey, name),
      assertRunning: child.assertRunning,
      stop: child.stop,
    };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

function sign(key: CryptoKey, name: string): Promise<string> {
  return new SignJWT({ roles: ['operator'], organizations: ['*'] })
    .setProtectedHeader({ alg: 'ES256', kid: KEY_ID, typ: 'JWT' })
    .setSubject(name)
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(key);
}

/** It takes a free port and logs which. */
async function portOf(child: Child, log: string): Promise<number> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    child.assertRunning();
    const port = /"url":"http:\/\/[^"]*:(\d+)"/u.exec(await readFile(log, 'utf8').catch(() => ''))?.[1];
    if (port !== undefined) return Number(port);
    await sleep(LOOK_MS);
  }
  throw new Error(`the API did not start within ${START_TIMEOUT_MS / 1_000} s; see ${log}`);
}
