import fc from 'fast-check';
import { expect, it } from 'vitest';
import { flatten } from '../../../domain/flatten.ts';
import { lead } from './sound.ts';

const text = fc.option(fc.oneof(fc.constantFrom('', 'crm', '1.0', '"', '\\'), fc.string({ unit: 'grapheme' })));
const metadata = fc.option(fc.record({ source: text, version: text, correlationId: text }));

it('the metadata of one event after the other is JSON without what is absent', () => {
  fc.assert(
    fc.property(fc.array(metadata, { minLength: 1, maxLength: 5 }), (events) => {
      for (const given of events) {
        const present = given === null ? null : Object.entries(given).filter(([, value]) => value !== null);
        const expected = present === null ? null : JSON.stringify(Object.fromEntries(present));
        expect(flatten(lead({}, { metadata: given })).metadata).toBe(expected);
      }
    }),
  );
});
