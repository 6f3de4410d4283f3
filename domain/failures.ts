/**
 * Why an event could not be staged: one closed list. Status, retry behaviour, metric labels and documentation all read
 * it, and a code without an entry does not compile.
 */
export const FAILURES = {
  empty_message: { retryable: false, meaning: 'The message has a value of zero bytes.' },
  bad_magic_byte: { retryable: false, meaning: 'The message does not start with the magic byte 0 of the wire format.' },
  unknown_schema: { retryable: true, meaning: 'The registry has no schema with the id that the message names.' },
  incompatible_schema: {
    retryable: true,
    meaning: "The message's schema cannot be resolved to the schema that we read with.",
  },
  undecodable: { retryable: false, meaning: 'The bytes are not what the schema says (cut off or corrupt).' },
  unknown_event_type: { retryable: false, meaning: 'The event type is none of the nine that we know.' },
  entity_mismatch: {
    retryable: false,
    meaning: 'The data is of another entity than the event type or the topic says.',
  },
  missing_field: { retryable: false, meaning: 'A required field is empty.' },
  too_long: { retryable: false, meaning: 'A text has more characters than its column takes.' },
  invalid_text: {
    retryable: false,
    meaning: 'A text holds a NUL character or bytes that are not UTF-8, which PostgreSQL cannot store faithfully.',
  },
  out_of_range: { retryable: false, meaning: 'A number, date or code is outside the range that its column takes.' },
  organization_mismatch: { retryable: false, meaning: 'The data belongs to another organization than the event.' },
  implausible_timestamp: {
    retryable: false,
    meaning: 'The event time is before the year 2000, or more than a day ahead of the broker or of us.',
  },
  outside_retention: {
    retryable: true,
    meaning: 'The event time is older than the window for late events, so it has no partition.',
  },
  refused_by_database: {
    retryable: false,
    meaning: 'PostgreSQL refused the row for a reason of its data; SQLSTATE, constraint and column are recorded.',
  },
} as const satisfies Record<string, { retryable: boolean; meaning: string }>;

export type FailureCode = keyof typeof FAILURES;

/**
 * A bad event is a value, not an exception. `detail` is shown to people and logged, so it names fields, rules and
 * limits, and never holds anything out of the payload.
 */
export interface Rejection {
  code: FailureCode;
  /** For example `data.email: 300 characters, at most 255`. */
  detail: string;
}

/** What became of a delivery; the values of `crm_events_log.processing_status`. */
export type ProcessingStatus = 'processed' | 'skipped' | 'filtered' | 'failed' | 'dead' | 'discarded';

/** `failed` waits for a retry; `dead` can't succeed without a person's help. */
export function statusOf(code: FailureCode): 'failed' | 'dead' {
  return FAILURES[code].retryable ? 'failed' : 'dead';
}
