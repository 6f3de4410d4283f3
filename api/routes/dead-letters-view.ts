/** Failed events as they are shown: decoded where that is possible, and masked for those who may not see personal data. */
import type { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { DeadLetter, WholeDeadLetter } from '../../activities/dead-letter-ports.ts';
import { type EventDecoder, RegistryUnavailableError } from '../../activities/ports.ts';
import { eventToJson } from '../../domain/event-json.ts';
import { failureClassOf } from '../../domain/failure-class.ts';
import { maskEvent, maskOpen } from '../../domain/masking.ts';
import type { ApiEnv } from '../env.ts';
import type { Principal } from '../principal.ts';
import type { DeadLetterSchema, WholeDeadLetterSchema } from './dead-letters-schemas.ts';

type Item = z.infer<typeof DeadLetterSchema>;
type Whole = z.infer<typeof WholeDeadLetterSchema>;

const FIRST_BYTES = 256;

/** Whether someone may see personal data. */
export function maySeePersonalData(principal: Principal): boolean {
  return principal.permissions.has('pii:read');
}

/** An id as it is shown. @param open whether personal data is shown */
export function idOf(id: string | null, open: boolean): string | null {
  return id === null || open ? id : maskOpen(id);
}

/** A line of a list. @param open whether personal data is shown */
export function itemOf(letter: DeadLetter, open: boolean): Item {
  const { failedId, errorCode, errorDetail, field, sqlstate, status, topic, partition, offset, ...rest } = letter;
  return {
    ...{ id: failedId, status, topic, partition, offset },
    error: { code: errorCode, class: failureClassOf(errorCode), detail: errorDetail, field, sqlstate },
    eventId: idOf(rest.eventId, open),
    eventType: rest.eventType,
    organizationId: idOf(rest.organizationId, open),
    schemaId: rest.schemaId,
    fingerprint: rest.fingerprint,
    attempts: rest.attempts,
    redrives: rest.redrives,
    nextAttemptAt: rest.nextAttemptAt,
    settledAs: rest.settledAs,
    createdAt: rest.createdAt,
    updatedAt: rest.updatedAt,
  };
}

/** Everything of one but its bytes. @param open whether personal data is shown */
export async function wholeOf(letter: WholeDeadLetter, decoder: EventDecoder, open: boolean): Promise<Whole> {
  const { event, undecodable } = await decoded(letter, decoder);
  const shown = (json: unknown) => (open ? json : maskEvent(json)) as Whole['event'];
  return {
    ...itemOf(letter, open),
    errors: [...letter.errors],
    recordTimestamp: timeOf(letter.recordTimestamp),
    keyBytes: letter.key?.length ?? null,
    valueBytes: letter.value?.length ?? null,
    headers: letter.headers.map(([name, value]) => ({
      name,
      bytes: value === null ? null : Buffer.byteLength(value, 'base64'),
    })),
    event: shown(event),
    undecodable,
    firstBytes: open && undecodable !== null ? (letter.value?.toString('hex', 0, FIRST_BYTES) ?? null) : null,
    correction:
      letter.correction === null
        ? null
        : { event: shown(letter.correction), by: letter.correctedBy, at: letter.correctedAt },
    discardReason: letter.discardReason,
    discardedBy: letter.discardedBy,
    settledAt: letter.settledAt,
    masked: !open,
  };
}

/** The answer that shows one event to whoever asks; its version goes along as the `etag`. */
export function showWhole(c: Context<ApiEnv>, letter: WholeDeadLetter, decoder: EventDecoder): Promise<Whole> {
  c.header('etag', `"${letter.version}"`);
  return wholeOf(letter, decoder, maySeePersonalData(c.get('principal')));
}

/** null without one, and for one that no calendar has: producers send what they like. */
function timeOf(milliseconds: number): string | null {
  const time = new Date(milliseconds);
  return milliseconds < 0 || Number.isNaN(time.getTime()) ? null : time.toISOString();
}

/** A message as an event in JSON, or why it is none. */
export async function decoded(
  { value, topic, unreadable }: Pick<WholeDeadLetter, 'value' | 'topic' | 'unreadable'>,
  decoder: EventDecoder,
): Promise<{ event: unknown; undecodable: Whole['undecodable'] }> {
  if (unreadable !== null) return { event: null, undecodable: { code: unreadable.code, detail: unreadable.detail } };
  if (value === null)
    return { event: null, undecodable: { code: 'empty_message', detail: 'the message has no value' } };
  try {
    const result = await decoder.decode(value, topic);
    return result.ok
      ? { event: eventToJson(result.event), undecodable: null }
      : { event: null, undecodable: { code: result.rejection.code, detail: result.rejection.detail } };
  } catch (error) {
    if (!(error instanceof RegistryUnavailableError)) throw error;
    const detail = 'the schema registry does not answer just now: see /health, and ask again';
    return { event: null, undecodable: { code: 'registry_unavailable', detail } };
  }
}
