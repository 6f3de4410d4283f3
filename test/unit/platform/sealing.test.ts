import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createLocalKeys } from '../../../adapters/keys/local.ts';
import { UnknownKeyError } from '../../../platform/key-provider.ts';
import { keyRingOf, parseKeyRing } from '../../../platform/key-ring.ts';
import { SealBrokenError, seal, sealedBy, unseal } from '../../../platform/sealing.ts';

const dataKey = () => ({ id: randomUUID(), key: createSecretKey(randomBytes(32)) });
const keyText = () => randomBytes(32).toString('base64');

describe('sealed bytes', () => {
  const key = dataKey();
  const plain = Buffer.from('Ada Lovelace');
  const sealed = seal(key, plain, 'row 1');

  it('open with their key, at their place', () => {
    expect(unseal(key, sealed, 'row 1')).toEqual(plain);
    expect(sealedBy(sealed)).toBe(key.id);
  });

  it('hold nothing of what they are made of, and are never the same twice', () => {
    expect(sealed.includes('Ada')).toBe(false);
    expect(seal(key, plain, 'row 1').equals(sealed)).toBe(false);
  });

  it('may be of nothing', () => {
    expect(unseal(key, seal(key, Buffer.alloc(0), 'row 1'), 'row 1')).toHaveLength(0);
  });

  it('do not open at another place, or with another key', () => {
    expect(() => unseal(key, sealed, 'row 2')).toThrow(SealBrokenError);
    expect(() => unseal(dataKey(), sealed, 'row 1')).toThrow(SealBrokenError);
  });

  it('do not open when a single bit of nonce, tag or text is another', () => {
    for (const at of [17, 29, 45, sealed.length - 1]) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(() => unseal(key, changed, 'row 1'), `byte ${at}`).toThrow(SealBrokenError);
    }
    expect(() => unseal(key, sealed.subarray(0, 40), 'row 1')).toThrow(SealBrokenError);
  });

  it.each([Buffer.alloc(0), Buffer.from('text'), Buffer.alloc(60, 2)])('are told from other bytes', (bytes) => {
    expect(() => sealedBy(bytes)).toThrow(SealBrokenError);
  });
});

describe('a key ring', () => {
  const [a, b] = [keyText(), keyText()];

  it('has the current key first, with or without names', () => {
    const ring = keyRingOf(`# new\n2026 ${a}\r\n\n${b}\n`);
    expect(ring.current.id).toBe('2026');
    expect(ring.current.key.export().toString('base64')).toBe(a);
    expect(ring.all.size).toBe(2);
    expect([...ring.all.keys()][1]).toMatch(/^[0-9a-f]{12}$/);
  });

  it('names a key without a name the same wherever it stands', () => {
    expect(keyRingOf(`${a},${b}`).current.id).toBe([...keyRingOf(`${b},${a}`).all.keys()][1]);
  });

  it.each([
    ['nothing', ''],
    ['a comment', '# none'],
    ['a short key', Buffer.alloc(16).toString('base64')],
    ['a long key', Buffer.alloc(48).toString('base64')],
    ['another alphabet', `${a.slice(0, 42)}_=`],
    ['a password', 'correct horse battery staple'],
    ['the same name twice', `x ${a}\nx ${b}`],
    ['the same key twice', `${a}\n${a}`],
    ['one bad line of two', `${a}\nfoo`],
  ])('is not %s', (_, text) => {
    expect(parseKeyRing(text)).toBeUndefined();
  });
});

describe('keys of this process', () => {
  const [old, current] = [`old ${keyText()}`, `new ${keyText()}`];

  it('wrap with the current one, and unwrap with any', async () => {
    const bytes = randomBytes(32);
    const before = await createLocalKeys(keyRingOf(old)).wrap(bytes);
    expect(before).toMatchObject({ keyId: 'old' });
    expect(before.wrapped.includes(bytes)).toBe(false);
    const now = createLocalKeys(keyRingOf(`${current}\n${old}`));
    expect(await now.unwrap(before.keyId, before.wrapped)).toEqual(bytes);
    expect(await now.wrap(bytes)).toMatchObject({ keyId: 'new' });
  });

  it('say which key is missing, and take no key for another', async () => {
    const { keyId, wrapped } = await createLocalKeys(keyRingOf(old)).wrap(randomBytes(32));
    const others = createLocalKeys(keyRingOf(current));
    await expect(others.unwrap(keyId, wrapped)).rejects.toThrow(UnknownKeyError);
    await expect(others.unwrap(keyId, wrapped)).rejects.toThrow('key "old" is not configured');
    await expect(others.unwrap('new', wrapped)).rejects.toThrow(SealBrokenError);
  });
});
