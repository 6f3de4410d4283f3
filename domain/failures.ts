/**
 * Why an event could not be staged: one closed list. Status, retry behaviour, metric labels and documentation all read
 * it, and a code without an entry does not compile.
 *
 * `retries` is how often the event is tried again by itself: what is permanent has 0 and is a dead letter at once; what
 * may heal without a person becomes one after so many retries. Trouble of a server is no failure of an event and has no
 * code here: the lane waits.
 */
export const FAILURES = {
  empty_message: { retries: 0, meaning: 'The message has a value of zero bytes.' },
  bad_magic_byte: { retries: 0, meaning: 'The message does not start with the magic byte 0 of the wire format.' },
  unknown_schema: { retries: 20, meaning: 'The registry has no schema with the id that the message names.' },
  incompatible_schema: {
    retries: 0,
    meaning: "The message's schema cannot be resolved to the schema that we read with.",
  },
  undecodable: { retries: 0, meaning: 'The bytes are not what the schema says (cut off or corrupt).' },
  unknown_event_type: { retries: 0, meaning: 'The event type is none of the nine that we know.' },
  entity_mismatch: {
    retries: 0,
    meaning: 'The data is of another entity than the event type or the topic says.',
  },
  missing_field: { retries: 0, meaning: 'A required field is empty.' },
  too_long: { retries: 0, meaning: 'A text has more characters than its column takes.' },
  invalid_text: {
    retries: 0,
    meaning: 'A text holds a NUL character or bytes that are not UTF-8, which PostgreSQL cannot store faithfully.',
  },
  out_of_range: { retries: 0, meaning: 'A number, date or code is outside the range that its column takes.' },
  organization_mismatch: { retries: 0, meaning: 'The data belongs to another organization than the event.' },
  implausible_timestamp: {
    retries: 0,
    meaning: 'The event time is before the year 2000, or more than a day ahead of the broker or of us.',
  },
  outside_retention: {
    retries: 0,
    meaning: 'The event time is past the retention of its table, so it has no partition.',
  },
  missing_reference: {
    retries: 12,
    meaning: 'PostgreSQL refused the row because it refers to one that is not there (yet): SQLSTATE 23503.',
  },
  row_contended: {
    retries: 12,
    meaning: 'Other transactions kept the row locked, while the rest of its batch could be written.',
  },
  key_unavailable: {
    retries: 12,
    meaning: 'The message was kept sealed, with a key that is not configured where it was tried again.',
  },
  refused_by_database: {
    retries: 0,
    meaning: 'PostgreSQL refused the row for a reason of its data; SQLSTATE, constraint and column are recorded.',
  },
} as const satisfies Record<string, { retries: number; meaning: string }>;

export type FailureCode = keyof typeof FAILURES;

/**
 * A bad event is a value, not an exception. `detail` is shown to people and logged, so it names fields, rules and
 * limits, and never holds anything out of the payload.
 */
export interface Rejection {
  code: FailureCode;
  /** For example `data.email: 300 characters, at most 255`. */
  detail: string;
  /** The field or column that is wrong, where it is a single one. */
  field?: string;
  /** Of a row that PostgreSQL refused. */
  sqlstate?: string;
}

/** What became of a delivery; the values of `crm_events_log.processing_status`. */
export type ProcessingStatus = 'processed' | 'skipped' | 'filtered' | 'failed' | 'dead' | 'discarded';

/** `failed` waits for a retry; `dead` can't succeed without a person's help. */
export function statusOf(code: FailureCode): 'failed' | 'dead' {
  return FAILURES[code].retries > 0 ? 'failed' : 'dead';
}
