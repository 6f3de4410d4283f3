import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formerContentHash, formerHashOf } from '../../../domain/former-content-hash.ts';
import type { StagedEvent } from '../../../domain/staging.ts';
import { contentOf, EVENTS, staged } from './hashed.ts';
import { contact, lead, opportunity } from './sound.ts';

describe.each(EVENTS)('the former content hash of a %s', (_, event) => {
  const former = formerContentHash(event);
  const columns = contentOf(event);

  it.each(columns)('changes with %s', (column) => {
    const value: unknown = event[column as keyof StagedEvent];
    const other: fc.Arbitrary<unknown> = typeof value === 'number' ? fc.integer() : fc.string();
    fc.assert(
      fc.property(
        other.filter((changed) => changed !== value),
        (changed) => {
          expect(formerContentHash({ ...event, [column]: changed })).not.toBe(former);
        },
      ),
    );
  });

  it('does not change with the event id or the metadata', () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.json()), (eventId, metadata) => {
        expect(formerContentHash({ ...event, eventId, metadata } as StagedEvent)).toBe(former);
      }),
    );
  });

  it('is a number that a bigint column takes', () => {
    expect(BigInt.asIntN(64, former)).toBe(former);
  });
});

it('text does not slip from one column into the next', () => {
  const hash = (firstName: string, lastName: string) => formerContentHash(staged(lead({ firstName, lastName })));
  expect(hash('a', 'b"c')).not.toBe(hash('a","b', 'c'));
  expect(hash('ab', 'c')).not.toBe(hash('a', 'bc'));
});

it('null is not the empty text', () => {
  expect(formerContentHash(staged(lead({ title: null })))).not.toBe(formerContentHash(staged(lead({ title: '' }))));
});

it('the notation of an amount does not matter', () => {
  const hash = (amount: string) => formerContentHash(staged(opportunity({ amount })));
  expect(hash('1250.0000')).toBe(hash('1250.00'));
});

it('numbers that are in ledgers already stay what they are', () => {
  expect(EVENTS.map(([, event]) => formerContentHash(event).toString())).toMatchInlineSnapshot(`
    [
      "8182905249756870907",
      "2828762052053460797",
      "-5730809072475465999",
    ]
  `);
});

it('of an event that was changed is that of the event as it came', () => {
  const event = staged(contact());
  const formerHash = formerHashOf(event);
  expect(formerHash).toBe(formerContentHash(event));
  expect(formerHashOf({ ...event, leadId: 'another', formerHash } as StagedEvent)).toBe(formerHash);
});

describe('the number of a content', () => {
  /** Any sequence of UTF-16 units, those that JSON writes in another way more often than by chance. */
  const anyText = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          '"',
          '\\',
          '\n',
          '\u0000',
          '\u001f',
          '\u007f',
          '\u2028',
          '\ufffd',
          '\ud83e',
          '\udd8a',
          '🦊',
          '明',
          'é',
        ),
        fc.string({ unit: 'binary' }),
      ),
    )
    .map((parts) => parts.join(''));
  const anyNumber = fc.oneof(
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.constantFrom(0, -0, 99_999_999, 1e8, 2 ** 53),
  );

  /** As the first version of the product reckoned it. */
  function numberOf(columns: unknown): string {
    const digest = createHash('sha256').update(JSON.stringify(columns)).digest('hex');
    return BigInt.asIntN(64, BigInt(`0x${digest.slice(0, 16)}`)).toString();
  }

  function expectNumberOf(texts: readonly unknown[], times: readonly number[]): void {
    const [organizationId, contactId, firstName, lastName, email, phone, company, title, leadId] = texts;
    const [eventTimestamp, createdAt, updatedAt] = times;
    const content = {
      ...{ entity: 'contact', eventType: 'contact.created', organizationId, eventTimestamp, createdAt, updatedAt },
      ...{ contactId, firstName, lastName, email, phone, company, title, leadId },
    };
    const columns = ['contact.created', organizationId, ...times, ...texts.slice(1)];
    expect(formerContentHash(content as unknown as StagedEvent).toString()).toBe(numberOf(columns));
  }

  const textsOf = (text: fc.Arbitrary<string>) => fc.array(fc.option(text), { minLength: 9, maxLength: 9 });
  const times = fc.array(anyNumber, { minLength: 3, maxLength: 3 });

  it('is the first 64 bits of the SHA-256 of its JSON', () => {
    fc.assert(fc.property(textsOf(anyText), times, expectNumberOf), { numRuns: 1_000 });
  });

  it.each(['明', 'x', '"', '🦊'])('however long its texts are: %s', (character) => {
    for (const length of [7_200, 21_800, 65_500, 65_536, 100_000]) {
      expectNumberOf(['org-1', 'contact-1', character.repeat(length), null, ...Array<string>(5).fill('"')], [1, 2, 3]);
    }
  });
});
