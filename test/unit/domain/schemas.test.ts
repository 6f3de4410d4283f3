import avsc from 'avsc';
import { describe, expect, it } from 'vitest';
import { ENTITIES } from '../../../domain/events.ts';
import {
  type AvroRecord,
  type AvroSchema,
  ENTITY_RECORDS,
  expectedEntityOf,
  SCHEMAS,
  subjectOf,
  TOPIC_ROLES,
} from '../../../domain/schemas.ts';
import { CONTACT, LEAD, OPPORTUNITY } from './sound.ts';

function isRecord(schema: AvroSchema): schema is AvroRecord {
  return typeof schema === 'object' && 'fields' in schema;
}

/** A record and all records inside it. */
function recordsIn(schema: AvroSchema): AvroRecord[] {
  if (Array.isArray(schema)) return schema.flatMap(recordsIn);
  if (!isRecord(schema)) return [];
  return [schema, ...schema.fields.flatMap(({ type }) => recordsIn(type))];
}

describe.each(TOPIC_ROLES)('the schema of the topic for %s', (role) => {
  const records = recordsIn(SCHEMAS[role]);

  it('is one that Avro libraries take', () => {
    expect(avsc.Type.forSchema(SCHEMAS[role] as unknown as avsc.Schema).name).toBe(`crm.events.${SCHEMAS[role].name}`);
  });

  it('documents every record and field', () => {
    const undocumented = records.flatMap(({ name, doc, fields }) =>
      [{ path: name, doc }, ...fields.map((field) => ({ path: `${name}.${field.name}`, doc: field.doc }))]
        .filter((part) => part.doc.trim() === '')
        .map(({ path }) => path),
    );
    expect(undocumented).toEqual([]);
  });

  it('lets what is optional be left out', () => {
    for (const { type, default: absent } of records.flatMap(({ fields }) => fields)) {
      const nullable = Array.isArray(type) && type[0] === 'null';
      expect(absent).toBe(nullable ? null : undefined);
    }
  });
});

it.each([
  ['lead', LEAD],
  ['contact', CONTACT],
  ['opportunity', OPPORTUNITY],
] as const)('the record of a %s has the fields of its interface', (entity, sample) => {
  const names = ENTITY_RECORDS[entity].fields.map(({ name }) => name);
  expect(names.toSorted()).toEqual(Object.keys(sample).toSorted());
});

it('amounts are exact and dates have their unit', () => {
  const type = (name: string) => ENTITY_RECORDS.opportunity.fields.find((field) => field.name === name)?.type;
  expect(type('amount')).toEqual({ type: 'bytes', logicalType: 'decimal', precision: 15, scale: 2 });
  expect(type('expectedCloseDate')).toEqual({ type: 'int', logicalType: 'date' });
  expect(type('createdAt')).toEqual({ type: 'long', logicalType: 'timestamp-millis' });
});

it('each entity has a topic of its own, and one topic carries all', () => {
  expect(TOPIC_ROLES.map(expectedEntityOf)).toEqual([null, ...ENTITIES]);
});

it('subjects follow the TopicNameStrategy', () => {
  expect(subjectOf('crm.leads')).toBe('crm.leads-value');
});
