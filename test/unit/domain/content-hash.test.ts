import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentHash } from '../../../domain/content-hash.ts';
import type { StagedEvent } from '../../../domain/staging.ts';
import { isRejection, validate } from '../../../domain/validate.ts';
import { CONTEXT, contact, lead, opportunity, RECORDED } from './sound.ts';

function staged(event: Parameters<typeof validate>[0]): StagedEvent {
  const result = validate(event, RECORDED, CONTEXT);
  if (isRejection(result)) expect.fail(result.detail);
  return result;
}

const EVENTS = [
  ['lead', staged(lead())],
  ['contact', staged(contact())],
  ['opportunity', staged(opportunity())],
] as const;

/** Not content: who delivered it, under which id, and the hash itself. */
const NOT_HASHED = ['eventId', 'metadata', 'contentHash', 'entity'];

describe.each(EVENTS)('the content hash of a %s', (_, event) => {
  const columns = Object.keys(event).filter((column) => !NOT_HASHED.includes(column));

  it.each(columns)('changes with %s', (column) => {
    const value: unknown = event[column as keyof StagedEvent];
    const other: fc.Arbitrary<unknown> = typeof value === 'number' ? fc.integer() : fc.string();
    fc.assert(
      fc.property(
        other.filter((changed) => changed !== value),
        (changed) => {
          expect(contentHash({ ...event, [column]: changed })).not.toBe(event.contentHash);
        },
      ),
    );
  });

  it('does not change with the event id or the metadata', () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.json()), (eventId, metadata) => {
        expect(contentHash({ ...event, eventId, metadata } as StagedEvent)).toBe(event.contentHash);
      }),
    );
  });

  it('is a number that a bigint column takes', () => {
    expect(BigInt.asIntN(64, BigInt(event.contentHash)).toString()).toBe(event.contentHash);
  });
});

it('text does not slip from one column into the next', () => {
  const hash = (firstName: string, lastName: string) => staged(lead({ firstName, lastName })).contentHash;
  expect(hash('a', 'b"c')).not.toBe(hash('a","b', 'c'));
  expect(hash('ab', 'c')).not.toBe(hash('a', 'bc'));
});

it('null is not the empty text', () => {
  expect(staged(lead({ title: null })).contentHash).not.toBe(staged(lead({ title: '' })).contentHash);
});

it('the notation of an amount does not matter', () => {
  expect(staged(opportunity({ amount: '1250.0000' })).contentHash).toBe(staged(opportunity()).contentHash);
});

it('numbers that are in ledgers already stay what they are', () => {
  expect(EVENTS.map(([, event]) => event.contentHash)).toMatchInlineSnapshot(`
    [
      "8182905249756870907",
      "2828762052053460797",
      "-5730809072475465999",
    ]
  `);
});
