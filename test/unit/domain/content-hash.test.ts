import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentHash } from '../../../domain/content-hash.ts';
import type { StagedEvent, StagedLead } from '../../../domain/staging.ts';
import { contentOf, EVENTS, staged } from './hashed.ts';
import { lead, opportunity } from './sound.ts';

const LEAD = staged(lead()) as StagedLead;
const TEXTS = ['organizationId', 'leadId', 'firstName', 'lastName', 'email', 'company', 'source', 'status'] as const;

describe.each(EVENTS)('the content hash of a %s', (_, event) => {
  const columns = contentOf(event);

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

  it('is a safe integer, not negative, whatever the content', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.maxSafeInteger(), (organizationId, eventTimestamp) => {
        const hash = contentHash({ ...event, organizationId, eventTimestamp } as StagedEvent);
        expect(Number.isSafeInteger(hash) && hash >= 0).toBe(true);
      }),
    );
  });
});

it('text does not slip from one column into the next', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string(), (first, last) => {
      const hashes = Array.from({ length: first.length + 1 }, (_, at) =>
        contentHash({ ...LEAD, firstName: first.slice(0, at), lastName: first.slice(at) + last }),
      );
      expect(new Set(hashes).size).toBe(hashes.length);
    }),
  );
});

it('null, the empty text, texts of NULs, 0, and what marks null and numbers differ', () => {
  const texts = [null, '', '\0', '\0\0', '0', '\uffff\uffff', '\ufffe\uffff'];
  const numbers = [null, 0, -1, -2, 2 ** 32, -(2 ** 32)];
  const hashes = texts.flatMap((title) => numbers.map((score) => contentHash({ ...LEAD, title, score })));
  expect(new Set(hashes).size).toBe(texts.length * numbers.length);
  // Neighbours, the one a number and the other a text.
  const neighbours = [
    { score: null, assignedTo: '' },
    { score: 0, assignedTo: null },
    { score: null, assignedTo: null },
    { score: 0, assignedTo: '' },
    { score: null, assignedTo: '0' },
  ];
  expect(new Set(neighbours.map((two) => contentHash({ ...LEAD, ...two }))).size).toBe(neighbours.length);
});

it('the notation of an amount does not matter', () => {
  expect(staged(opportunity({ amount: '1250.0000' })).contentHash).toBe(staged(opportunity()).contentHash);
});

it('numbers that are in ledgers already stay what they are', () => {
  expect(EVENTS.map(([, event]) => event.contentHash)).toMatchInlineSnapshot(`
    [
      22971548192363,
      623328232060,
      5374430103737842,
    ]
  `);
});

describe('the number of a content', () => {
  /** As it was first laid down, in whole numbers of any size. */
  function numberOf(columns: ReadonlyArray<string | number | null>): number {
    const words = columns.flatMap((column) => {
      if (column === null) return [-1];
      if (typeof column === 'number') return [-2, Number(BigInt(column) >> 32n), Number(BigInt(column) & 0xffffffffn)];
      const units = column.split('').map((unit) => unit.charCodeAt(0));
      const pairs = units.flatMap((unit, at) => (at % 2 === 0 ? [unit + (units[at + 1] ?? 0) * 65_536] : []));
      return [units.length, ...pairs];
    });
    const lane = (seed: bigint, rotation: bigint, factor: bigint) => {
      const mixed = words.reduce((state, word) => {
        const rotated = BigInt.asUintN(32, state << rotation) | (state >> (32n - rotation));
        return BigInt.asUintN(32, (rotated ^ BigInt.asUintN(32, BigInt(word))) * factor);
      }, seed);
      const once = BigInt.asUintN(32, (mixed ^ (mixed >> 16n)) * 0x85ebca6bn);
      const twice = BigInt.asUintN(32, (once ^ (once >> 13n)) * 0xc2b2ae35n);
      return twice ^ (twice >> 16n);
    };
    const high = BigInt.asUintN(21, lane(0x243f6a88n, 5n, 0x9e3779b1n));
    return Number((high << 32n) | lane(0x13198a2en, 13n, 0x85ebca77n));
  }

  const texts = fc.array(fc.option(fc.string({ unit: 'binary' })), { minLength: 9, maxLength: 9 });
  const times = fc.array(fc.maxSafeInteger(), { minLength: 3, maxLength: 3 });

  it('is of its columns in the order that they always had', () => {
    fc.assert(
      fc.property(texts, times, (values, moments) => {
        const [organizationId, contactId, firstName, lastName, email, phone, company, title, leadId] = values;
        const [eventTimestamp, createdAt, updatedAt] = moments;
        const content = {
          ...{ entity: 'contact', eventType: 'contact.created', organizationId, eventTimestamp, createdAt, updatedAt },
          ...{ contactId, firstName, lastName, email, phone, company, title, leadId },
        };
        const columns = ['contact.created', organizationId ?? null, ...moments, ...values.slice(1)];
        expect(contentHash(content as unknown as StagedEvent)).toBe(numberOf(columns));
      }),
      { numRuns: 1_000 },
    );
  });
});

it('no two of some hundred thousand contents that are nearly the same have one number', () => {
  const contents = new Set<string>();
  const hashes = new Set<number>();
  const add = (over: Partial<StagedLead>) => {
    contents.add(JSON.stringify({ ...LEAD, ...over }));
    hashes.add(contentHash({ ...LEAD, ...over }));
  };
  // One character, each of each text.
  for (const column of TEXTS) {
    const text = LEAD[column] ?? '';
    for (let at = 0; at < text.length; at += 1) {
      for (let bit = 0; bit < 16; bit += 1) {
        add({
          [column]: text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << bit)) + text.slice(at + 1),
        });
      }
    }
  }
  // Two characters that are mixed in together, and two that are mixed in one after the other, in every bit.
  for (let one = 0; one < 256; one += 1) {
    for (let other = 0; other < 256; other += 1) {
      const [first, last] = [String.fromCharCode(one * 257), String.fromCharCode(other * 257)];
      add({ company: `${first}${last}` });
      add({ company: `x${first}${last}x` });
    }
  }
  // Numbers, and texts that count.
  for (let count = 0; count < 40_000; count += 1) {
    add({ updatedAt: LEAD.updatedAt + count, createdAt: LEAD.createdAt - count });
    add({ score: count - 20_000 });
    add({ leadId: `lead-${count}`, email: `lead-${count}@example.com` });
  }
  expect(hashes.size).toBe(contents.size);
  expect(contents.size).toBeGreaterThan(200_000);
});
