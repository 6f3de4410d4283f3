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
import { compileScalar, IncompatibleSchema } from './scalars.ts';
import { compileSkip } from './skip.ts';

/** Reads the message that the cursor is at. Whether the result means anything is for the cursor to say. */
export type ReadPlan = (cursor: Cursor) => WireEvent | NoData;

/** The message is sound, but its `data` is null or a record that is none of ours. */
export interface NoData {
  data: null;
}

type Target = Record<string, unknown>;
type Step = (cursor: Cursor, target: Target) => void;

/** @throws IncompatibleSchema naming the first field that stands in the way */
export function compileReadPlan(writer: Type): ReadPlan {
  if (!isRecord(writer)) throw new IncompatibleSchema('the message is no record in its schema');
  const empty: Target = { ...emptyRecord(SCHEMAS.events), entity: null };
  const steps = compileSteps(writer, SCHEMAS.events, '', compileEnvelopeField);
  return (cursor) => {
    const event = { ...empty };
    for (const step of steps) step(cursor, event);
    // The steps fill in exactly the fields of the envelope; `entity` is set with `data`.
    return event as unknown as WireEvent | NoData;
  };
}

type CompileField = (writer: Type, ours: AvroField, path: string) => Step;

function compileSteps(writer: types.RecordType, ours: AvroRecord, prefix: string, compileField: CompileField): Step[] {
  const byName = new Map(ours.fields.map((field) => [field.name, field]));
  const steps = writer.fields.map((field): Step => {
    const known = byName.get(field.name);
    byName.delete(field.name);
    return known === undefined ? compileSkip(field.type) : compileField(field.type, known, `${prefix}${known.name}`);
  });
  for (const absent of byName.values()) {
    if (absent.default === undefined) {
      throw new IncompatibleSchema(`${prefix}${absent.name}: required, but not in the message's schema`);
    }
  }
  return steps;
}

const compileScalarField: CompileField = (writer, ours, path) => {
  const read = compileScalar(writer, ours.type, path);
  const { name } = ours;
  return (cursor, target) => {
    target[name] = read(cursor);
  };
};

const compileEnvelopeField: CompileField = (writer, ours, path) => {
  if (ours.name === 'data') return compileData(writer);
  if (ours.name === 'metadata') return compileMetadata(writer);
  return compileScalarField(writer, ours, path);
};

function compileRecord(writer: types.RecordType, ours: AvroRecord, prefix: string): (cursor: Cursor) => Target {
  const empty = emptyRecord(ours);
  const steps = compileSteps(writer, ours, prefix, compileScalarField);
  return (cursor) => {
    const record = { ...empty };
    for (const step of steps) step(cursor, record);
    return record;
  };
}

/** All fields in our order, so that records of every writer have the same shape for the engine. */
function emptyRecord(ours: AvroRecord): Target {
  return Object.fromEntries(ours.fields.map((field) => [field.name, null]));
}

function compileMetadata(writer: Type): Step {
  const types = isUnion(writer) ? writer.types : [writer];
  const branches = types.map((type): Step => {
    if (type.typeName === 'null') return () => {};
    if (!isRecord(type)) throw new IncompatibleSchema("metadata: must be a record in the message's schema");
    const read = compileRecord(type, METADATA_RECORD, 'metadata.');
    return (cursor, target) => {
      target.metadata = read(cursor);
    };
  });
  return isUnion(writer) ? chooseBranch(branches) : (branches[0] as Step);
}

/**
 * `data` is one of our entities or a union of them. A union may have more: an event with another record is refused by
 * itself and does not hold up those that we can read.
 */
function compileData(writer: Type): Step {
  const types = isUnion(writer) ? writer.types : [writer];
  const branches = types.map((type) => (isRecord(type) ? compileEntity(type) : null));
  if (branches.every((branch) => branch === null)) {
    throw new IncompatibleSchema("data: none of our entities in the message's schema");
  }
  const steps = branches.map((branch, index) => branch ?? compileMisfit(types[index] as Type));
  return isUnion(writer) ? chooseBranch(steps) : (steps[0] as Step);
}

function compileEntity(writer: types.RecordType): Step | null {
  const entity = entityOfRecord(writer);
  if (entity === null) return null;
  const read = compileRecord(writer, ENTITY_RECORDS[entity], 'data.');
  return (cursor, target) => {
    target.entity = entity;
    target.data = read(cursor);
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
  return (cursor, target) => {
    const branch = branches[cursor.readLong()];
    if (branch === undefined) cursor.fail();
    else branch(cursor, target);
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
