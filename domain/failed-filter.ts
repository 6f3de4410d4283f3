/** Which failed events a person means: the same for lists, exports and what is done with many at once. */

export const UNSETTLED = ['failed', 'dead'] as const;
export const SETTLED = ['resolved', 'discarded'] as const;

export type UnsettledStatus = (typeof UNSETTLED)[number];

/** Every status that a row of `crm_failed_events` can have. */
export type FailedStatus = UnsettledStatus | (typeof SETTLED)[number];

/** Most ids in `failedIds`. */
export const MAX_FAILED_IDS = 1_000;

/**
 * What is left out is not asked for, and an event must fit everything that is. JSON-safe, so that workflows and
 * `crm_redrives.filter` can hold it.
 */
export interface FailedFilter<Status extends FailedStatus = UnsettledStatus> {
  status?: Status | undefined;
  organizationId?: string | undefined;
  eventType?: string | undefined;
  errorCode?: string | undefined;
  /** Of a group: schema, rule and field. */
  fingerprint?: string | undefined;
  schemaId?: number | undefined;
  topic?: string | undefined;
  /** ISO 8601; of the first failure, inclusive. */
  from?: string | undefined;
  /** ISO 8601; of the first failure, exclusive. */
  to?: string | undefined;
  /** At most MAX_FAILED_IDS; an empty list means no event. */
  failedIds?: number[] | undefined;
}
