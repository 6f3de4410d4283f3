import { describe, expect, it } from 'vitest';
import {
  createIdentifierHash,
  emailIdentifier,
  normalEmail,
  organizationIdentifier,
  recordIdentifier,
  tokenOf,
} from '../../../domain/suppression.ts';

const { hash, keyId } = createIdentifierHash('a key of the tests');

describe('hashes of identifiers', () => {
  it('are the same for an address however it is written', () => {
    const composed = 'Jos\u00e9@Example.com';
    for (const same of [' jos\u00e9@example.com', 'JOS\u00c9@EXAMPLE.COM\n', 'Jose\u0301@example.com']) {
      expect(hash(emailIdentifier(same))).toBe(hash(emailIdentifier(composed)));
    }
    expect(normalEmail(composed)).toBe('jos\u00e9@example.com');
  });

  it('differ wherever the identifiers do, also when their parts add up to the same text', () => {
    const identifiers = [
      emailIdentifier('a@b.example'),
      organizationIdentifier('a@b.example'),
      recordIdentifier('org', 'lead', '1'),
      recordIdentifier('org', 'contact', '1'),
      recordIdentifier(null, 'lead', '1'),
      recordIdentifier('or', 'lead', 'g1'),
      recordIdentifier('org","lead', 'lead', '1'),
    ];
    expect(new Set(identifiers.map(hash)).size).toBe(identifiers.length);
  });

  it('and the id of the key differ with the key', () => {
    const other = createIdentifierHash('another key');
    expect(other.keyId).not.toBe(keyId);
    expect(other.hash(emailIdentifier('a@b.example'))).not.toBe(hash(emailIdentifier('a@b.example')));
  });

  it('make tokens that fit a column of ids and are the same for the same id', () => {
    const token = tokenOf(hash(recordIdentifier('org', 'lead', '1')));
    expect(token).toMatch(/^erased-[\w-]{22}$/);
    expect(tokenOf(hash(recordIdentifier('org', 'lead', '1')))).toBe(token);
  });
});
