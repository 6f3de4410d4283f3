/** What the API needs to have partitions maintained. `adapters/temporal/maintenance-control.ts` implements it. */
import type { MaintenanceStepInput } from './maintenance-contracts.ts';

export interface MaintenanceControlPort {
  /**
   * Starts a run that PostgreSQL knows.
   * @throws ControlRefusedError when one that was started by hand is under way, ControlUnavailableError
   */
  start(run: MaintenanceStepInput): Promise<void>;
}
