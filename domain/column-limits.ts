/** How much the columns of the staging tables take; the migrations say the same in SQL. */

/** Most characters (Unicode code points, as VARCHAR counts them) of each text column. */
export const MAX_CHARACTERS = {
  eventId: 255,
  eventType: 50,
  organizationId: 100,
  entityId: 255,
  firstName: 255,
  lastName: 255,
  email: 255,
  phone: 100,
  company: 255,
  title: 255,
  source: 100,
  status: 50,
  assignedTo: 255,
  opportunityName: 500,
  stage: 100,
  /** Each text of the metadata. JSONB would take more; this keeps one event from filling a batch's memory. */
  metadata: 10_000,
} as const;

/** INTEGER. */
export const INTEGER = { min: -2_147_483_648, max: 2_147_483_647 } as const;

/** DECIMAL(15,2). */
export const AMOUNT = { digitsBeforePoint: 13, digitsAfterPoint: 2 } as const;

/** Years that a date or time of a record may have; PostgreSQL takes more, but they are mistakes. */
export const YEARS = { first: 1900, last: 2200 } as const;
