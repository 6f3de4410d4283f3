import { expect, it } from 'vitest';
import {
  BUILD_DATA,
  type BuildRecord,
  buildEnvelope,
  buildMetadata,
  ENTITY_AT,
} from '../../../adapters/registry/records.ts';
import { type AvroRecord, ENTITY_RECORDS, METADATA_RECORD, SCHEMAS } from '../../../domain/schemas.ts';

it.each<[string, BuildRecord, AvroRecord, string[]]>([
  ['envelope', buildEnvelope, SCHEMAS.events, ['entity']],
  ['metadata', buildMetadata, METADATA_RECORD, []],
  ['lead', BUILD_DATA.lead, ENTITY_RECORDS.lead, []],
  ['contact', BUILD_DATA.contact, ENTITY_RECORDS.contact, []],
  ['opportunity', BUILD_DATA.opportunity, ENTITY_RECORDS.opportunity, []],
])('%s: each field of the schema has the value of its place', (_, build, { fields }, more) => {
  const names = [...fields.map(({ name }) => name), ...more];
  expect(build(names)).toEqual(Object.fromEntries(names.map((name) => [name, name])));
});

it('the entity comes after the fields of the envelope', () => {
  expect(ENTITY_AT).toBe(SCHEMAS.events.fields.length);
});
