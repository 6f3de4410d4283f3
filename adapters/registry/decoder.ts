import type { Decoded, EventDecoder } from '../../activities/ports.ts';
import type { FailureCode } from '../../domain/failures.ts';
import { unreadBatchProblem } from '../../domain/unread-batch.ts';
import type { RegistryClient } from './client.ts';
import { Cursor } from './cursor.ts';
import { createPlanCache, type PlanOrRejection } from './plan-cache.ts';

/** Magic byte and schema id. */
const HEADER_BYTES = 5;

/**
 * Decodes messages of the Confluent wire format (a zero byte, four bytes of schema id, Avro) into events.
 * @param now milliseconds of a clock that never goes back
 */
export function createDecoder(
  client: Pick<RegistryClient, 'schemaById'>,
  now: () => number = () => performance.now(),
): EventDecoder {
  const plans = createPlanCache(client, now);
  // Decoding is synchronous, so one cursor serves every message.
  const cursor = new Cursor();

  return {
    decode(value) {
      if (value.length === 0) return rejected(null, 'empty_message', 'the value has no bytes');
      if (value[0] !== 0) return withoutMagic(value);
      if (value.length < HEADER_BYTES) return rejected(null, 'undecodable', 'cut off before the end of the schema id');
      const schemaId = value.readInt32BE(1);
      // No registry will ever know it.
      if (schemaId <= 0) return rejected(schemaId, 'undecodable', 'the schema id is not a positive number');
      const plan = plans.peek(schemaId);
      if (plan !== undefined) return read(cursor, plan, value, schemaId);
      return plans.load(schemaId).then((loaded) => read(cursor, loaded, value, schemaId));
    },
  };
}

function withoutMagic(value: Buffer): Decoded {
  const rejection = unreadBatchProblem(value);
  if (rejection !== null) return { ok: false, rejection, schemaId: null };
  return rejected(null, 'bad_magic_byte', 'the first byte is not 0');
}

function read(cursor: Cursor, plan: PlanOrRejection, value: Buffer, schemaId: number): Decoded {
  if (typeof plan !== 'function') return { ok: false, rejection: plan, schemaId };
  cursor.open(value, HEADER_BYTES);
  const event = plan(cursor);
  if (!cursor.complete) {
    return rejected(
      schemaId,
      'undecodable',
      cursor.failed ? 'cut off or corrupt' : 'bytes after the end of the record',
    );
  }
  if (cursor.invalidText !== null) {
    return rejected(
      schemaId,
      'invalid_text',
      `${cursor.invalidText}: holds bytes that are not UTF-8`,
      cursor.invalidText,
    );
  }
  if (cursor.misfit !== null) {
    return rejected(
      schemaId,
      'incompatible_schema',
      `${cursor.misfit}: a record that is none of our entities`,
      cursor.misfit,
    );
  }
  if (event.data === null) return rejected(schemaId, 'missing_field', 'data: required, but empty', 'data');
  return { ok: true, event, schemaId };
}

function rejected(schemaId: number | null, code: FailureCode, detail: string, field?: string): Decoded {
  return { ok: false, rejection: { code, detail, ...(field !== undefined && { field }) }, schemaId };
}
