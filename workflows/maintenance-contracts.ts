/** Names and shapes of partition maintenance; see contracts.ts on what may be here. */

/** One at a time for each database; whoever comes second by another way is told so by PostgreSQL. */
export const MAINTENANCE_WORKFLOW_ID = 'crm-maintenance';

/** The schedule of one consumer group. */
export function maintenanceScheduleId(consumerGroup: string): string {
  return `crm-maintenance:${consumerGroup}`;
}

export type MaintenanceStep = 'ahead' | 'drain' | 'retire' | 'expire' | 'ledger' | 'unreadable' | 'audit-log';

/** What is asked for; a run of the schedule asks for nothing special. */
export interface MaintenanceInput {
  /** Absent in a run of the schedule, which is given one. */
  maintenanceId?: string;
  dryRun?: boolean;
  maintenanceWindow?: boolean;
}

export interface MaintenanceStepInput {
  maintenanceId: string;
  dryRun: boolean;
  maintenanceWindow: boolean;
}

export interface MaintenanceConclusion {
  maintenanceId: string;
  outcome: 'finished' | 'failed' | 'skipped';
  /** A sentence for each step that failed. */
  reasons: string[];
}

/** What each step did, in numbers alone; none when another run was at work. */
export type MaintenanceResult = Partial<Record<MaintenanceStep, Record<string, number>>>;
