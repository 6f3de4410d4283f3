/** Deliveries by what became of them; see crm_events_log.processing_status. */
export const LOG_STATUSES = ['processed', 'skipped', 'filtered', 'failed', 'dead', 'discarded'] as const;

export type StatusCounts = Record<(typeof LOG_STATUSES)[number], number>;

export const NO_STATUSES: StatusCounts = { processed: 0, skipped: 0, filtered: 0, failed: 0, dead: 0, discarded: 0 };

export function totalOf(counts: StatusCounts): number {
  return LOG_STATUSES.reduce((sum, status) => sum + counts[status], 0);
}
