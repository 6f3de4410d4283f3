/** Records of Avro container files, read by the same rules as messages. */
import type { Schema } from 'avsc';
import type { AvroOutcome, CompileAvro } from '../../activities/file-ports.ts';
import { eventToJson } from '../../domain/event-json.ts';
import type { WireEvent } from '../../domain/events.ts';
import { parseSchema } from './avro-types.ts';
import { Cursor } from './cursor.ts';
import { compileReadPlan, type NoData, type ReadPlan } from './read-plan.ts';
import { IncompatibleSchema } from './scalars.ts';

/** Never throws, whatever the schema is. */
export const compileAvro: CompileAvro = (schema) => {
  let plan: ReadPlan;
  try {
    plan = compileReadPlan(parseSchema(schema as Schema));
  } catch (error) {
    // What avsc says may quote the schema.
    return { problem: error instanceof IncompatibleSchema ? error.message : 'it is no schema of Avro' };
  }
  const cursor = new Cursor();
  return (block, count) => readBlock(plan, cursor, block, count);
};

function readBlock(plan: ReadPlan, cursor: Cursor, block: Buffer, count: number): AvroOutcome[] | null {
  const outcomes: AvroOutcome[] = [];
  cursor.open(block, 0);
  while (outcomes.length < count && !cursor.failed) {
    const start = block.length - cursor.remaining;
    const event = plan(cursor);
    const bytes = block.subarray(start, block.length - cursor.remaining);
    outcomes.push(outcomeOf(cursor, event, bytes));
    cursor.invalidText = null;
    cursor.misfit = null;
  }
  return cursor.complete ? outcomes : null;
}

function outcomeOf({ invalidText, misfit }: Cursor, event: WireEvent | NoData, bytes: Buffer): AvroOutcome {
  if (invalidText !== null) return { problem: 'text', bytes };
  if (misfit !== null) return { problem: 'entity', bytes };
  // Without data there is no entity either, which is no field of an event.
  return { json: JSON.stringify(isWhole(event) ? eventToJson(event) : { ...event, entity: undefined }) };
}

function isWhole(event: WireEvent | NoData): event is WireEvent {
  return event.data !== null;
}
