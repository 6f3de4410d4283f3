import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createSigner, createVerifier } from '../../../platform/signing.ts';

function keyPair() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

describe('a signature', () => {
  const { privatePem, publicPem } = keyPair();
  const signer = createSigner(privatePem);
  const signature = signer.sign('{"a":1}');

  it('verifies with the public key, which has the same id', () => {
    const verifier = createVerifier(publicPem);
    expect(verifier.keyId).toBe(signer.keyId);
    expect(verifier.verifies('{"a":1}', signature)).toBe(true);
  });

  it.each([
    ['another text', '{"a":2}', signature],
    ['another signature', '{"a":1}', signer.sign('{"a":2}')],
    ['no signature at all', '{"a":1}', 'bm8='],
  ])('does not verify with %s', (_, text, given) => {
    expect(createVerifier(publicPem).verifies(text, given)).toBe(false);
  });

  it('does not verify with another key, which has another id', () => {
    const other = createVerifier(keyPair().publicPem);
    expect(other.keyId).not.toBe(signer.keyId);
    expect(other.verifies('{"a":1}', signature)).toBe(false);
  });
});

describe('a key that does not fit', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });

  it.each([
    ['an RSA key', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
    ['a public key', keyPair().publicPem],
    ['no key', '-----BEGIN NOTHING-----'],
  ])('is refused for signing, with the command that makes one: %s', (_, pem) => {
    expect(() => createSigner(pem)).toThrow('openssl genpkey -algorithm ed25519');
  });

  it.each([
    ['an RSA key', rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()],
    ['a private key', keyPair().privatePem],
    ['no key', ''],
  ])('is refused for verifying, with the command that makes one: %s', (_, pem) => {
    expect(() => createVerifier(pem)).toThrow('-pubout');
  });
});
