import type { MaintenanceObserver } from '../../activities/maintenance-ports.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Metrics } from '../../platform/metrics.ts';

/** Turns what partition maintenance does into metrics, and into log lines for whoever has to look after it. */
export function createMaintenanceObserver(metrics: Metrics, logger: Logger): MaintenanceObserver {
  return {
    measured(tables) {
      for (const { table, partitions, defaultRows } of tables) {
        metrics.partitions.set({ table }, partitions);
        metrics.defaultRows.set({ table }, defaultRows);
      }
    },
    stepped(step, { counts, notes }) {
      const { found = 0, droppedRows = 0, archivedRows = 0, rows = 0 } = counts;
      if (step === 'drain' && found > 0) metrics.incidents.inc({ kind: 'default_rows' });
      for (const [how, retired] of Object.entries({ dropped: droppedRows, archived: archivedRows, deleted: rows })) {
        if (retired > 0) metrics.retiredRows.inc({ how }, retired);
      }
      for (const note of notes) {
        logger.warn(note, { step });
      }
      logger.info('a step of the maintenance is done', { step, ...counts });
    },
    concluded(outcome, seconds, reasons) {
      metrics.maintenanceRuns.inc({ outcome });
      metrics.maintenanceSeconds.set(seconds);
      const level = outcome === 'failed' ? 'error' : 'info';
      logger[level](`the maintenance of partitions ${outcome}`, { seconds, reasons: reasons.join('; ') });
    },
  };
}
