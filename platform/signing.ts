/** Ed25519 signatures over texts. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

export interface Signer {
  /** Tells keys apart: the first 16 hex digits of SHA-256 over the public key (SubjectPublicKeyInfo). */
  keyId: string;
  /** @returns the signature in base64 */
  sign(text: string): string;
}

/**
 * @param pem private key (PKCS#8)
 * @throws Error that says how to make a key that fits
 */
export function createSigner(pem: string): Signer {
  const key = ed25519(() => createPrivateKey(pem), 'private', 'openssl genpkey -algorithm ed25519 -out private.pem');
  return {
    keyId: keyIdOf(createPublicKey(key)),
    sign: (text) => sign(null, Buffer.from(text, 'utf8'), key).toString('base64'),
  };
}

/**
 * @param pem public key (SubjectPublicKeyInfo)
 * @throws Error that says how to get the public key of a private one
 */
export function createVerifier(pem: string): { keyId: string; verifies(text: string, signature: string): boolean } {
  // A private key would do as well, but whoever verifies should have no need of it.
  const isPublic = pem.includes('-----BEGIN PUBLIC KEY-----');
  const key = ed25519(
    () => (isPublic ? createPublicKey(pem) : null),
    'public',
    'openssl pkey -in private.pem -pubout -out public.pem',
  );
  return {
    keyId: keyIdOf(key),
    verifies: (text, signature) => verify(null, Buffer.from(text, 'utf8'), key, Buffer.from(signature, 'base64')),
  };
}

function ed25519(read: () => KeyObject | null, which: string, command: string): KeyObject {
  let key: KeyObject | null = null;
  try {
    key = read();
  } catch {
    // Said below: OpenSSL's own message helps nobody.
  }
  if (key?.asymmetricKeyType !== 'ed25519') {
    throw new Error(`not an Ed25519 ${which} key in PEM; ${command} makes one`);
  }
  return key;
}

function keyIdOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16);
}
