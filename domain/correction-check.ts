/** Whether a person's correction may stand in for the message it corrects. */
import { correctionToWireEvent } from './correction.ts';
import { type EventJson, eventToJson } from './event-json.ts';
import type { EpochMillis } from './events.ts';
import type { Rejection } from './failures.ts';
import { isRejection, type ValidationContext, validate } from './validate.ts';

/** What is known of the message that is corrected. */
export interface Original {
  /** null when the message has none, or none that can be read. */
  eventId: string | null;
  organizationId: string | null;
  /** Of the Kafka record, -1 without. */
  recordTimestamp: EpochMillis;
}

/**
 * Checks a correction by the rules for events from Kafka. Beyond them it must keep the event's id and organization:
 * another id would let the event be stored twice, another organization hand it to somebody else.
 * @returns the event in the one form in which corrections are kept
 */
export function checkCorrection(
  json: unknown,
  original: Original,
  context: ValidationContext,
): { ok: true; event: EventJson } | { ok: false; rejection: Rejection } {
  const event = correctionToWireEvent(json);
  if ('code' in event) return { ok: false, rejection: event };
  const validated = validate(event, original.recordTimestamp, context);
  if (isRejection(validated)) return { ok: false, rejection: validated };
  for (const field of ['eventId', 'organizationId'] as const) {
    if (original[field] !== null && event[field] !== original[field]) {
      return {
        ok: false,
        rejection: { code: 'out_of_range', detail: `${field}: must stay as the message has it`, field },
      };
    }
  }
  return { ok: true, event: eventToJson(event) };
}
