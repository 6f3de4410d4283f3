/**
 * Events that arrive past the retention of their table: which those are, and what becomes of them. Part of the hot path:
 * an event that no rule of its entity can find late costs one comparison.
 */
import type { Entity, EpochMillis, WireEvent } from './events.ts';

/**
 * `rebuild`: it is staged, and its partition is made again. `quarantine`: it is a dead letter. `drop`: it is logged as
 * filtered and counted, and nothing else of it is kept.
 */
export type LatePolicy = 'rebuild' | 'quarantine' | 'drop';

/** How long the rows of an entity are kept, as a person set it. */
export interface KeepRule {
  entity: Entity;
  /** null for the table as a whole. */
  organizationId: string | null;
  /** Whole days; null sets no limit of its own. */
  keepDays: number | null;
  late: LatePolicy;
}

/** What holds for one entity at a moment. */
interface EntityWindow {
  /** No rule finds an event late that is of this time or after. */
  inTimeFrom: EpochMillis;
  /** By the rule of the table. */
  start: EpochMillis;
  late: LatePolicy;
  /** Those with a rule of their own. */
  organizations: ReadonlyMap<string, { start: EpochMillis; late: LatePolicy }>;
}

/** Which events are late at a moment. */
export type LateWindows = Record<Entity, EntityWindow>;

const DAY_MS = 86_400_000;
const NO_ORGANIZATIONS: EntityWindow['organizations'] = new Map();

/** Without rules: what is older than `start` is quarantined. */
export function quarantineBefore(start: EpochMillis): LateWindows {
  const window: EntityWindow = { inTimeFrom: start, start, late: 'quarantine', organizations: NO_ORGANIZATIONS };
  return { lead: window, contact: window, opportunity: window };
}

/**
 * What holds at `now`. Retention goes by whole days in UTC, exactly as partition maintenance drops them: what is not late
 * is not dropped. A table without a rule, or whose rule sets no days, has the window. An organization's rule
 * decides what becomes of its events; it can only make them late earlier than its table does.
 * @param windowMs in milliseconds
 */
export function lateWindows(rules: readonly KeepRule[], windowMs: number, now: EpochMillis): LateWindows {
  const windowOf = (entity: Entity) =>
    entityWindow(
      rules.filter((rule) => rule.entity === entity),
      now - windowMs,
      now - (now % DAY_MS),
    );
  return { lead: windowOf('lead'), contact: windowOf('contact'), opportunity: windowOf('opportunity') };
}

/** @param fallback the start where no rule says otherwise @param today when the day began */
function entityWindow(rules: readonly KeepRule[], fallback: EpochMillis, today: EpochMillis): EntityWindow {
  const table = rules.find(({ organizationId }) => organizationId === null);
  const startOf = (rule: KeepRule | undefined, otherwise: EpochMillis) =>
    rule === undefined || rule.keepDays === null ? otherwise : today - rule.keepDays * DAY_MS;
  const start = startOf(table, fallback);
  const organizations = new Map<string, { start: EpochMillis; late: LatePolicy }>();
  let inTimeFrom = start;
  for (const rule of rules) {
    if (rule.organizationId !== null) {
      const own = Math.max(start, startOf(rule, start));
      organizations.set(rule.organizationId, { start: own, late: rule.late });
      inTimeFrom = Math.max(inTimeFrom, own);
    }
  }
  return { inTimeFrom, start, late: table?.late ?? 'quarantine', organizations };
}

/** What becomes of an event by its time; null when it is not late. */
export function latePolicyOf(
  { entity, organizationId, timestamp }: Pick<WireEvent, 'entity' | 'organizationId' | 'timestamp'>,
  windows: LateWindows,
): LatePolicy | null {
  const window = windows[entity];
  if (timestamp === null || timestamp >= window.inTimeFrom) {
    return null;
  }
  const { start, late } = window.organizations.get(organizationId ?? '') ?? window;
  return timestamp < start ? late : null;
}
