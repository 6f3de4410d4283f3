/**
 * Compiles a writer's schema, once, into the steps that read its messages as our records: fields that we know are read
 * by name in the writer's order, all others are stepped over, and those of ours that it lacks stay null where our
 * schema gives them a default. avsc's own resolvers would do the same about as fast, but they believe the counts in the
 * bytes (ten forged ones stop the process for good), hide what is not UTF-8, and refuse writers whose records have other
 * names or whose fields may be null where ours may not.
 */
import type { Type, types } from 'avsc';
import { ENTITIES, type Entity, type WireEvent } from '../../domain/events.ts';
import { type AvroField, type AvroRecord, ENTITY_RECORDS, METADATA_RECORD, SCHEMAS } from '../../domain/schemas.ts';
import { isRecord, isUnion, simpleName } from './avro-types.ts';
import type { Cursor } from './cursor.ts';
import { BUILD_DATA, type BuildRecord, buildEnvelope, buildMetadata, ENTITY_AT, type Values } from './records.ts';
import { compileScalar, IncompatibleSchema } from './scalars.ts';
import { compileSkip } from './skip.ts';

/** Reads the message that the cursor is at. Whether the result means anything is for the cursor to say. */
export type ReadPlan = (cursor: Cursor) => WireEvent | NoData;

/** The message is sound, but its `data` is null or a record that is none of ours. */
export interface NoData {
  data: null;
}

/** Reads what comes next into its place among the values of a record. */
type Step = (cursor: Cursor, values: Values) => void;

/** @throws IncompatibleSchema naming the first field that stands in the way */
export function compileReadPlan(writer: Type): ReadPlan {
  if (!isRecord(writer)) throw new IncompatibleSchema('the message is no record in its schema');
  const steps = compileSteps(writer, SCHEMAS.events, '', compileEnvelopeField);
  // The steps fill in exactly the fields of the envelope; the entity is set with `data`.
  return compileBuild(steps, ENTITY_AT + 1, buildEnvelope) as ReadPlan;
}

/** Messages are read one after the other, so one list of values serves them all. */
function compileBuild(steps: readonly Step[], fields: number, build: BuildRecord): (cursor: Cursor) => object {
  const values: Values = Array<unknown>(fields).fill(null);
  return (cursor) => {
    for (let at = 0; at < fields; at++) values[at] = null;
    for (const step of steps) step(cursor, values);
    return build(values);
  };
}

/** @param place of the field in our record */
type CompileField = (writer: Type, ours: AvroField, path: string, place: number) => Step;

function compileSteps(writer: types.RecordType, ours: AvroRecord, prefix: string, compileField: CompileField): Step[] {
  const byName = new Map(ours.fields.map((field) => [field.name, field]));
  const steps = writer.fields.map((field): Step => {
    const known = byName.get(field.name);
    byName.delete(field.name);
    if (known === undefined) return compileSkip(field.type);
    return compileField(field.type, known, `${prefix}${known.name}`, ours.fields.indexOf(known));
  });
  for (const absent of byName.values()) {
    if (absent.default === undefined) {
      throw new IncompatibleSchema(`${prefix}${absent.name}: required, but not in the message's schema`);
    }
  }
  return steps;
}

const compileScalarField: CompileField = (writer, ours, path, place) => {
  const read = compileScalar(writer, ours.type, path);
  return (cursor, values) => {
    values[place] = read(cursor);
  };
};

const compileEnvelopeField: CompileField = (writer, ours, path, place) => {
  if (ours.name === 'data') return compileData(writer, place);
  if (ours.name === 'metadata') return compileMetadata(writer, place);
  return compileScalarField(writer, ours, path, place);
};

function compileRecord(writer: types.RecordType, ours: AvroRecord, prefix: string, build: BuildRecord) {
  return compileBuild(compileSteps(writer, ours, prefix, compileScalarField), ours.fields.length, build);
}

function compileMetadata(writer: Type, place: number): Step {
  const types = isUnion(writer) ? writer.types : [writer];
  const branches = types.map((type): Step => {
    if (type.typeName === 'null') return () => {};
    if (!isRecord(type)) throw new IncompatibleSchema("metadata: must be a record in the message's schema");
    const read = compileRecord(type, METADATA_RECORD, 'metadata.', buildMetadata);
    return (cursor, values) => {
      values[place] = read(cursor);
    };
  });
  return isUnion(writer) ? chooseBranch(branches) : (branches[0] as Step);
}

/**
 * `data` is one of our entities or a union of them. A union may have more: an event with another record is refused by
 * itself and does not hold up those that we can read.
 */
function compileData(writer: Type, place: number): Step {
  const types = isUnion(writer) ? writer.types : [writer];
  const branches = types.map((type) => (isRecord(type) ? compileEntity(type, place) : null));
  if (branches.every((branch) => branch === null)) {
    throw new IncompatibleSchema("data: none of our entities in the message's schema");
  }
  const steps = branches.map((branch, index) => branch ?? compileMisfit(types[index] as Type));
  return isUnion(writer) ? chooseBranch(steps) : (steps[0] as Step);
}

function compileEntity(writer: types.RecordType, place: number): Step | null {
  const entity = entityOfRecord(writer);
  if (entity === null) return null;
  const read = compileRecord(writer, ENTITY_RECORDS[entity], 'data.', BUILD_DATA[entity]);
  return (cursor, values) => {
    values[ENTITY_AT] = entity;
    values[place] = read(cursor);
  };
}

function compileMisfit(writer: Type): Step {
  const skip = compileSkip(writer);
  return (cursor) => {
    if (writer.typeName !== 'null') cursor.misfit = 'data';
    skip(cursor);
  };
}

function chooseBranch(branches: readonly Step[]): Step {
  return (cursor, values) => {
    const branch = branches[cursor.readLong()];
    if (branch === undefined) cursor.fail();
    else branch(cursor, values);
  };
}

/** From the most demanding record to the least: every lead has what a contact must have. */
const BY_SHAPE: readonly Entity[] = ['opportunity', 'lead', 'contact'];

/**
 * Which entity a writer's record is: by its name (`CRMLead` or `Lead`, in any namespace), else by its fields, the first
 * whose required fields it has. A wrong guess shows as an entity that the event type contradicts.
 */
function entityOfRecord(writer: types.RecordType): Entity | null {
  const name = simpleName(writer).toLowerCase();
  const named = ENTITIES.find((entity) => name === entity || name === ENTITY_RECORDS[entity].name.toLowerCase());
  return named ?? BY_SHAPE.find((entity) => hasRequiredFields(writer, ENTITY_RECORDS[entity])) ?? null;
}

function hasRequiredFields(writer: types.RecordType, ours: AvroRecord): boolean {
  const names = new Set(writer.fields.map((field) => field.name));
  return ours.fields.every((field) => field.default !== undefined || names.has(field.name));
}
